import type { GroundTruth } from '../fleet/ground-truth.js';
import type { StoryEvent } from './events.js';

/** What a rollout of the demo must come to. */
export type Expectation =
  | {
      readonly kind: 'settles';
      readonly tracks: readonly string[];
      readonly stages: readonly string[];
      readonly targets: number;
    }
  | {
      readonly kind: 'caught';
      readonly signal: string;
      readonly firstStage: string;
      readonly exposed: readonly string[];
    };

/** What it came to, judged from its events alone. */
export type Judgement = {
  readonly ok: boolean;
  readonly expected: string;
  readonly came: string;
  /** What is not as expected; empty when all is. */
  readonly problems: readonly string[];
};

type Of<Type extends StoryEvent['type']> = Extract<StoryEvent, { type: Type }>;

const all = <Type extends StoryEvent['type']>(events: readonly StoryEvent[], type: Type): readonly Of<Type>[] =>
  events.filter((event): event is Of<Type> => event.type === type);

const wrong = (holds: boolean, problem: string): string[] => (holds ? [] : [problem]);

const stageNames = (events: readonly StoryEvent[]): string[] =>
  all(events, 'StagePassed').map(({ data }) => `${data.track}/${data.stage}`);

const judgeSettles = (events: readonly StoryEvent[], want: Extract<Expectation, { kind: 'settles' }>): Judgement => {
  const wanted = want.tracks.flatMap((track) => want.stages.map((stage) => `${track}/${stage}`));
  const got = stageNames(events);
  const [settled] = all(events, 'RolloutSettled');
  const [caught] = all(events, 'DegradationDetected');
  const came = caught
    ? `rolled back in ${caught.data.stages.join(', ')}`
    : settled
      ? `passed ${got.length} stages, settled on ${settled.data.targets.length} targets`
      : `passed ${got.length} of ${wanted.length} stages, not settled`;
  return {
    expected: `passes ${wanted.length} stages, settles on ${want.targets} targets`,
    came,
    ok: false,
    problems: [
      ...wrong(!caught, `it was taken for harmful: ${caught?.data.sentence ?? ''}`),
      ...wrong(
        got.join() === wanted.join(),
        `stages passed: ${got.join(', ') || 'none'}; expected ${wanted.join(', ')}`,
      ),
      ...wrong(
        settled?.data.targets.length === want.targets,
        `settled on ${settled?.data.targets.length ?? 0} of ${want.targets} targets`,
      ),
    ],
  };
};

const judgeCaught = (events: readonly StoryEvent[], want: Extract<Expectation, { kind: 'caught' }>): Judgement => {
  const [caught] = all(events, 'DegradationDetected');
  const [gone] = all(events, 'RolledBack');
  const passed = stageNames(events);
  const exposed = [
    ...new Set(all(events, 'ExposureRequested').flatMap(({ data }) => (data.shareBp > 0 ? [data.target] : []))),
  ];
  const back = all(events, 'TargetReadBack').map(({ data }) => data.target);
  const drained = Object.entries(gone?.data.targets ?? {}).flatMap(([target, outcome]) =>
    outcome === 'drained' ? [target] : [],
  );
  const missing = (have: readonly string[]): string[] => exposed.filter((target) => !have.includes(target));
  const came = caught
    ? `caught in ${caught.data.stages.join(', ')} by ${caught.data.signal}, ${gone ? `drained on ${drained.length} targets` : 'not gone yet'}`
    : `not caught, ${passed.length} stages passed`;
  return {
    expected: `caught in ${want.firstStage} by ${want.signal}, drained on ${want.exposed.length} targets`,
    came,
    ok: false,
    problems: [
      ...wrong(caught !== undefined, 'nothing was detected'),
      ...wrong(
        caught === undefined || caught.data.signal === want.signal,
        `it was caught by ${caught?.data.signal ?? 'nothing'}`,
      ),
      ...wrong(passed.length === 0, `it passed ${passed.join(', ')} before it was caught`),
      ...wrong(
        exposed.toSorted().join() === want.exposed.toSorted().join(),
        `exposed were ${exposed.join(', ') || 'no targets'}`,
      ),
      ...wrong(missing(back).length === 0, `not read back: ${missing(back).join(', ')}`),
      ...wrong(gone !== undefined, 'the rollback has not ended'),
      ...wrong(missing(drained).length === 0, `not drained: ${missing(drained).join(', ')}`),
    ],
  };
};

/** Compares what one rollout's events say with what was expected of it. */
export const judge = (events: readonly StoryEvent[], expectation: Expectation): Judgement => {
  const judged = expectation.kind === 'settles' ? judgeSettles(events, expectation) : judgeCaught(events, expectation);
  return { ...judged, ok: judged.problems.length === 0 };
};

/** Whether nothing more can come of a rollout. */
export const hasEnded = (events: readonly StoryEvent[]): boolean =>
  events.some(({ type }) => type === 'RolloutSettled' || type === 'RolledBack');

/** Harm that a fault did after its change had been declared gone: each target with such harm is a problem. */
export const harmAfterwards = (events: readonly StoryEvent[], fault: string, truth: GroundTruth): readonly string[] => {
  const [gone] = all(events, 'RolledBack');
  if (!gone) return [];
  return Object.entries(truth.faults[fault] ?? {}).flatMap(([target, { lastBadAt }]) =>
    lastBadAt !== null && lastBadAt > gone.at
      ? [
          `${target}: ${fault} still did harm ${((lastBadAt - gone.at) / 1_000).toFixed(1)} s after it was declared gone`,
        ]
      : [],
  );
};
