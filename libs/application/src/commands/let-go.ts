import {
  configDecider,
  configStream,
  hasLetGo,
  liveAfter,
  rolloutDecider,
  type Recorded,
  type RolloutEvent,
  type RolloutState,
} from '#libs/domain';
import type { Session } from './runner.js';

/** Once a rollout is read back or settled, the config's targets are free for the next one, in the same append. */
export const letGo = async (
  session: Session,
  before: RolloutState,
  events: readonly RolloutEvent[],
  at: number,
): Promise<void> => {
  if (before.status === 'none' || events.length === 0) return;
  const after = events.reduce<RolloutState>(
    (state, event) => rolloutDecider.evolve(state, { ...event, position: 0, at } as Recorded<RolloutEvent>),
    before,
  );
  if (after.status === 'none' || hasLetGo(before) || !hasLetGo(after)) return;
  const stream = configStream(after.config);
  const { state } = await session.load(configDecider, stream);
  session.decide(configDecider, stream, state, {
    type: 'ReleaseTargets',
    rollout: after.id,
    revision: after.revision,
    targets: Object.keys(after.targets),
    outcome: after.status === 'settled' ? 'settled' : 'rolled-back',
    live: liveAfter(after),
  });
};
