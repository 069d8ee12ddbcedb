import type { RolloutEvent } from '../events/index.js';
import type { Look } from '../gate/index.js';
import type { PlanSpec } from '../plan/index.js';
import { isOver, rolloutDecider, trackOf, type Rollout, type RolloutState } from '../rollout/index.js';
import type { KeptLook, LoggedEvent } from './recompute.js';
import { foldPools, startPools, type EvidencePool } from './verdicts.js';

/** What of a plan decides about recorded evidence; stages and bakes are those that the rollouts really had. */
export type JudgingPlan = Pick<PlanSpec, 'alpha' | 'rollbackScope' | 'signals'>;

/** A stored look with its time in epoch milliseconds. */
export type TimedKeptLook = KeptLook & { readonly at: number };

/** Where and by what a rollout was stopped, or would have been. */
export type StopPoint = {
  readonly at: number;
  /** Stages that were exposed then, such as api/10%. */
  readonly stages: readonly string[];
  readonly signal: string | null;
  /** Bad outcomes, or values, of that signal on either arm up to then. */
  readonly candidate: number;
  readonly control: number;
};

export type Backtested = {
  readonly rollout: string;
  readonly config: string;
  readonly revision: number;
  readonly plan: string;
  readonly startedAt: number;
  /** How it really ended; its status now where it is not over. */
  readonly end: Rollout['status'];
  /** Null: it was not taken back because of what was seen. */
  readonly stopped: StopPoint | null;
  /** Null: the plan would not have stopped it on what was recorded. */
  readonly wouldStop: StopPoint | null;
  /** Signals of the plan that it did not measure. */
  readonly unmeasured: readonly string[];
  /** The looks of an hour are one: the plan may seem to stop it up to an hour later than it would have. */
  readonly isCompacted: boolean;
};

/** The rollout as it was, judged by another plan on the signals that both know. */
const rejudged = (rollout: Rollout, plan: JudgingPlan): Rollout => ({
  ...rollout,
  plan: {
    ...rollout.plan,
    alpha: plan.alpha,
    rollbackScope: plan.rollbackScope ?? 'rollout',
    signals: plan.signals.flatMap(({ signal, harm, weight, shadow }) => {
      const known = rollout.plan.signals.find((each) => each.signal === signal);
      return known === undefined ? [] : [{ ...known, harm, weight, shadow }];
    }),
  },
});

const exposedStages = (rollout: Rollout): readonly string[] =>
  rollout.plan.tracks.flatMap((track) => {
    const { stage } = trackOf(rollout, track.name);
    return stage < 0 ? [] : [`${track.name}/${track.stages[stage]?.name ?? 'watch'}`];
  });

/** What counted of each signal so far, by arm. */
class Counts {
  readonly #counts = new Map<string, { candidate: number; control: number }>();

  add(cells: Look['cells']): void {
    for (const { signal, candidateBad, controlBad, bins = [] } of cells) {
      const counted = this.of(signal);
      counted.candidate += candidateBad + bins.reduce((sum, [, candidate]) => sum + candidate, 0);
      counted.control += controlBad + bins.reduce((sum, [, , control]) => sum + control, 0);
      this.#counts.set(signal, counted);
    }
  }

  of(signal: string): { candidate: number; control: number } {
    return this.#counts.get(signal) ?? { candidate: 0, control: 0 };
  }
}

/** The first signal that fails: a rate or values by the bound, an invariant by a violation that control does not share. */
const failing = (rollout: Rollout, pools: readonly EvidencePool[], counts: Counts): string | undefined => {
  const [failed] = pools.flatMap(({ evidence }) => evidence.failed);
  if (failed !== undefined) return failed;
  return rollout.plan.signals.find(({ signal, type, shadow }) => {
    const { candidate, control } = counts.of(signal);
    return type === 'invariant' && !shadow && candidate > 0 && control === 0;
  })?.signal;
};

type Course = { readonly states: readonly (readonly [at: number, state: Rollout])[]; readonly last: Rollout };

const courseOf = (events: readonly LoggedEvent[]): Course => {
  let state: RolloutState = rolloutDecider.initial;
  const states: [number, Rollout][] = [];
  for (const { event, at, position } of events) {
    state = rolloutDecider.evolve(state, { ...event, at, position });
    if (state.status !== 'none') states.push([at, state]);
  }
  if (state.status === 'none') throw new RangeError('The stream does not begin a rollout.');
  return { states, last: state };
};

const stateAt = ({ states, last }: Course, at: number): Rollout =>
  states.findLast(([when]) => when <= at)?.[1] ?? states[0]?.[1] ?? last;

const reallyStopped = (
  events: readonly LoggedEvent[],
  course: Course,
  looks: readonly TimedKeptLook[],
): StopPoint | null => {
  const found = events.find(({ event }) => event.type === 'DegradationDetected');
  if (found === undefined) return null;
  const { at, event } = found as LoggedEvent & {
    readonly event: Extract<RolloutEvent, { type: 'DegradationDetected' }>;
  };
  const counts = new Counts();
  for (const look of looks) if (look.at <= at) counts.add(JSON.parse(look.cells) as Look['cells']);
  const { signal } = event.data;
  return { at, stages: exposedStages(stateAt(course, at - 1)), signal, ...counts.of(signal) };
};

const wouldStop = (rollout: Rollout, course: Course, looks: readonly TimedKeptLook[]): StopPoint | null => {
  if (rollout.plan.signals.length === 0) return null;
  const pools = startPools(rollout);
  const counts = new Counts();
  for (const look of looks) {
    const cells = JSON.parse(look.cells) as Look['cells'];
    foldPools(pools, { look: look.look, cells });
    counts.add(cells);
    const signal = failing(rollout, pools, counts);
    if (signal !== undefined)
      return { at: look.at, stages: exposedStages(stateAt(course, look.at)), signal, ...counts.of(signal) };
  }
  return null;
};

/**
 * What a plan would have stopped of one rollout, judged on its recorded evidence: looks are folded in their order, with
 * the alpha, harm, weights and scope of the plan. Evidence ends where the rollout really ended, and stages are those it
 * had: whatever the plan asks to go on changes nothing here. Throws a RangeError where the stream does not begin a rollout.
 */
export const backtest = (
  events: readonly LoggedEvent[],
  looks: readonly TimedKeptLook[],
  plan: JudgingPlan,
): Backtested => {
  const course = courseOf(events);
  const { last } = course;
  const known = new Set(last.plan.signals.map(({ signal }) => signal));
  return {
    rollout: last.id,
    config: last.config,
    revision: last.revision,
    plan: last.plan.plan,
    startedAt: last.startedAt,
    end: last.status,
    stopped: reallyStopped(events, course, looks),
    wouldStop: wouldStop(rejudged(last, plan), course, looks),
    unmeasured: plan.signals.flatMap(({ signal }) => (known.has(signal) ? [] : [signal])),
    isCompacted: looks.some(({ compacted }) => compacted !== undefined && compacted !== null),
  };
};

/** Whether it was let go on in fact and would have been stopped: wrongly, as far as anybody knows. */
export const isNewStop = ({ end, stopped, wouldStop: would }: Backtested): boolean =>
  would !== null && stopped === null && isOver({ status: end }) && end !== 'rolled-back';
