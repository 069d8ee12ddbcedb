import {
  configDecider,
  configStream,
  letGoOf,
  releaseOf,
  rolloutDecider,
  type Recorded,
  type RolloutEvent,
  type RolloutState,
} from '#libs/domain';
import type { Session } from './runner.js';

/**
 * Targets on which a rollout is read back or settled are free for the next one of the config, in the same append: all that
 * it still holds of them, whatever made them free.
 */
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
  if (after.status === 'none') return;
  const targets = letGoOf(after);
  if (targets.length === 0) return;
  const stream = configStream(after.config);
  const { state } = await session.load(configDecider, stream);
  session.decide(configDecider, stream, state, releaseOf(after, targets));
};
