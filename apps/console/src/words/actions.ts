import type { RolloutView } from '#libs/contracts';
import { plural, showShare } from './format.js';

export type ActionName = 'promote' | 'pause' | 'resume' | 'abort' | 'undo';
export type Action = {
  readonly name: ActionName;
  readonly label: string;
  /** What it will do, before it is done. */
  readonly consequence: string;
  /** Takes something away from users. */
  readonly isGrave: boolean;
  /** The key that asks for it. */
  readonly key: string;
  readonly body: Readonly<Record<string, unknown>>;
};

type Stage = RolloutView['tracks'][number]['stages'][number];

const exposed = ({ targets }: RolloutView): number => targets.filter(({ requestedBp }) => requestedBp > 0).length;

/** The stages that it is in now, as a promotion names them: a second click then skips no second stage. */
export const stagesNow = ({ status, tracks }: RolloutView): readonly string[] =>
  status === 'staging'
    ? tracks.flatMap((track) => (track.status === 'in-stage' ? [`${track.name}/${track.stage}`] : []))
    : ['watch'];

const nextOf = (track: RolloutView['tracks'][number]): Stage | undefined =>
  track.stages[track.stages.findIndex(({ name }) => name === track.stage) + 1];

const promotion = (rollout: RolloutView): string => {
  if (rollout.status !== 'staging')
    return 'Ends the watch now: the holdback is taken too, and the revision becomes last known good.';
  const steps = rollout.tracks
    .filter(({ status }) => status === 'in-stage')
    .map((track) => {
      const next = nextOf(track);
      return next
        ? `${track.name} goes from ${track.stage} to ${showShare(next.exposureBp)}`
        : `${track.name} ends ${track.stage}`;
    });
  return `${steps.join('; ')}, without what is still missing. That is recorded as skipped. Guardrails stay on.`;
};

const reason = (name: ActionName, rollout: RolloutView): Action => {
  const what = `r${rollout.revision}`;
  const back = [...new Set(rollout.targets.map(({ control }) => `r${control}`))].join(', ');
  switch (name) {
    case 'promote':
      return {
        name,
        label: rollout.status === 'staging' ? 'Promote' : 'End the watch',
        consequence: promotion(rollout),
        isGrave: false,
        key: 'm',
        body: { stages: stagesNow(rollout) },
      };
    case 'pause':
      return {
        name,
        label: 'Pause',
        consequence:
          'No track goes on until somebody resumes it. Guardrails stay on, and a rollback still comes by itself.',
        isGrave: false,
        key: 'p',
        body: {},
      };
    case 'resume':
      return {
        name,
        label: 'Resume',
        consequence: 'It goes on from where it is as soon as all that its stage asks for is there.',
        isGrave: false,
        key: 'r',
        body: {},
      };
    case 'abort':
      return {
        name,
        label: 'Abort',
        consequence: `Takes ${what} back now on ${plural(exposed(rollout), 'target')}: they go to ${back}. This rollout cannot go on afterwards.`,
        isGrave: true,
        key: 'a',
        body: {},
      };
    case 'undo':
      return {
        name,
        label: 'Undo',
        consequence: `Starts a rollout of its own that takes ${what} back everywhere at once, with guardrails on.`,
        isGrave: true,
        key: 'u',
        body: { revision: rollout.revision },
      };
  }
};

const RUNNING = new Set(['staging', 'watching', 'settling']);

const namesFor = ({ status, held, verdicts }: RolloutView): readonly ActionName[] => {
  if (status === 'settled') return ['undo'];
  if (!RUNNING.has(status)) return [];
  const isPaused = held?.by === 'person';
  const hasFailed = verdicts.some(({ verdict, shadow }) => verdict === 'fail' && !shadow);
  const mayPromote = status !== 'settling' && !isPaused && !hasFailed;
  return [...(mayPromote ? (['promote'] as const) : []), isPaused ? 'resume' : 'pause', 'abort'];
};

/** What may be done with a rollout now, in the order of the buttons; nothing for who only reads. */
export const actionsFor = (rollout: RolloutView, mayAct: boolean): readonly Action[] =>
  mayAct ? namesFor(rollout).map((name) => reason(name, rollout)) : [];
