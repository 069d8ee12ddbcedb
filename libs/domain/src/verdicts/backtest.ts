import type { RolloutEvent } from '../events/index.js';
import { BEFORE_AFTER, isOfValues, type Look } from '../gate/index.js';
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
  /** Signals of which the plan would only have held it, or said so, before that. */
  readonly wouldHold: readonly string[];
  /** Signals of the plan that it did not measure. */
  readonly unmeasured: readonly string[];
  /** Signals, or what the plan asks of them, that stored looks do not tell: nothing here rests on them. */
  readonly leftOut: readonly LeftOut[];
  /** The looks of an hour are one: the plan may seem to stop it up to an hour later than it would have. */
  readonly isCompacted: boolean;
};

/**
 * `limit`: requests are kept beside bad outcomes only, so no rate can be compared with it. `before`: a source that knows no
 * arms is compared with the time before the rollout, which is in no look.
 */
export type LeftOut = { readonly signal: string; readonly what: 'limit' | 'before' };

/** The rollout as it was, judged by another plan on the signals that both know. */
const rejudged = (rollout: Rollout, plan: JudgingPlan): Rollout => ({
  ...rollout,
  plan: {
    ...rollout.plan,
    alpha: plan.alpha,
    rollbackScope: plan.rollbackScope ?? 'rollout',
    signals: plan.signals.flatMap(({ signal, harm, weight, shadow, onFail, limit = null }) => {
      const known = rollout.plan.signals.find((each) => each.signal === signal);
      if (known === undefined) return [];
      const policy = onFail ?? (known.source === null ? 'roll-back' : 'hold');
      return [{ ...known, harm, weight, shadow, limit, onFail: policy }];
    }),
  },
});

const exposedStages = (rollout: Rollout): readonly string[] =>
  rollout.plan.tracks.flatMap((track) => {
    const { stage } = trackOf(rollout, track.name);
    return stage < 0 ? [] : [`${track.name}/${track.stages[stage]?.name ?? 'watch'}`];
  });

type Signals = Rollout['plan']['signals'];

/** What counted of each signal so far, by arm. */
class Counts {
  readonly #counts = new Map<string, { candidate: number; control: number }>();
  readonly #ofValues: ReadonlySet<string>;

  constructor(signals: Signals) {
    this.#ofValues = new Set(signals.filter(isOfValues).map(({ signal }) => signal));
  }

  add(cells: Look['cells']): void {
    for (const { signal, candidateBad, controlBad, bins = [], instances = [] } of cells) {
      const counted = this.of(signal);
      counted.candidate += candidateBad + bins.reduce((sum, [, candidate]) => sum + candidate, 0);
      counted.control += controlBad + bins.reduce((sum, [, , control]) => sum + control, 0);
      for (const [, place, count] of this.#ofValues.has(signal) ? instances : [])
        counted[place === 'chosen' || place === 'kept' ? 'candidate' : 'control'] += count;
      this.#counts.set(signal, counted);
    }
  }

  of(signal: string): { candidate: number; control: number } {
    return this.#counts.get(signal) ?? { candidate: 0, control: 0 };
  }
}

/** Signals that fail now: rates and values by their bound, an invariant by a violation that control does not share. */
const failing = ({ plan }: Rollout, pools: readonly EvidencePool[], counts: Counts): Signals =>
  plan.signals.filter(({ signal, type, shadow }) => {
    if (shadow) return false;
    const { candidate, control } = counts.of(signal);
    if (type === 'invariant' && candidate > 0 && control === 0) return true;
    return pools.some(({ evidence }) => (evidence.signals.get(signal)?.failedAt ?? null) !== null);
  });

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
  const counts = new Counts(course.last.plan.signals);
  for (const look of looks) if (look.at <= at) counts.add(JSON.parse(look.cells) as Look['cells']);
  const { signal } = event.data;
  return { at, stages: exposedStages(stateAt(course, at - 1)), signal, ...counts.of(signal) };
};

type Would = Pick<Backtested, 'wouldStop' | 'wouldHold'>;

const wouldStop = (rollout: Rollout, course: Course, looks: readonly TimedKeptLook[]): Would => {
  const { signals } = rollout.plan;
  const held = new Set<string>();
  if (signals.length === 0) return { wouldStop: null, wouldHold: [] };
  const pools = startPools(rollout);
  const counts = new Counts(signals);
  for (const look of looks) {
    const cells = JSON.parse(look.cells) as Look['cells'];
    foldPools(pools, { look: look.look, cells });
    counts.add(cells);
    const failed = failing(rollout, pools, counts);
    const stopping = failed.find(({ onFail }) => onFail === 'roll-back');
    for (const { signal, onFail } of failed) if (onFail !== 'roll-back') held.add(signal);
    if (stopping === undefined) continue;
    const { signal } = stopping;
    const stages = exposedStages(stateAt(course, look.at));
    return { wouldStop: { at: look.at, stages, signal, ...counts.of(signal) }, wouldHold: [...held] };
  }
  return { wouldStop: null, wouldHold: [...held] };
};

/** Verdicts that compared with the time before tell that a source knows no arms. */
const leftOutOf = (rollout: Rollout, events: readonly LoggedEvent[]): readonly LeftOut[] => {
  const before = new Set(
    events.flatMap(({ event }) =>
      event.type === 'VerdictRecorded' && event.data.verdict.method === BEFORE_AFTER ? event.data.verdict.signal : [],
    ),
  );
  return rollout.plan.signals.flatMap(({ signal, source, limit }): readonly LeftOut[] => [
    ...(source !== null && before.has(signal) ? [{ signal, what: 'before' } as const] : []),
    ...(limit === null ? [] : [{ signal, what: 'limit' } as const]),
  ]);
};

/**
 * What a plan would have stopped of one rollout, judged on its recorded evidence: looks are folded in their order, with
 * the alpha, harm, weights, scope and `onFail` of the plan. Evidence ends where the rollout really ended, and stages are those it
 * had: whatever the plan asks to go on changes nothing here. Throws a RangeError where the stream does not begin a rollout.
 */
export const backtest = (
  events: readonly LoggedEvent[],
  looks: readonly TimedKeptLook[],
  plan: JudgingPlan,
): Backtested => {
  const course = courseOf(events);
  const { last } = course;
  const again = rejudged(last, plan);
  const known = new Set(last.plan.signals.map(({ signal }) => signal));
  return {
    rollout: last.id,
    config: last.config,
    revision: last.revision,
    plan: last.plan.plan,
    startedAt: last.startedAt,
    end: last.status,
    stopped: reallyStopped(events, course, looks),
    ...wouldStop(again, course, looks),
    unmeasured: plan.signals.flatMap(({ signal }) => (known.has(signal) ? [] : [signal])),
    leftOut: leftOutOf(again, events),
    isCompacted: looks.some(({ compacted }) => compacted !== undefined && compacted !== null),
  };
};

/** Whether it was let go on in fact and would have been stopped: wrongly, as far as anybody knows. */
export const isNewStop = ({ end, stopped, wouldStop: would }: Backtested): boolean =>
  would !== null && stopped === null && isOver({ status: end }) && end !== 'rolled-back';
