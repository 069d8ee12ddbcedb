import { logMeanE, logPromotion, ratioScale } from '#libs/statistics';
import type { GroupEvidence } from './groups.js';
import { groupName, groupsOf, namesOfCells, namesWith, startGroups } from './groups.js';
import { drawsLogE, isByInstance, takeDraws } from './instances.js';
import { amongThoseServed, withKnown } from './late.js';
import type { CellEvidence, RolloutEvidence, SignalEvidence } from './state.js';
import { strengthOf } from './counted.js';
import { learn, take, type Told } from './take.js';
import { likelihoodOfTally } from './tally.js';
import {
  isCounted,
  isOfValues,
  type CellCount,
  type CellKey,
  type EvidenceSpec,
  type Look,
  type SignalSpec,
} from './types.js';
import { logPromotionOfValues, openLooks, processesOf } from './values.js';
import { cellShares, checkEvidenceSpec, HEADLINE_WEIGHT, keyOf, reserveShare, signalShares } from './weights.js';

const startCell = (key: CellKey, groups: readonly GroupEvidence[], weight: number, logBound: number): CellEvidence => ({
  key,
  groups,
  processes: null,
  values: null,
  known: null,
  weight,
  logBound,
  tally: null,
  largestShareBp: 0,
  touchedAt: 0,
  isRaised: false,
  logE: 0,
  maxLogE: 0,
  dispersion: 1,
});

/**
 * Evidence before the first look. Throws a RangeError for an alpha outside (0, 1), a margin or harm out of range, no
 * signals, or names given twice.
 */
export const startEvidence = (spec: EvidenceSpec): RolloutEvidence => {
  checkEvidenceSpec(spec);
  const shares = signalShares(spec.signals);
  const weights = cellShares(spec.cells);
  const names = namesOfCells(spec);
  // The same strings and keys for every signal: a rollout may well have a thousand cells.
  const keys = spec.cells.map(({ target, model }): CellKey => ({ target, model }));
  const places = keys.map(({ target, model }) => keyOf(target, model));
  const signals = spec.signals.map((signal, i): readonly [string, SignalEvidence] => {
    const logBound = -Math.log(spec.alpha * (shares[i] ?? 0));
    const groups = startGroups(spec);
    const owned = new Map([...new Set(names)].map((each) => [each, groupsOf(groups, each)]));
    const cells = keys.map((key, c): readonly [string, CellEvidence] => {
      const weight = weights[c] ?? 0;
      const own = owned.get(names[c] ?? []) ?? [];
      return [places[c] ?? '', startCell(key, own, weight, logBound - Math.log(weight))];
    });
    const evidence: SignalEvidence = {
      spec: signal,
      logBound,
      headline: processesOf(signal),
      headlineWeight: spec.cells.length === 1 ? 0 : HEADLINE_WEIGHT,
      cells: new Map(cells),
      groups,
      touchedAt: 0,
      isRaised: false,
      logE: 0,
      maxLogE: 0,
      failedAt: null,
      byInstance: new Map(),
    };
    return [signal.signal, evidence];
  });
  const scale = ratioScale(spec.margins);
  return { spec, scale, signals: new Map(signals), tables: new Map(), failed: [], reserveUsed: 0, look: 0 };
};

/** The coins of values are the configured ones; pairs are done on both arms. */
const PAIRED_SHARE = 0.5;

const realised = (candidate: number, control: number): number =>
  candidate <= 0 || control <= 0 ? 0 : candidate / (candidate + control);

/** Of what a source counts nobody knows the coins: the share is the one that came of them. */
const realisedShare = ({ bins, candidateRequests = 0, controlRequests = 0 }: CellCount): number => {
  if (bins === undefined) return realised(candidateRequests, controlRequests);
  let [candidate, control] = [0, 0];
  for (const [, onCandidate, onControl] of bins) {
    candidate += onCandidate;
    control += onControl;
  }
  return realised(candidate, control);
};

/** The candidate's share of what was counted, or 0 where the count says nothing about the arms. */
const shareOf = (count: CellCount, { type, source }: SignalSpec, isUnit: boolean): number => {
  if (isCounted({ source })) return realisedShare(count);
  if (isOfValues({ type })) return count.bins === undefined || count.shareBp >= 10_000 ? 0 : count.shareBp / 10_000;
  if (count.candidateBad + count.controlBad === 0) return 0;
  if (type === 'paired') return PAIRED_SHARE;
  if (isUnit) return count.shareBp >= 10_000 ? 0 : count.shareBp / 10_000;
  return realised(count.candidateRequests ?? 0, count.controlRequests ?? 0);
};

/** A slice that was not declared, on its part of the reserve. */
export const addLateCell = (
  state: RolloutEvidence,
  signal: SignalEvidence,
  { target, model }: CellKey,
  logBound: number,
): CellEvidence => {
  const cell = startCell({ target, model }, groupsOf(signal.groups, namesWith(state.spec, target)), 0, logBound);
  signal.cells.set(keyOf(target, model), cell);
  return cell;
};

const cellOf = (state: RolloutEvidence, signal: SignalEvidence, { target, model }: CellCount): CellEvidence => {
  const known = signal.cells.get(keyOf(target, model));
  if (known !== undefined) return known;
  const logBound = -Math.log(state.spec.alpha * reserveShare(state.reserveUsed));
  state.reserveUsed += 1;
  return addLateCell(state, signal, { target, model }, logBound);
};

const told = (state: RolloutEvidence, look: Look): readonly Told[] => {
  const isUnit = state.spec.assignment === 'unit';
  const list: Told[] = [];
  for (const counted of look.cells) {
    const signal = state.signals.get(counted.signal);
    if (signal === undefined || isByInstance(state.spec, signal.spec)) continue;
    const known = signal.cells.get(keyOf(counted.target, counted.model))?.known;
    const count = isUnit || isCounted(signal.spec) ? counted : amongThoseServed(counted, known);
    const rho = shareOf(count, signal.spec, isUnit);
    // Values of one arm alone say nothing about the arms, but what they are.
    if (rho === 0 && !(isCounted(signal.spec) && count.bins !== undefined)) continue;
    const cell = cellOf(state, signal, count);
    cell.dispersion = count.dispersion ?? cell.dispersion;
    if (count.shareBp > cell.largestShareBp) {
      cell.largestShareBp = count.shareBp;
      cell.isRaised = true;
      signal.isRaised = true;
    }
    list.push({ signal, cell, rho, count });
  }
  return list;
};

/** Restart mass is released for the whole look before any arm of the look is taken into account. */
const open = ({ signal, cell }: Told, look: number): void => {
  if (cell.touchedAt !== look) {
    openLooks((cell.processes ??= processesOf(signal.spec)), cell.isRaised);
    cell.touchedAt = look;
    cell.isRaised = false;
  }
  if (signal.touchedAt === look) return;
  if (signal.headlineWeight > 0) openLooks(signal.headline, signal.isRaised);
  signal.touchedAt = look;
  signal.isRaised = false;
};

const mergedLogE = (signal: SignalEvidence): number => {
  const headline = signal.headlineWeight > 0 ? logMeanE(signal.headline) : 0;
  let top = headline;
  for (const cell of signal.cells.values()) if (cell.weight > 0 && cell.logE > top) top = cell.logE;
  let sum = signal.headlineWeight * Math.exp(headline - top);
  for (const cell of signal.cells.values()) if (cell.weight > 0) sum += cell.weight * Math.exp(cell.logE - top);
  return top + Math.log(sum);
};

const settleCell = (cell: CellEvidence): boolean => {
  cell.logE = cell.processes === null ? 0 : logMeanE(cell.processes);
  if (cell.logE > cell.maxLogE) cell.maxLogE = cell.logE;
  return cell.weight === 0 && cell.maxLogE >= cell.logBound;
};

/** Below this part of the bound what was shown is not shown any more. */
const RELIEF = Math.log(10);

const settleCounted = (state: RolloutEvidence, signal: SignalEvidence): void => {
  const strength = strengthOf(signal);
  if (strength >= signal.logBound) signal.failedAt ??= state.look;
  else if (strength < signal.logBound - RELIEF) signal.failedAt = null;
};

const settleSignal = (state: RolloutEvidence, signal: SignalEvidence, isProvedByReserve: boolean): void => {
  signal.logE = isByInstance(state.spec, signal.spec) ? drawsLogE(state.spec, signal) : mergedLogE(signal);
  if (signal.logE > signal.maxLogE) signal.maxLogE = signal.logE;
  if (isCounted(signal.spec)) return settleCounted(state, signal);
  if (signal.failedAt !== null || (signal.maxLogE < signal.logBound && !isProvedByReserve)) return;
  signal.failedAt = state.look;
  if (!signal.spec.shadow) state.failed.push(signal.spec.signal);
};

const sumOf = (
  state: RolloutEvidence,
  signal: SignalEvidence,
  targets: readonly string[] | null,
): Float64Array | null => {
  let sum: Float64Array | null = null;
  for (const { key, tally } of signal.cells.values()) {
    if (targets !== null && !targets.includes(key.target)) continue;
    const likelihood = likelihoodOfTally(state, tally);
    if (sum === null || likelihood === null) sum ??= likelihood;
    else for (let j = 0; j < sum.length; j += 1) sum[j] = (sum[j] ?? 0) + (likelihood[j] ?? 0);
  }
  return sum;
};

/** What a group of targets that was named at the start was told together; undefined for others. */
export const groupOf = (signal: SignalEvidence, targets: readonly string[] | null): GroupEvidence | undefined =>
  signal.groups.get(groupName(targets));

/** Sum of the likelihoods of the slices on these targets (null: all); null before the first event there. */
export const likelihoodOf = (
  state: RolloutEvidence,
  signal: SignalEvidence,
  targets: readonly string[] | null,
): Float64Array | null => {
  const group = groupOf(signal, targets);
  return group === undefined ? sumOf(state, signal, targets) : group.likelihood;
};

/** Promotion evidence of a group as it stands; null before it was told anything. */
export const promotionOf = (state: RolloutEvidence, group: GroupEvidence, margin: number): number | null => {
  const bets = group.bets.get(margin);
  if (bets !== undefined) return logPromotionOfValues(bets);
  return group.likelihood === null ? null : logPromotion(group.likelihood, state.scale, margin);
};

const noteShown = (state: RolloutEvidence, { groups }: SignalEvidence): void => {
  for (const group of groups.values()) {
    if (group.touchedAt !== state.look) continue;
    for (const margin of state.spec.margins) {
      const now = promotionOf(state, group, margin);
      if (now !== null && now > (group.shown.get(margin) ?? Number.NEGATIVE_INFINITY)) group.shown.set(margin, now);
    }
  }
};

/** Highest promotion evidence so far of a group that was named at the start; undefined for others. */
export const highestPromotion = (
  signal: SignalEvidence,
  targets: readonly string[] | null,
  margin: number,
): number | undefined => groupOf(signal, targets)?.shown.get(margin);

/** Also of what said nothing about the arms: those requests are known to be bad all the same. */
const noteKnown = (state: RolloutEvidence, { cells }: Look): void => {
  for (const count of cells) {
    const signal = state.signals.get(count.signal);
    const cell = signal?.cells.get(keyOf(count.target, count.model));
    const isOfRequests = signal?.spec.type === 'rate' || signal?.spec.type === 'invariant';
    // What a source counts is never late.
    if (cell !== undefined && isOfRequests && !isCounted(signal.spec)) cell.known = withKnown(cell.known, count);
  }
};

/**
 * Folds one look in and returns the same evidence. A look that is not newer than the last one changes nothing, a look
 * without bad events costs nothing, and the order of the counts within a look does not matter.
 */
export const foldLook = (state: RolloutEvidence, look: Look): RolloutEvidence => {
  if (look.look <= state.look) return state;
  state.look = look.look;
  const all = told(state, look);
  const list = all.filter(({ rho }) => rho > 0);
  for (const each of list) open(each, look.look);
  for (const each of list) take(state, each);
  for (const each of all) learn(each);
  if (state.spec.assignment === 'request') noteKnown(state, look);
  for (const signal of takeDraws(state, look.cells)) settleSignal(state, signal, false);
  const proved = new Map<SignalEvidence, boolean>();
  for (const { signal, cell } of list) proved.set(signal, settleCell(cell) || proved.get(signal) === true);
  for (const [signal, isProvedByReserve] of proved) {
    settleSignal(state, signal, isProvedByReserve);
    noteShown(state, signal);
  }
  return state;
};

/** Whether any signal that decides has reached its bound. */
export const hasFailed = (state: RolloutEvidence): boolean => state.failed.length > 0;
