import { instanceLogE, instanceScores, logSumExp, logWealthOfDraw, payDraw, startDraw } from '#libs/statistics';
import { startTarget, type InstanceTotal, type TargetDraw } from './draws.js';
import type { RolloutEvidence, SignalEvidence } from './state.js';
import {
  isCounted,
  isOfValues,
  type CellCount,
  type EvidenceSpec,
  type InstanceCount,
  type SignalSpec,
} from './types.js';
import { HEADLINE_WEIGHT } from './weights.js';

/** Whether a signal is judged by the draw of instances: not pairs, which are the same work on both arms, nor sources. */
export const isByInstance = ({ assignment }: Pick<EvidenceSpec, 'assignment'>, signal: SignalSpec): boolean =>
  assignment === 'instance' && signal.type !== 'paired' && !isCounted(signal);

/** Bad requests for each instance of the draw that the first checkpoint needs, and of how many instances at most. */
const FIRST_BAD = 4;
const MOST_FIRST = 25;
/** Values for each instance of the draw that it needs. */
const FIRST_VALUES = 10;

/** How much must have been seen of a draw from so many before its first checkpoint: bad requests, or values. */
export const firstOf = (signal: SignalSpec, drawn: number): number =>
  isOfValues(signal) ? FIRST_VALUES * Math.max(1, drawn) : FIRST_BAD * Math.min(Math.max(1, drawn), MOST_FIRST);

const addTotal = (draw: TargetDraw, model: string, [instance, place, count, sum]: InstanceCount): void => {
  const instances = draw.models.get(model) ?? new Map<string, InstanceTotal>();
  const total = instances.get(instance) ?? { place, count: 0, sum: 0 };
  total.count += count;
  total.sum += sum;
  draw.models.set(model, instances.set(instance, total));
};

/** Closes the draw before, whose evidence stays, and begins the next one. */
const raise = (draw: TargetDraw, signal: SignalSpec, { shareBp, drawn = 0 }: CellCount): void => {
  for (const test of draw.tests) {
    test.logPast += draw.shareBp === 0 ? 0 : logWealthOfDraw(test.process);
    test.process = startDraw(firstOf(signal, drawn));
  }
  draw.shareBp = shareBp;
  draw.drawn = drawn;
  draw.models.clear();
};

/** A claim: chosen instances are compared as if their values were smaller by the ratio. */
type Claim = { readonly ratio: number; readonly worse: 'higher' | 'lower' };

const claimsOf = ({ harm = 1, worse = 'higher' }: SignalSpec, margins: readonly number[]): readonly Claim[] => [
  { ratio: harm, worse },
  ...margins.map((ratio): Claim => ({ ratio, worse: worse === 'higher' ? 'lower' : 'higher' })),
];

type Seen = { readonly instance: string; readonly isChosen: boolean; readonly count: number; readonly sum: number };

/** What the chosen would have come to on control if the candidate were worse by exactly the ratio. */
const adjusted = (signal: SignalSpec, ratio: number, { isChosen, count, sum }: Seen): number => {
  if (!isChosen) return sum;
  const factor = signal.worse === 'lower' ? 1 / ratio : ratio;
  return signal.type === 'distribution' ? sum - count * Math.log(factor) : sum / factor;
};

const medianOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** An instance of which less than this part of what is usual was seen is left out, whatever it serves. */
const LEAST_PART = 0.1;

/** Those of a model that were in the draw, and of which enough was seen. */
const seenOf = (instances: ReadonlyMap<string, InstanceTotal>): readonly Seen[] => {
  const drawn: Seen[] = [];
  for (const [instance, { place, count, sum }] of instances)
    if (count > 0 && (place === 'chosen' || place === 'spared'))
      drawn.push({ instance, isChosen: place === 'chosen', count, sum });
  const least = LEAST_PART * medianOf(drawn.map(({ count }) => count));
  return drawn.filter(({ count }) => count >= least).toSorted((a, b) => (a.instance < b.instance ? -1 : 1));
};

type Scored = { score: number; readonly isChosen: boolean };

/**
 * The instances of a draw by how bad each of them is, over all models it served: an instance has one place in the draw,
 * so it is one observation. `seen`: how much that rests on, by which checkpoints come.
 */
const scored = (signal: SignalSpec, draw: TargetDraw, { ratio, worse }: Claim) => {
  const sign = worse === 'higher' ? 1 : -1;
  const all = new Map<string, Scored>();
  let seen = 0;
  for (const instances of draw.models.values()) {
    const list = seenOf(instances);
    const sums = list.map((each) => adjusted(signal, ratio, each));
    const count = list.reduce((sum, each) => sum + each.count, 0);
    const total = sums.reduce((sum, each) => sum + each, 0);
    const rate = isOfValues(signal) ? 0 : total / count;
    seen += isOfValues(signal) ? count : total;
    const measures = list.map((each, i) => ({ value: (sums[i] ?? 0) / each.count, noise: rate / each.count }));
    for (const [i, score] of instanceScores(measures).entries()) {
      const { instance = '', isChosen = false } = list[i] ?? {};
      const known = all.get(instance) ?? { score: 0, isChosen };
      known.score += (sign * score) / Math.sqrt(draw.models.size);
      all.set(instance, known);
    }
  }
  return { instances: [...all.values()], seen };
};

/** All of the draw must have been heard of before the first checkpoint, unless so many times as much was seen of the others. */
const MUCH = 4;

/** Makes the checkpoints that are due. When that is, does not depend on who was chosen. */
const check = (signal: SignalSpec, draw: TargetDraw, margins: readonly number[]): void => {
  for (const [index, claim] of claimsOf(signal, margins).entries()) {
    const process = draw.tests[index]?.process;
    if (process === undefined) continue;
    const { instances, seen } = scored(signal, draw, claim);
    const isQuorum = instances.length >= draw.drawn || seen >= MUCH * firstOf(signal, draw.drawn);
    if (seen >= process.next && isQuorum) payDraw(process, instanceLogE(instances), seen);
  }
};

/** The exposure of each target that a look tells most of: the largest one. */
const largestOf = (cells: readonly CellCount[]): ReadonlyMap<string, CellCount> => {
  const largest = new Map<string, CellCount>();
  for (const cell of cells) {
    const key = `${cell.signal}\u0000${cell.target}`;
    if (cell.instances !== undefined && cell.shareBp > (largest.get(key)?.shareBp ?? 0)) largest.set(key, cell);
  }
  return largest;
};

/**
 * Folds what a look told of instances in, and gives the signals that it told of. What was served under an earlier exposure
 * and arrives late is not tested any more.
 */
export const takeDraws = (state: RolloutEvidence, cells: readonly CellCount[]): readonly SignalEvidence[] => {
  if (state.spec.assignment !== 'instance') return [];
  const { margins } = state.spec;
  const touched = new Map<SignalEvidence, Set<TargetDraw>>();
  for (const largest of largestOf(cells).values()) {
    const signal = state.signals.get(largest.signal);
    if (signal === undefined || !isByInstance(state.spec, signal.spec)) continue;
    const draw = signal.byInstance.get(largest.target) ?? startTarget(margins.length);
    signal.byInstance.set(largest.target, draw);
    if (largest.shareBp > draw.shareBp) raise(draw, signal.spec, largest);
    touched.set(signal, (touched.get(signal) ?? new Set()).add(draw));
  }
  for (const { signal: name, target, model, shareBp, instances = [] } of cells) {
    const draw = state.signals.get(name)?.byInstance.get(target);
    if (draw?.shareBp === shareBp) for (const each of instances) addTotal(draw, model, each);
  }
  for (const [signal, draws] of touched) for (const draw of draws) check(signal.spec, draw, margins);
  return [...touched.keys()];
};

const wealthOf = (draw: TargetDraw | undefined, test: number): number => {
  const known = draw?.tests[test];
  if (draw === undefined || known === undefined || draw.shareBp === 0) return 0;
  return known.logPast + logWealthOfDraw(known.process);
};

const targetsOf = ({ cells }: EvidenceSpec): readonly string[] => [...new Set(cells.map(({ target }) => target))];

/** Part of the bound on all targets together; each of them shares what is left. */
export const headlineOf = (targets: number): number => (targets > 1 ? HEADLINE_WEIGHT : 1);

/**
 * The evidence of harm over all targets: draws on different targets are independent, so what they show multiplies; beside
 * that each target by itself has a part, for harm in one place only.
 */
export const drawsLogE = (spec: EvidenceSpec, { byInstance }: SignalEvidence): number => {
  return mergedDraws(targetsOf(spec).map((target) => wealthOf(byInstance.get(target), 0)));
};

/** The same from the logarithms of what each target has shown. */
export const mergedDraws = (wealths: readonly number[]): number => {
  const headline = headlineOf(wealths.length);
  const together = wealths.reduce((sum, each) => sum + each, 0);
  if (headline === 1) return together;
  const each = Math.log((1 - headline) / wealths.length);
  return logSumExp([Math.log(headline) + together, ...wealths.map((wealth) => each + wealth)]);
};

/** The evidence that the candidate is better than a margin, over the targets of a scope (null: all). */
export const drawsLogPromotion = (
  { spec }: RolloutEvidence,
  { byInstance }: SignalEvidence,
  targets: readonly string[] | null,
  margin: number,
): number => {
  const test = spec.margins.indexOf(margin) + 1;
  if (test === 0) throw new RangeError(`Margin ${margin} was not declared when the evidence started: declare it.`);
  return (targets ?? targetsOf(spec)).reduce((sum, target) => sum + wealthOf(byInstance.get(target), test), 0);
};

/** One arm over the instances of some targets. */
export type ArmInstances = { readonly instances: number; readonly count: number; readonly mean: number };

/** What both arms come to under the exposures that are tested, over the targets of a scope (null: all). */
export const armsByInstance = (
  { byInstance }: SignalEvidence,
  targets: readonly string[] | null,
): { readonly candidate: ArmInstances; readonly control: ArmInstances } => {
  const names = { candidate: new Set<string>(), control: new Set<string>() };
  const sums = { candidate: { count: 0, sum: 0 }, control: { count: 0, sum: 0 } };
  for (const [target, { models }] of byInstance) {
    if (targets !== null && !targets.includes(target)) continue;
    for (const instances of models.values())
      for (const [name, { place, count, sum }] of instances) {
        if (count === 0) continue;
        const arm = place === 'chosen' || place === 'kept' ? 'candidate' : 'control';
        names[arm].add(`${target}\u0000${name}`);
        sums[arm].count += count;
        sums[arm].sum += sum;
      }
  }
  const armOf = (arm: 'candidate' | 'control'): ArmInstances => {
    const { count, sum } = sums[arm];
    return { instances: names[arm].size, count, mean: count === 0 ? 0 : sum / count };
  };
  return { candidate: armOf('candidate'), control: armOf('control') };
};

/** The target of which the draws have shown most. */
export const worstTarget = ({ byInstance }: SignalEvidence): string | undefined =>
  [...byInstance].toSorted(([, a], [, b]) => wealthOf(b, 0) - wealthOf(a, 0))[0]?.[0];
