import type { CellCount, Look, SliceCounts } from '../gate/index.js';
import type { Activation } from '../rollout/index.js';
import type { Chance } from './chance.js';
import type { Mixed } from './delivery.js';
import type { ScenarioSignal, Slice } from './scenario.js';
import { drawUnit, Reach, UnitSet } from './units.js';

type Totals = { candidateBad: number; candidateRequests: number; controlBad: number; controlRequests: number };
type Arm = 'candidate' | 'control';
type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Under "no harm" a discordant prompt is as likely to speak against the one side as against the other. */
const PROBE_SHARE_BP = 5_000;

const noTotals = (): Totals => ({ candidateBad: 0, candidateRequests: 0, controlBad: 0, controlRequests: 0 });

const keyOf = (...parts: readonly (string | number)[]): string => parts.join('\u0000');

const entryOf = <T>(map: Map<string, T>, key: string, make: () => T): T => {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
};

/** How many bad outcomes to draw, from the candidate's units only or from all. */
export type BadDraw = {
  readonly bad: number;
  readonly onCandidate: boolean;
  readonly units: number;
  readonly chance: Chance;
};

/** Where bad outcomes fell: how many on the candidate, and which units where only those were drawn from. */
export type Placed = { readonly candidates: number; readonly units: readonly number[] };

/**
 * What one rollout has counted: requests by arm, bad outcomes (units: the first per unit and signal), and what is new
 * since the last look, each with the share it was served under.
 */
export class RolloutTally {
  readonly #assignment: 'unit' | 'request';
  readonly #requests = new Map<string, Totals>();
  readonly #bad = new Map<string, Totals>();
  readonly #seen = new Map<string, UnitSet>();
  readonly #units = new Map<string, Reach>();
  readonly #slices = new Map<string, Slice>();
  #pending = new Map<string, Writable<CellCount>>();
  #looks = 0;

  constructor(assignment: 'unit' | 'request') {
    this.#assignment = assignment;
  }

  /** Requests of a slice in a window, both arms; the instances' mix says how many each arm gets. */
  addRequests(slice: Slice, mix: readonly Mixed[], mean: number, units: number, chance: Chance): number {
    const key = keyOf(slice.target.target, slice.model);
    const totals = entryOf(this.#requests, key, noTotals);
    this.#slices.set(key, slice);
    let candidates = 0;
    for (const { shareBp, weight } of mix) {
      if (shareBp === 0) continue;
      const share = shareBp / 10_000;
      const candidate = chance.poisson(mean * weight * share);
      totals.candidateRequests += candidate;
      totals.controlRequests += chance.poisson(mean * weight * (1 - share));
      entryOf(this.#units, key, () => new Reach()).add(candidate, units * share);
      candidates += candidate;
    }
    return candidates;
  }

  /** Bad outcomes of units drawn at random, or of units on the candidate only; returns where each one fell. */
  addBad(
    slice: Slice,
    { signal, brokenUnits }: Pick<ScenarioSignal, 'signal' | 'brokenUnits'>,
    mix: readonly Mixed[],
    { bad, onCandidate, units, chance }: BadDraw,
  ): Placed {
    const seen =
      this.#assignment === 'request'
        ? null
        : entryOf(this.#seen, keyOf(signal, slice.target.population), () => new UnitSet(units));
    const fresh = mix.map(() => [0, 0] as [candidate: number, control: number]);
    const drawn: number[] = [];
    let candidates = 0;
    for (let i = 0; i < bad; i += 1) {
      const part = pick(mix, onCandidate, chance);
      const shareBp = mix[part]?.shareBp ?? 0;
      const reachable = onCandidate ? Math.max(1, Math.floor((units * shareBp) / 10_000)) : units;
      const unit = drawUnit(chance, reachable, onCandidate ? null : brokenUnits);
      const isCandidate = unit * 10_000 < shareBp * units;
      if (isCandidate) candidates += 1;
      const counts = fresh[part];
      if (shareBp > 0 && counts && (seen === null || seen.add(unit))) counts[isCandidate ? 0 : 1] += 1;
      if (onCandidate) drawn.push(unit);
    }
    for (const [part, [candidate, control]] of fresh.entries()) {
      const shareBp = mix[part]?.shareBp ?? 0;
      this.#count(slice, signal, shareBp, 'candidate', candidate);
      this.#count(slice, signal, shareBp, 'control', control);
    }
    return { candidates, units: drawn };
  }

  /** Many bad outcomes at once, where each request has its own coin: their units do not matter. */
  addBadRequests(slice: Slice, signal: string, mix: readonly Mixed[], mean: number, chance: Chance): void {
    for (const { shareBp, weight } of mix) {
      if (shareBp === 0) continue;
      const share = shareBp / 10_000;
      this.#count(slice, signal, shareBp, 'candidate', chance.poisson(mean * weight * share));
      this.#count(slice, signal, shareBp, 'control', chance.poisson(mean * weight * (1 - share)));
    }
  }

  /** Further bad requests of units that were hit before, where each request counts. */
  addMore(slice: Slice, signal: string, mix: readonly Mixed[], onCandidate: number, onControl: number): void {
    const shareBp = Math.max(0, ...mix.map((each) => each.shareBp));
    if (shareBp === 0) return;
    this.#count(slice, signal, shareBp, 'candidate', onCandidate);
    this.#count(slice, signal, shareBp, 'control', onControl);
  }

  /** Prompts of a paired probe on which one side alone disagreed with the reference. */
  addProbe(slice: Slice, signal: string, prompts: number, candidateBad: number, controlBad: number): void {
    const totals = this.#badOf(slice, signal);
    totals.candidateRequests += prompts;
    totals.controlRequests += prompts;
    totals.candidateBad += candidateBad;
    totals.controlBad += controlBad;
    const cell = this.#cell(slice, signal, PROBE_SHARE_BP, true);
    cell.candidateBad += candidateBad;
    cell.controlBad += controlBad;
  }

  /** What newly arrived, for the gate; the next look begins empty. Cells without bad outcomes say nothing. */
  takeLook(): Look {
    const cells = [...this.#pending.values()].filter(({ candidateBad, controlBad }) => candidateBad + controlBad > 0);
    this.#pending = new Map();
    this.#looks += 1;
    return { look: this.#looks, cells };
  }

  /** Totals of a signal by slice. A probe counts its prompts, other signals the slice's requests. */
  countsOf(signal: ScenarioSignal): readonly SliceCounts[] {
    return [...this.#slices.values()].map((slice) => {
      const { target } = slice.target;
      const bad = this.#bad.get(keyOf(signal.signal, target, slice.model)) ?? noTotals();
      const requests = signal.probe === null ? (this.#requests.get(keyOf(target, slice.model)) ?? noTotals()) : bad;
      const { candidateRequests, controlRequests } = requests;
      const { candidateBad, controlBad } = bad;
      return { target, model: slice.model, candidateBad, candidateRequests, controlBad, controlRequests };
    });
  }

  activation(): readonly Activation[] {
    return [...this.#slices].map(([key, { target, model }]) => ({
      target: target.target,
      model,
      units: Math.floor(this.#units.get(key)?.size ?? 0),
    }));
  }

  #count(slice: Slice, signal: string, shareBp: number, arm: Arm, bad: number): void {
    if (bad === 0) return;
    const totals = this.#badOf(slice, signal);
    const cell = this.#cell(slice, signal, shareBp, false);
    if (arm === 'candidate') {
      totals.candidateBad += bad;
      cell.candidateBad += bad;
    } else {
      totals.controlBad += bad;
      cell.controlBad += bad;
    }
  }

  #badOf({ target, model }: Slice, signal: string): Totals {
    return entryOf(this.#bad, keyOf(signal, target.target, model), noTotals);
  }

  /** With a coin per request the configured share stands for the realised one, which it is in expectation. */
  #cell({ target, model }: Slice, signal: string, shareBp: number, isProbe: boolean): Writable<CellCount> {
    return entryOf(this.#pending, keyOf(signal, target.target, model, shareBp), () => ({
      signal,
      target: target.target,
      model,
      shareBp,
      candidateBad: 0,
      controlBad: 0,
      ...(this.#assignment === 'request' && !isProbe
        ? { candidateRequests: shareBp, controlRequests: 10_000 - shareBp }
        : {}),
    }));
  }
}

/** Which part of the instances served it: by their weight, and on the candidate by how much of it they serve too. */
const pick = (mix: readonly Mixed[], onCandidate: boolean, chance: Chance): number => {
  if (mix.length <= 1) return 0;
  const weightOf = ({ shareBp, weight }: Mixed): number => (onCandidate ? weight * shareBp : weight);
  let at = chance.uniform() * mix.reduce((sum, each) => sum + weightOf(each), 0);
  for (const [part, each] of mix.entries()) {
    at -= weightOf(each);
    if (at < 0) return part;
  }
  return 0;
};
