import type { RateProcess } from '#libs/statistics';
import { logEValue, RATIO_GRID } from '#libs/statistics';
import type { CellEvidence, RolloutEvidence, SignalEvidence } from './evidence.js';
import { addLateCell } from './evidence.js';
import type { GroupEvidence } from './groups.js';
import type { Tally } from './tally.js';

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

const unpackProcess = (from: Unpacker): RateProcess => ({
  wealth: from.all(RATIO_GRID.length),
  logScale: from.number(),
  cash: from.number(),
  pending: from.number(),
  looks: from.number(),
  raises: from.number(),
});

const packLikelihood = (to: Packer, likelihood: Float64Array | null): void => {
  to.number(likelihood === null ? 0 : 1);
  if (likelihood !== null) to.all(likelihood);
};

const unpackLikelihood = (from: Unpacker, ratios: number): Float64Array | null =>
  from.number() === 0 ? null : from.all(ratios);

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

// Between two looks nothing is raised, and the e-value of a slice is that of its process: neither is written.
const packCell = (to: Packer, { process, tally, largestShareBp, touchedAt, maxLogE }: CellEvidence): void => {
  to.number(process === null || tally === null ? 0 : 1);
  if (process === null || tally === null) return;
  packProcess(to, process);
  packTally(to, tally);
  for (const value of [largestShareBp, touchedAt, maxLogE]) to.number(value);
};

const unpackCell = (from: Unpacker, cell: CellEvidence, ratios: number): void => {
  if (from.number() === 0) return;
  cell.process = unpackProcess(from);
  cell.tally = unpackTally(from, ratios);
  cell.largestShareBp = from.number();
  cell.touchedAt = from.number();
  cell.maxLogE = from.number();
  cell.logE = logEValue(cell.process);
};

const packGroup = (to: Packer, group: GroupEvidence, margins: readonly number[]): void => {
  packLikelihood(to, group.likelihood);
  if (group.likelihood === null) return;
  to.number(group.touchedAt);
  for (const margin of margins) to.number(group.shown.get(margin) ?? Number.NEGATIVE_INFINITY);
};

const unpackGroup = (from: Unpacker, group: GroupEvidence, { ratios, margins }: RolloutEvidence['scale']): void => {
  group.likelihood = unpackLikelihood(from, ratios.length);
  if (group.likelihood === null) return;
  group.touchedAt = from.number();
  for (const margin of margins) group.shown.set(margin, from.number());
};

const packSignal = (to: Packer, signal: SignalEvidence, { spec, scale }: RolloutEvidence): void => {
  const { touchedAt, logE, maxLogE, failedAt } = signal;
  packProcess(to, signal.headline);
  for (const value of [touchedAt, logE, maxLogE, failedAt ?? 0]) to.number(value);
  for (const group of signal.groups.values()) packGroup(to, group, scale.margins);
  const late = [...signal.cells.values()].slice(spec.cells.length);
  to.number(late.length);
  for (const { key, logBound } of late) {
    to.name(key.target);
    to.name(key.model);
    to.number(logBound);
  }
  for (const cell of signal.cells.values()) packCell(to, cell);
};

const unpackSignal = (from: Unpacker, signal: SignalEvidence, state: RolloutEvidence): void => {
  signal.headline = unpackProcess(from);
  signal.touchedAt = from.number();
  signal.logE = from.number();
  signal.maxLogE = from.number();
  signal.failedAt = from.number() || null;
  for (const group of signal.groups.values()) unpackGroup(from, group, state.scale);
  for (let left = from.number(); left > 0; left -= 1)
    addLateCell(state, signal, { target: from.name(), model: from.name() }, from.number());
  for (const cell of signal.cells.values()) unpackCell(from, cell, state.scale.ratios.length);
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
