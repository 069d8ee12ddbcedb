import { DECLARED_SHARE, foldLook, hasFailed, startEvidence, type CellCount, type SignalSpec } from '#libs/domain';
import { klBernoulli, limitCandidateValues } from '#libs/statistics';
import { ALPHA } from './evidence-delay.js';
import { chanceOf, SIGNALS, TARGETS } from './evidence-null.js';

/** A shift of a mean in standard deviations, of latencies as a factor, or rates of disagreement with the reference. */
export type ValueRow =
  | { readonly what: 'means'; readonly shift: number; readonly rho: number }
  | { readonly what: 'latency'; readonly factor: number; readonly rho: number }
  | { readonly what: 'paired'; readonly control: number; readonly candidate: number };

export const VALUE_ROWS: readonly ValueRow[] = [
  { what: 'means', shift: 0.1, rho: 0.1 },
  { what: 'means', shift: 0.25, rho: 0.1 },
  { what: 'means', shift: 0.25, rho: 0.5 },
  { what: 'means', shift: 0.5, rho: 0.1 },
  { what: 'latency', factor: 1.1, rho: 0.1 },
  { what: 'latency', factor: 1.2, rho: 0.1 },
  { what: 'paired', control: 0.02, candidate: 0.05 },
  { what: 'paired', control: 0.02, candidate: 0.03 },
  { what: 'paired', control: 0.005, candidate: 0.05 },
];

export type ValueDelay = {
  readonly row: ValueRow;
  readonly runs: number;
  /** Mean of what was needed over the limit at the part of alpha of this signal, and its standard error. */
  readonly own: number;
  readonly error: number;
};

const OWN_ALPHA = (ALPHA * DECLARED_SHARE) / SIGNALS;
/** Values, or pairs, of each look. */
const PER_LOOK = 20;
const SPREAD = 0.5;

const TYPES = { means: 'mean', latency: 'distribution', paired: 'paired' } as const;

/** One signal of values beside 19 rates that never see anything, on ten targets. */
const evidenceOf = ({ what }: ValueRow) =>
  startEvidence({
    alpha: ALPHA,
    assignment: 'unit',
    signals: Array.from({ length: SIGNALS }, (_, n): SignalSpec => {
      return { signal: `signal-${n}`, type: n === 0 ? TYPES[what] : 'rate', shadow: false };
    }),
    cells: Array.from({ length: TARGETS }, (_, n) => ({ target: `target-${n}`, model: 'model' })),
    margins: [],
  });

const normal = (chance: () => number): number => Math.sqrt(-2 * Math.log(chance())) * Math.cos(2 * Math.PI * chance());

const cellOf = (place: number, rho: number, more: Partial<CellCount>): CellCount => ({
  signal: 'signal-0',
  target: `target-${place}`,
  model: 'model',
  shareBp: Math.round(rho * 10_000),
  candidateBad: 0,
  controlBad: 0,
  ...more,
});

type Told = { readonly cells: readonly CellCount[]; readonly needed: number };

/** Values as they are binned at the intake: 1/64 of ten standard deviations apart, or 2%. */
const valueOf = (row: ValueRow, isCandidate: boolean, chance: () => number): number => {
  if (row.what === 'means') return Math.round((5 + normal(chance) + (isCandidate ? row.shift : 0)) * 6.4) / 6.4;
  const factor = row.what === 'latency' && isCandidate ? row.factor : 1;
  return 1.02 ** Math.round(Math.log(500 * Math.exp(SPREAD * normal(chance)) * factor) / Math.log(1.02));
};

const valuesOf = (row: Exclude<ValueRow, { what: 'paired' }>, chance: () => number): Told => {
  const bins = Array.from({ length: TARGETS }, () => [] as [number, number, number][]);
  let needed = 0;
  for (let n = 0; n < PER_LOOK; n += 1) {
    const isCandidate = chance() < row.rho;
    needed += isCandidate ? 1 : 0;
    bins[Math.floor(chance() * TARGETS)]?.push([
      valueOf(row, isCandidate, chance),
      isCandidate ? 1 : 0,
      isCandidate ? 0 : 1,
    ]);
  }
  return { cells: bins.map((own, place) => cellOf(place, row.rho, { bins: own })), needed };
};

const pairsOf = (row: Extract<ValueRow, { what: 'paired' }>, chance: () => number): Told => {
  const place = Math.floor(chance() * TARGETS);
  let [candidateBad, controlBad] = [0, 0];
  for (let n = 0; n < PER_LOOK; n += 1) {
    const [bad, badOnControl] = [chance() < row.candidate, chance() < row.control];
    candidateBad += bad && !badOnControl ? 1 : 0;
    controlBad += badOnControl && !bad ? 1 : 0;
  }
  return { cells: [cellOf(place, 0.5, { candidateBad, controlBad })], needed: PER_LOOK };
};

/** Candidate values, or pairs, that any test needs on average. */
const limitOf = (row: ValueRow): number => {
  if (row.what === 'paired') {
    const [worse, better] = [row.candidate * (1 - row.control), row.control * (1 - row.candidate)];
    const differing = worse + better;
    return Math.log(1 / OWN_ALPHA) / (differing * klBernoulli(worse / differing, 0.5));
  }
  const shift = row.what === 'means' ? row.shift : Math.log(row.factor) / SPREAD;
  return limitCandidateValues({ shift, rho: row.rho, alpha: OWN_ALPHA });
};

const runOne = (row: ValueRow, seed: number): number => {
  const chance = chanceOf(seed);
  const state = evidenceOf(row);
  let needed = 0;
  for (let look = 1; !hasFailed(state); look += 1) {
    const told = row.what === 'paired' ? pairsOf(row, chance) : valuesOf(row, chance);
    needed += told.needed;
    foldLook(state, { look, cells: told.cells });
  }
  return needed;
};

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** What a fault in values or pairs needs until rollback, over the limit. */
export const valueDelayOf = (row: ValueRow, runs: number, seed: number): ValueDelay => {
  const limit = limitOf(row);
  const all = Array.from({ length: runs }, (_, n) => runOne(row, seed + n) / limit);
  const own = mean(all);
  return { row, runs, own, error: Math.sqrt(mean(all.map((each) => (each - own) ** 2)) / runs) };
};

/** `means, 0.25 sd, 10%`. */
export const valueRowName = (row: ValueRow): string => {
  if (row.what === 'paired') return `pairs that differ from the reference, ${row.control} -> ${row.candidate}`;
  return row.what === 'means'
    ? `a mean, ${row.shift} standard deviations, ${row.rho * 100}%`
    : `latencies, x${row.factor}, ${row.rho * 100}%`;
};
