import { createHash } from 'node:crypto';
import type { Comparison, ComparisonBatch, ComparisonReceipt } from '#libs/contracts';
import type { ExposureLookup } from './exposure.js';
import type { Reporter } from './intake.js';
import type { Fault } from './place-faults.js';

/** A rollout that runs, with the targets of its plan. */
export type Trial = { readonly rollout: string; readonly startedAt: number; readonly targets: ReadonlySet<string> };

/** What is registered, and which rollouts bring a revision now. */
export type ComparisonLookup = Pick<ExposureLookup, 'knowsTarget' | 'knowsSignal' | 'knowsRevision'> & {
  trials(config: string, revision: number): readonly Trial[];
};

/** What was compared for one rollout; the left target is the one whose name comes first. */
export type ComparisonFact = {
  readonly rollout: string;
  readonly signal: string;
  readonly left: string;
  readonly right: string;
  readonly pairs: number;
  readonly leftOnly: number;
  readonly rightOnly: number;
  readonly firstAt: number;
  readonly lastAt: number;
};

/** The way in for comparisons of two targets. */
export abstract class ComparisonIntake {
  /**
   * Counts a batch once, however often it arrives. Each wrong item is refused by itself, the rest is durable when the
   * answer comes. `now` is in epoch milliseconds. Throws what the database throws: then nothing of the batch was counted
   * and it may be sent again.
   */
  abstract submit(batch: ComparisonBatch, reporter: Reporter, now: number): Promise<ComparisonReceipt>;
}

export type Assessed = {
  readonly facts: readonly ComparisonFact[];
  readonly accepted: number;
  readonly rejected: ComparisonReceipt['rejected'];
};

const MAX_AHEAD_MS = 60_000;

/** What stands for the content of a batch: sent again it is the same. */
export const digestOfComparisons = ({ comparisons }: ComparisonBatch): string =>
  createHash('sha256')
    .update(JSON.stringify(['comparisons', comparisons]))
    .digest('hex');

type FieldFault = Fault & { readonly field: string };

const signalFault = ({ signal }: Comparison, lookup: ComparisonLookup): FieldFault | undefined => {
  const type = lookup.knowsSignal(signal);
  if (type === undefined) {
    const detail = `The signal ${signal} is not registered: apply its manifest first or correct the name.`;
    return { field: 'signal', code: 'unknown-signal', detail };
  }
  if (type === 'paired') return undefined;
  const detail = `${signal} is of type ${type}: name a signal of type paired.`;
  return { field: 'signal', code: 'wrong-kind-of-signal', detail };
};

const revisionFault = ({ config, revision }: Comparison, lookup: ComparisonLookup): FieldFault | undefined => {
  if (lookup.knowsRevision(config, revision)) return undefined;
  // Revisions are numbered from 1, so a config without one is not registered.
  return lookup.knowsRevision(config, 1)
    ? {
        field: 'revision',
        code: 'unknown-revision',
        detail: `${config} has no revision ${revision}: report the revision that the ruleset named.`,
      }
    : {
        field: 'config',
        code: 'unknown-config',
        detail: `The config ${config} is not registered: apply its manifest first or correct the name.`,
      };
};

const targetFault = ({ left, right }: Comparison, lookup: ComparisonLookup): FieldFault | undefined => {
  for (const [field, target] of [
    ['left', left],
    ['right', right],
  ] as const)
    if (!lookup.knowsTarget(target))
      return {
        field,
        code: 'unknown-target',
        detail: `Target ${target} is not registered: apply its manifest first or correct the name.`,
      };
  return left === right
    ? { field: 'right', code: 'same-target-twice', detail: `${left} is compared with itself: name two targets.` }
    : undefined;
};

const countFault = ({ pairs, leftOnly, rightOnly }: Comparison): FieldFault | undefined =>
  leftOnly + rightOnly > pairs
    ? {
        field: 'pairs',
        code: 'more-than-pairs',
        detail: `${leftOnly} and ${rightOnly} are more than the ${pairs} pairs they are part of.`,
      }
    : undefined;

const timeFault = ({ at }: Comparison, now: number): FieldFault | undefined =>
  Date.parse(at) > now + MAX_AHEAD_MS
    ? {
        field: 'at',
        code: 'comparison-in-future',
        detail: `${at} is more than a minute from now: set the clock of whoever compares.`,
      }
    : undefined;

/** The rollouts that a comparison is evidence for: those that ran then and have both targets. */
const trialsOf = (item: Comparison, lookup: ComparisonLookup): readonly Trial[] =>
  lookup
    .trials(item.config, item.revision)
    .filter(
      ({ targets, startedAt }) =>
        targets.has(item.left) && targets.has(item.right) && Date.parse(item.at) > startedAt - MAX_AHEAD_MS,
    );

const untried = ({ config, revision, left, right, at }: Comparison): FieldFault => ({
  field: 'revision',
  code: 'not-on-trial',
  detail: `No rollout that runs now, and did at ${at}, brings revision ${revision} of ${config} to both ${left} and ${right}: compare what a rollout serves there.`,
});

const factOf = (item: Comparison, rollout: string, now: number): ComparisonFact => {
  const { signal, left, right, pairs, leftOnly, rightOnly } = item;
  const at = Math.min(Date.parse(item.at), now);
  const times = { firstAt: at, lastAt: at };
  return left < right
    ? { rollout, signal, left, right, pairs, leftOnly, rightOnly, ...times }
    : { rollout, signal, left: right, right: left, pairs, leftOnly: rightOnly, rightOnly: leftOnly, ...times };
};

const keyOf = ({ rollout, signal, left, right }: ComparisonFact): string => [rollout, signal, left, right].join(' ');

/** Of two about the same. */
const joined = (a: ComparisonFact, b: ComparisonFact): ComparisonFact => ({
  ...a,
  pairs: a.pairs + b.pairs,
  leftOnly: a.leftOnly + b.leftOnly,
  rightOnly: a.rightOnly + b.rightOnly,
  firstAt: Math.min(a.firstAt, b.firstAt),
  lastAt: Math.max(a.lastAt, b.lastAt),
});

/** One of each kind, in the order in which every writer takes them. */
export const summed = (facts: readonly ComparisonFact[]): readonly ComparisonFact[] => {
  const sums = new Map<string, ComparisonFact>();
  for (const fact of facts) {
    const known = sums.get(keyOf(fact));
    sums.set(keyOf(fact), known === undefined ? fact : joined(known, fact));
  }
  return [...sums.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, fact]) => fact);
};

/** Judges one batch item by item. Pure: asks only the lookup, writes nothing. */
export const assessComparisons = (
  { comparisons }: ComparisonBatch,
  now: number,
  lookup: ComparisonLookup,
): Assessed => {
  const facts: ComparisonFact[] = [];
  const rejected: ComparisonReceipt['rejected'] = [];
  for (const [index, item] of comparisons.entries()) {
    const trials = trialsOf(item, lookup);
    const fault =
      signalFault(item, lookup) ??
      revisionFault(item, lookup) ??
      targetFault(item, lookup) ??
      countFault(item) ??
      timeFault(item, now) ??
      (trials.length === 0 ? untried(item) : undefined);
    if (fault === undefined) for (const { rollout } of trials) facts.push(factOf(item, rollout, now));
    else rejected.push({ pointer: `/comparisons/${index}/${fault.field}`, code: fault.code, detail: fault.detail });
  }
  return { facts: summed(facts), accepted: comparisons.length - rejected.length, rejected };
};
