import type { Precision } from '#libs/kernel';
import { summarise } from '../events/summary.js';
import type { Recorded, RecordedVerdict, RolloutEvent } from '../events/index.js';
import type { SignalSpec } from '../gate/index.js';
import type { Harm, HarmByPlatform } from './harm.js';
import { outlookOf, type Outlook } from './outlook.js';
import type { ProbeCounts } from './probes.js';
import type { RealHarm } from './reality.js';
import type { SimulatedRollout } from './run.js';
import type { Provenance, Published, Scenario, ScenarioChange } from './scenario.js';
import type { SimulatedChange } from './world.js';

export type ChangeOutcome = 'imported' | 'refused' | 'settled' | 'rolled-back' | 'open';

export type StageSpan = {
  readonly track: string;
  readonly stage: string;
  readonly from: number;
  /** Null while it goes on. */
  readonly until: number | null;
  readonly passed: boolean;
};

/** Why, where and when a rollout was taken back. */
export type Stop = {
  readonly at: number;
  /** Since its start. */
  readonly afterMs: number;
  /** `<track>/<stage>` of each track that was exposed. */
  readonly stages: readonly string[];
  readonly signal: string;
  readonly method: string;
  readonly sentence: string;
  /** From the decision until every target was drained or acknowledged; null when it was not over by the end. */
  readonly tookMs: number | null;
  readonly alongside: SimulatedChange['alongside'];
};

export type SignalCourse = {
  readonly signal: string;
  readonly title: string;
  readonly type: SignalSpec['type'];
  readonly isProbe: boolean;
  readonly logBound: number | null;
  readonly sentence: string;
  readonly verdict: RecordedVerdict['verdict'];
  /** ln of the e-value and bad outcomes by arm, by virtual time. */
  readonly points: readonly (readonly [at: number, logE: number, candidateBad: number, controlBad: number])[];
};

export type ChangeReport = {
  readonly change: string;
  readonly title: string;
  readonly config: string;
  readonly assignment: 'unit' | 'request';
  readonly revision: number | null;
  readonly plan: string | null;
  /** The run alone under another plan of a change that is also reported under its own. */
  readonly isComparison: boolean;
  readonly occurred: { readonly on: string; readonly precision: Precision; readonly conflicts: readonly string[] };
  readonly startedAt: number;
  readonly outcome: ChangeOutcome;
  readonly refusal: string | null;
  readonly endedAt: number | null;
  readonly stop: Stop | null;
  readonly stages: readonly StageSpan[];
  /** All stages of the plan, in order, whether they were reached or not. */
  readonly planned: readonly { readonly track: string; readonly stage: string }[];
  readonly targets: readonly string[];
  readonly exposure: SimulatedChange['exposure'];
  readonly signals: readonly SignalCourse[];
  readonly probes: ProbeCounts;
  readonly outlook: readonly Outlook[];
  readonly withHeadgate: Harm & { readonly byPlatform: HarmByPlatform };
  readonly really: RealHarm;
  readonly published: readonly Published[];
  readonly log: readonly { readonly at: number; readonly type: string; readonly text: string }[];
};

/** Where the numbers of one part of a scenario come from. */
export type Origin = Provenance & { readonly of: string };

/** Every part of a scenario that gives a source or admits an assumption. */
export const originsOf = (scenario: Scenario): readonly Origin[] => {
  const { targets, populations, signals, changes, faults, amplifiers, probeFaults } = scenario;
  const origin = (of: string, { source, assumption }: Provenance): Origin => ({ of, source, assumption });
  return [
    ...populations.map((each) => origin(`population ${each.name}`, each)),
    ...targets.map((each) => origin(`target ${each.target}`, each)),
    ...signals.map((each) => origin(`signal ${each.signal}`, each)),
    ...changes.map((each) => origin(`change ${each.change}`, each)),
    ...faults.map((each) => origin(`fault ${each.fault}`, each)),
    ...amplifiers.map((each) => origin(`amplifier ${each.amplifier}`, each)),
    ...probeFaults.map((each) => origin(`probe fault ${each.fault}`, each)),
  ];
};

type OfType<T extends RolloutEvent['type']> = Recorded<Extract<RolloutEvent, { type: T }>>;

const find = <T extends RolloutEvent['type']>(run: SimulatedRollout, type: T): OfType<T> | undefined =>
  run.events.find((event): event is OfType<T> => event.type === type);

const stopOf = (run: SimulatedRollout, alongside: SimulatedChange['alongside']): Stop | null => {
  const detected = find(run, 'DegradationDetected');
  if (!detected) return null;
  const { signal, stages, sentence } = detected.data;
  const failed = run.events.findLast(
    (event): event is OfType<'VerdictRecorded'> =>
      event.type === 'VerdictRecorded' && event.data.verdict.signal === signal && event.data.verdict.verdict === 'fail',
  );
  return {
    at: detected.at,
    afterMs: detected.at - (run.rollout?.startedAt ?? detected.at),
    stages,
    signal,
    method: failed?.data.verdict.method ?? 'unknown',
    sentence,
    tookMs: find(run, 'RolledBack')?.data.tookMs ?? null,
    alongside,
  };
};

const stagesOf = (run: SimulatedRollout): readonly StageSpan[] => {
  const back = find(run, 'RollbackStarted')?.at ?? null;
  const spans: StageSpan[] = [];
  for (const event of run.events) {
    if (event.type === 'StageEntered') {
      const { track, stage } = event.data;
      spans.push({ track, stage, from: event.at, until: back, passed: false });
    }
    if (event.type === 'StagePassed') {
      const { track, stage } = event.data;
      const index = spans.findIndex((span) => span.track === track && span.stage === stage);
      const span = spans[index];
      if (span) spans[index] = { ...span, until: event.at, passed: true };
    }
    if (event.type === 'FullyExposed') {
      const until = back ?? find(run, 'RolloutSettled')?.at ?? null;
      spans.push({ track: '*', stage: 'watch', from: event.at, until, passed: back === null && until !== null });
    }
  }
  return spans;
};

/** No chart shows more points than this. */
const MOST_POINTS = 240;

const thinned = <T>(points: readonly T[]): readonly T[] => {
  if (points.length <= MOST_POINTS) return points;
  const step = (points.length - 1) / (MOST_POINTS - 1);
  return Array.from({ length: MOST_POINTS }, (_, index) => points[Math.round(index * step)] as T);
};

const coursesOf = (run: SimulatedRollout, scenario: Scenario): readonly SignalCourse[] =>
  run.plan.signals.flatMap(({ signal, title, type }): SignalCourse[] => {
    const verdicts = Object.values(run.rollout?.verdicts ?? {}).filter((verdict) => verdict.signal === signal);
    const newest = verdicts.toSorted((a, b) => b.look - a.look)[0];
    return [
      {
        signal,
        title,
        type,
        isProbe: scenario.signals.some((each) => each.signal === signal && each.probe !== null),
        logBound: newest?.logBound ?? null,
        sentence: newest?.sentence ?? `${title}: not measured`,
        verdict: newest?.verdict ?? 'not-measured',
        points: thinned(run.course.get(signal) ?? []).map(
          ({ at, logE, candidateBad, controlBad }) => [at, logE, candidateBad, controlBad] as const,
        ),
      },
    ];
  });

const outcomeOf = ({ change, run, refused }: SimulatedChange): ChangeOutcome => {
  if (change.imported) return 'imported';
  if (refused !== null || run === null) return 'refused';
  const status = run.rollout?.status;
  if (status === 'settled') return 'settled';
  return status === 'rolled-back' || status === 'rolling-back' ? 'rolled-back' : 'open';
};

const runParts = (run: SimulatedRollout, scenario: Scenario, change: ScenarioChange, one: SimulatedChange) => ({
  revision: run.revision,
  endedAt: run.rollout?.endedAt ?? null,
  stop: stopOf(run, one.alongside),
  stages: stagesOf(run),
  planned: run.plan.tracks.flatMap(({ name, stages }) => stages.map((stage) => ({ track: name, stage: stage.name }))),
  targets: Object.keys(run.rollout?.targets ?? {}),
  signals: coursesOf(run, scenario),
  outlook: outlookOf(scenario, change, run.plan),
  log: run.events.map((event) => ({ at: event.at, type: event.type, text: summarise(event) })),
});

const NO_RUN = {
  revision: null,
  endedAt: null,
  stop: null,
  stages: [],
  planned: [],
  targets: [],
  signals: [],
  outlook: [],
  log: [],
};

/** The report of one simulated change beside what really happened to it. */
export const reportChange = (
  one: SimulatedChange,
  scenario: Scenario,
  really: RealHarm,
  isComparison: boolean,
): ChangeReport => {
  const { change, run } = one;
  return {
    change: change.change,
    title: change.title,
    config: change.config,
    assignment: change.assignment,
    plan: change.plan,
    isComparison,
    occurred: change.occurred,
    startedAt: change.startsAt,
    outcome: outcomeOf(one),
    refusal: one.refused?.message ?? null,
    ...(run === null ? NO_RUN : runParts(run, scenario, change, one)),
    exposure: one.exposure,
    probes: one.probes,
    withHeadgate: { ...one.harm.total, byPlatform: one.harm.byPlatform },
    really,
    published: change.published,
  };
};
