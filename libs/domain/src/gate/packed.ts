import type { Moments, RateProcess, Spread } from '#libs/statistics';
import { logMeanE, noMoments, SHIFT_BETS } from '#libs/statistics';
import type { CellEvidence, RolloutEvidence, SignalEvidence } from './state.js';
import { addLateCell } from './evidence.js';
import type { GroupEvidence } from './groups.js';
import type { Tally } from './tally.js';
import { isCounted, isOfValues, type SignalSpec } from './types.js';
import { processesOf, startValues, type ValueEvidence } from './values.js';

/** Folded state as bare numbers in an order that its reader knows, and the names that no spec tells. */
export type Packed = { readonly numbers: Float64Array; readonly names: readonly string[] };

/** Writes state down. */
export class Packer {
  #numbers = new Float64Array(4_096);
  #length = 0;
  readonly #names: string[] = [];

  number(value: number): void {
    if (this.#length === this.#numbers.length) this.#grow(this.#length + 1);
    this.#numbers[this.#length] = value;
    this.#length += 1;
  }

  all(values: Float64Array): void {
    const end = this.#length + values.length;
    if (end > this.#numbers.length) this.#grow(end);
    for (let j = 0; j < values.length; j += 1) this.#numbers[this.#length + j] = values[j] ?? 0;
    this.#length = end;
  }

  name(name: string): void {
    this.#names.push(name);
  }

  packed(): Packed {
    return { numbers: this.#numbers.slice(0, this.#length), names: this.#names };
  }

  #grow(least: number): void {
    const larger = new Float64Array(Math.max(least, 2 * this.#numbers.length));
    larger.set(this.#numbers);
    this.#numbers = larger;
  }
}

/** Reads state in the order in which it was written. Throws a RangeError where there is less than is asked for. */
export class Unpacker {
  readonly #packed: Packed;
  #at = 0;
  #nameAt = 0;

  constructor(packed: Packed) {
    this.#packed = packed;
  }

  number(): number {
    const value = this.#packed.numbers[this.#at];
    if (value === undefined) throw new RangeError('The packed state ends too early: fold the looks instead.');
    this.#at += 1;
    return value;
  }

  /** A view of the packed numbers: whoever takes it owns that part of them. */
  all(length: number): Float64Array {
    const end = this.#at + length;
    if (end > this.#packed.numbers.length)
      throw new RangeError('The packed state ends too early: fold the looks instead.');
    const values = this.#packed.numbers.subarray(this.#at, end);
    this.#at = end;
    return values;
  }

  name(): string {
    const name = this.#packed.names[this.#nameAt];
    if (name === undefined) throw new RangeError('The packed state has too few names: fold the looks instead.');
    this.#nameAt += 1;
    return name;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#packed.numbers.length && this.#nameAt === this.#packed.names.length;
  }
}

const packProcess = (to: Packer, { wealth, logScale, cash, pending, looks, raises }: RateProcess): void => {
  to.all(wealth);
  for (const value of [logScale, cash, pending, looks, raises]) to.number(value);
};

const unpackProcess = (from: Unpacker, bets: number): RateProcess => ({
  wealth: from.all(bets),
  logScale: from.number(),
  cash: from.number(),
  pending: from.number(),
  looks: from.number(),
  raises: from.number(),
});

const packProcesses = (to: Packer, processes: readonly RateProcess[]): void => {
  for (const process of processes) packProcess(to, process);
};

const unpackProcesses = (from: Unpacker, spec: SignalSpec): readonly RateProcess[] =>
  processesOf(spec).map(({ wealth }) => unpackProcess(from, wealth.length));

const packMoments = (to: Packer, { count, sum, squares }: Moments): void => {
  for (const value of [count, sum, squares]) to.number(value);
};

const unpackMoments = (from: Unpacker, moments: Moments): Moments => {
  moments.count = from.number();
  moments.sum = from.number();
  moments.squares = from.number();
  return moments;
};

const packCounts = (to: Packer, counts: ReadonlyMap<number, number>): void => {
  to.number(counts.size);
  for (const [value, count] of counts) {
    to.number(value);
    to.number(count);
  }
};

const unpackCounts = (from: Unpacker, counts: Map<number, number>): void => {
  for (let left = from.number(); left > 0; left -= 1) {
    const value = from.number();
    counts.set(value, from.number());
  }
};

const packValues = (to: Packer, { learned, strata, candidate }: ValueEvidence): void => {
  const { logs, control, total } = learned;
  const { near } = logs;
  for (const value of [logs.count, logs.mean, logs.squares, near.mean, near.weight, total, strata.length])
    to.number(value);
  packCounts(to, control);
  packCounts(to, candidate);
  for (const stratum of strata) {
    to.number(stratum.shareBp);
    packMoments(to, stratum.candidate);
    packMoments(to, stratum.control);
  }
};

const unpackValues = (from: Unpacker): ValueEvidence => {
  const values = startValues();
  const { learned } = values;
  const logs: Spread = learned.logs;
  logs.count = from.number();
  logs.mean = from.number();
  logs.squares = from.number();
  logs.near = { mean: from.number(), weight: from.number() };
  learned.total = from.number();
  const strata = from.number();
  unpackCounts(from, learned.control);
  unpackCounts(from, values.candidate);
  for (let n = 0; n < strata; n += 1) {
    const shareBp = from.number();
    const candidate = unpackMoments(from, noMoments());
    values.strata.push({ shareBp, candidate, control: unpackMoments(from, noMoments()) });
  }
  return values;
};

const packLikelihood = (to: Packer, likelihood: Float64Array | null): void => {
  to.number(likelihood === null ? 0 : 1);
  if (likelihood !== null) to.all(likelihood);
};

const unpackLikelihood = (from: Unpacker, ratios: number): Float64Array | null =>
  from.number() === 0 ? null : from.all(ratios);

const packKnown = (to: Packer, known: CellEvidence['known']): void => {
  to.number(known?.size ?? 0);
  for (const [shareBp, { candidate, control }] of known ?? [])
    for (const value of [shareBp, candidate, control]) to.number(value);
};

const unpackKnown = (from: Unpacker): CellEvidence['known'] => {
  const known: NonNullable<CellEvidence['known']> = new Map();
  for (let left = from.number(); left > 0; left -= 1)
    known.set(from.number(), { candidate: from.number(), control: from.number() });
  return known.size === 0 ? null : known;
};

const packTally = (to: Packer, { likelihood, shares }: Tally): void => {
  packLikelihood(to, likelihood);
  to.number(shares.length);
  for (const { rho, candidateBad, controlBad } of shares)
    for (const value of [rho, candidateBad, controlBad]) to.number(value);
};

const unpackShares = (from: Unpacker): Tally['shares'][number] => ({
  rho: from.number(),
  candidateBad: from.number(),
  controlBad: from.number(),
});

const unpackTally = (from: Unpacker, ratios: number): Tally => ({
  likelihood: unpackLikelihood(from, ratios),
  shares: Array.from({ length: from.number() }, () => unpackShares(from)),
});

// Between two looks nothing is raised, and the e-value of a slice is that of its processes: neither is written.
const packCell = (to: Packer, cell: CellEvidence, spec: SignalSpec): void => {
  const { processes, tally, values, largestShareBp, touchedAt, maxLogE, dispersion } = cell;
  const isTold = processes !== null && (tally !== null || values !== null);
  to.number(isTold ? 1 : 0);
  if (!isTold) return;
  packProcesses(to, processes);
  if (values !== null) packValues(to, values);
  else if (tally !== null) packTally(to, tally);
  for (const value of [largestShareBp, touchedAt, maxLogE]) to.number(value);
  if (isCounted(spec)) to.number(dispersion);
};

const unpackCell = (from: Unpacker, cell: CellEvidence, spec: SignalSpec, ratios: number): void => {
  if (from.number() === 0) return;
  cell.processes = unpackProcesses(from, spec);
  if (isOfValues(spec)) cell.values = unpackValues(from);
  else cell.tally = unpackTally(from, ratios);
  cell.largestShareBp = from.number();
  cell.touchedAt = from.number();
  cell.maxLogE = from.number();
  if (isCounted(spec)) cell.dispersion = from.number();
  cell.logE = logMeanE(cell.processes);
};

const packGroup = (
  to: Packer,
  { likelihood, bets, touchedAt, shown }: GroupEvidence,
  margins: readonly number[],
): void => {
  packLikelihood(to, likelihood);
  to.number(bets.size);
  for (const [margin, sums] of bets) {
    to.number(margin);
    to.all(sums);
  }
  if (likelihood === null && bets.size === 0) return;
  to.number(touchedAt);
  for (const margin of margins) to.number(shown.get(margin) ?? Number.NEGATIVE_INFINITY);
};

const unpackGroup = (from: Unpacker, group: GroupEvidence, { ratios, margins }: RolloutEvidence['scale']): void => {
  group.likelihood = unpackLikelihood(from, ratios.length);
  for (let left = from.number(); left > 0; left -= 1) {
    const margin = from.number();
    group.bets.set(margin, from.all(SHIFT_BETS.length));
  }
  if (group.likelihood === null && group.bets.size === 0) return;
  group.touchedAt = from.number();
  for (const margin of margins) {
    const shown = from.number();
    if (shown > Number.NEGATIVE_INFINITY) group.shown.set(margin, shown);
  }
};

const packSignal = (to: Packer, signal: SignalEvidence, { spec, scale }: RolloutEvidence): void => {
  const { touchedAt, logE, maxLogE, failedAt } = signal;
  packProcesses(to, signal.headline);
  for (const value of [touchedAt, logE, maxLogE, failedAt ?? 0]) to.number(value);
  for (const group of signal.groups.values()) packGroup(to, group, scale.margins);
  const late = [...signal.cells.values()].slice(spec.cells.length);
  to.number(late.length);
  for (const { key, logBound } of late) {
    to.name(key.target);
    to.name(key.model);
    to.number(logBound);
  }
  for (const cell of signal.cells.values()) {
    packCell(to, cell, signal.spec);
    if (spec.assignment === 'request') packKnown(to, cell.known);
  }
};

const unpackSignal = (from: Unpacker, signal: SignalEvidence, state: RolloutEvidence): void => {
  signal.headline = unpackProcesses(from, signal.spec);
  signal.touchedAt = from.number();
  signal.logE = from.number();
  signal.maxLogE = from.number();
  signal.failedAt = from.number() || null;
  for (const group of signal.groups.values()) unpackGroup(from, group, state.scale);
  for (let left = from.number(); left > 0; left -= 1)
    addLateCell(state, signal, { target: from.name(), model: from.name() }, from.number());
  for (const cell of signal.cells.values()) {
    unpackCell(from, cell, signal.spec, state.scale.ratios.length);
    if (state.spec.assignment === 'request') cell.known = unpackKnown(from);
  }
};

/** Writes down all that folding has made of the evidence, to the last bit, between two looks. */
export const packEvidence = (to: Packer, state: RolloutEvidence): void => {
  for (const value of [state.look, state.reserveUsed, state.failed.length]) to.number(value);
  for (const name of state.failed) to.name(name);
  for (const signal of state.signals.values()) packSignal(to, signal, state);
};

/**
 * Brings evidence that was just started from the same spec to where it was when it was written down; looks can then be
 * folded in as if nothing had happened in between. Throws a RangeError where what was written is too short.
 */
export const unpackEvidence = (from: Unpacker, state: RolloutEvidence): void => {
  state.look = from.number();
  state.reserveUsed = from.number();
  for (let left = from.number(); left > 0; left -= 1) state.failed.push(from.name());
  for (const signal of state.signals.values()) unpackSignal(from, signal, state);
};
