import type { GridBets, RateProcess, RatioScale } from '#libs/statistics';
import {
  addToLikelihood,
  bet,
  gridBets,
  logEValue,
  logPromotion,
  mixingCosts,
  openLook,
  ratioScale,
  startProcess,
} from '#libs/statistics';
import type { CellCount, CellKey, EvidenceSpec, Look, SignalSpec } from './types.js';
import { cellShares, checkEvidenceSpec, HEADLINE_WEIGHT, keyOf, reserveShare, signalShares } from './weights.js';

/** What the slices of a group of targets have told together; groups are named when the evidence starts. */
export type GroupEvidence = {
  /** Sum of the likelihoods of its slices; null before the first event there. */
  likelihood: Float64Array | null;
  touchedAt: number;
  /** Highest promotion evidence by margin. */
  readonly shown: Map<number, number>;
};

/** Evidence of one signal in one slice. */
export type CellEvidence = {
  readonly key: CellKey;
  /** Those that this slice belongs to. */
  readonly groups: readonly GroupEvidence[];
  /** Null before the first event: most slices of most signals never see one. */
  process: RateProcess | null;
  /** Part of the signal's bound; 0 for slices that were not declared, which draw on the reserve instead. */
  readonly weight: number;
  /** ln 1/(alpha w) for this slice alone. */
  readonly logBound: number;
  /** Conditional likelihood of each ratio on the evidence's scale; null before the first event. */
  likelihood: Float64Array | null;
  largestShareBp: number;
  touchedAt: number;
  isRaised: boolean;
  logE: number;
  maxLogE: number;
};

/** Evidence of one signal over all slices: half from the stratified headline, the rest from the slices. */
export type SignalEvidence = {
  readonly spec: SignalSpec;
  readonly logBound: number;
  readonly headline: RateProcess;
  readonly headlineWeight: number;
  readonly cells: Map<string, CellEvidence>;
  touchedAt: number;
  isRaised: boolean;
  /** Merged evidence of headline and declared slices, now and at its highest. */
  logE: number;
  maxLogE: number;
  /** The first look at which the bound was reached; stays. */
  failedAt: number | null;
  readonly groups: ReadonlyMap<string, GroupEvidence>;
};

type ShareTables = { readonly bets: Map<number, GridBets>; readonly costs: Float64Array };

/** All evidence of one rollout: a fold over its looks. Folding changes it in place; read it, never write it. */
export type RolloutEvidence = {
  readonly spec: EvidenceSpec;
  readonly scale: RatioScale;
  readonly signals: ReadonlyMap<string, SignalEvidence>;
  readonly tables: Map<number, ShareTables>;
  /** Signals (not shadow) whose bound was reached, in order. */
  readonly failed: string[];
  reserveUsed: number;
  /** The last look folded in; 0 before the first. */
  look: number;
};

/** Names of groups by their lists: the same lists are asked about again and again. */
const groupNames = new WeakMap<readonly string[], string>();

const groupName = (targets: readonly string[] | null): string => {
  if (targets === null) return '*';
  const known = groupNames.get(targets);
  if (known !== undefined) return known;
  const name = targets.toSorted().join('\u0000');
  groupNames.set(targets, name);
  return name;
};

type Groups = SignalEvidence['groups'];

const startGroups = ({ groups = [] }: EvidenceSpec): Groups =>
  new Map(groups.map((targets) => [groupName(targets), { likelihood: null, touchedAt: 0, shown: new Map() }]));

/** Names of the groups that a target belongs to. */
const namesWith = ({ groups = [] }: EvidenceSpec, target: string): readonly string[] =>
  groups.filter((targets) => targets === null || targets.includes(target)).map(groupName);

/** The same for every cell; cells of the same groups have the same list. */
const namesOfCells = (spec: EvidenceSpec): readonly (readonly string[])[] => {
  const known = new Map<string, readonly string[]>();
  return spec.cells.map(({ target }) => {
    const names = namesWith(spec, target);
    const key = names.join('\u0001');
    const same = known.get(key) ?? names;
    known.set(key, same);
    return same;
  });
};

const groupsOf = (own: Groups, names: readonly string[]): readonly GroupEvidence[] =>
  names.flatMap((name) => own.get(name) ?? []);

const startCell = (key: CellKey, groups: readonly GroupEvidence[], weight: number, logBound: number): CellEvidence => ({
  key,
  groups,
  process: null,
  weight,
  logBound,
  likelihood: null,
  largestShareBp: 0,
  touchedAt: 0,
  isRaised: false,
  logE: 0,
  maxLogE: 0,
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
  const signals = spec.signals.map((signal, i): readonly [string, SignalEvidence] => {
    const logBound = -Math.log(spec.alpha * (shares[i] ?? 0));
    const groups = startGroups(spec);
    const owned = new Map(names.map((each) => [each, groupsOf(groups, each)]));
    const cells = spec.cells.map(({ target, model }, c): readonly [string, CellEvidence] => {
      const weight = weights[c] ?? 0;
      const own = owned.get(names[c] ?? []) ?? [];
      return [keyOf(target, model), startCell({ target, model }, own, weight, logBound - Math.log(weight))];
    });
    const evidence: SignalEvidence = {
      spec: signal,
      logBound,
      headline: startProcess(),
      headlineWeight: spec.cells.length === 1 ? 0 : HEADLINE_WEIGHT,
      cells: new Map(cells),
      groups,
      touchedAt: 0,
      isRaised: false,
      logE: 0,
      maxLogE: 0,
      failedAt: null,
    };
    return [signal.signal, evidence];
  });
  const scale = ratioScale(spec.margins);
  return { spec, scale, signals: new Map(signals), tables: new Map(), failed: [], reserveUsed: 0, look: 0 };
};

/** The candidate's share of what was counted, or 0 where the count says nothing about the arms. */
const shareOf = (count: CellCount, isUnit: boolean): number => {
  if (count.candidateBad + count.controlBad === 0) return 0;
  if (isUnit) return count.shareBp >= 10_000 ? 0 : count.shareBp / 10_000;
  const { candidateRequests = 0, controlRequests = 0 } = count;
  return candidateRequests <= 0 || controlRequests <= 0 ? 0 : candidateRequests / (candidateRequests + controlRequests);
};

const cellOf = (state: RolloutEvidence, signal: SignalEvidence, { target, model }: CellCount): CellEvidence => {
  const key = keyOf(target, model);
  const known = signal.cells.get(key);
  if (known !== undefined) return known;
  const own = groupsOf(signal.groups, namesWith(state.spec, target));
  const cell = startCell({ target, model }, own, 0, -Math.log(state.spec.alpha * reserveShare(state.reserveUsed)));
  state.reserveUsed += 1;
  signal.cells.set(key, cell);
  return cell;
};

/** Realised shares hardly ever come back after their look, so no more tables than these are kept of them. */
const MAX_TABLES = 1024;

const tablesOf = (state: RolloutEvidence, rho: number): ShareTables => {
  const known = state.tables.get(rho);
  if (known !== undefined) return known;
  if (state.tables.size >= MAX_TABLES) state.tables.clear();
  const tables = { bets: new Map<number, GridBets>(), costs: mixingCosts(state.scale, rho) };
  state.tables.set(rho, tables);
  return tables;
};

const betsOf = (tables: ShareTables, rho: number, harm: number): GridBets => {
  const known = tables.bets.get(harm);
  if (known !== undefined) return known;
  const bets = gridBets(rho, harm);
  tables.bets.set(harm, bets);
  return bets;
};

type Told = {
  readonly signal: SignalEvidence;
  readonly cell: CellEvidence;
  readonly rho: number;
  readonly count: CellCount;
};

const told = (state: RolloutEvidence, look: Look): readonly Told[] => {
  const isUnit = state.spec.assignment === 'unit';
  const list: Told[] = [];
  for (const count of look.cells) {
    const signal = state.signals.get(count.signal);
    const rho = signal === undefined ? 0 : shareOf(count, isUnit);
    if (signal === undefined || rho === 0) continue;
    const cell = cellOf(state, signal, count);
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
    openLook((cell.process ??= startProcess()), cell.isRaised);
    cell.touchedAt = look;
    cell.isRaised = false;
  }
  if (signal.touchedAt === look) return;
  if (signal.headlineWeight > 0) openLook(signal.headline, signal.isRaised);
  signal.touchedAt = look;
  signal.isRaised = false;
};

const take = (state: RolloutEvidence, { signal, cell, rho, count }: Told): void => {
  const tables = tablesOf(state, rho);
  const bets = betsOf(tables, rho, signal.spec.harm ?? 1);
  if (cell.process !== null) bet(cell.process, bets, count.candidateBad, count.controlBad);
  if (signal.headlineWeight > 0) bet(signal.headline, bets, count.candidateBad, count.controlBad);
  cell.likelihood ??= new Float64Array(state.scale.ratios.length);
  addToLikelihood(cell.likelihood, state.scale, tables.costs, count.candidateBad, count.controlBad);
  for (const group of cell.groups) {
    group.likelihood ??= new Float64Array(state.scale.ratios.length);
    addToLikelihood(group.likelihood, state.scale, tables.costs, count.candidateBad, count.controlBad);
    group.touchedAt = state.look;
  }
};

const mergedLogE = (signal: SignalEvidence): number => {
  const headline = signal.headlineWeight > 0 ? logEValue(signal.headline) : 0;
  let top = headline;
  for (const cell of signal.cells.values()) if (cell.weight > 0 && cell.logE > top) top = cell.logE;
  let sum = signal.headlineWeight * Math.exp(headline - top);
  for (const cell of signal.cells.values()) if (cell.weight > 0) sum += cell.weight * Math.exp(cell.logE - top);
  return top + Math.log(sum);
};

const settleCell = (cell: CellEvidence): boolean => {
  cell.logE = cell.process === null ? 0 : logEValue(cell.process);
  if (cell.logE > cell.maxLogE) cell.maxLogE = cell.logE;
  return cell.weight === 0 && cell.maxLogE >= cell.logBound;
};

const settleSignal = (state: RolloutEvidence, signal: SignalEvidence, isProvedByReserve: boolean): void => {
  signal.logE = mergedLogE(signal);
  if (signal.logE > signal.maxLogE) signal.maxLogE = signal.logE;
  if (signal.failedAt !== null || (signal.maxLogE < signal.logBound && !isProvedByReserve)) return;
  signal.failedAt = state.look;
  if (!signal.spec.shadow) state.failed.push(signal.spec.signal);
};

const sumOf = (signal: SignalEvidence, targets: readonly string[] | null): Float64Array | null => {
  let sum: Float64Array | null = null;
  for (const { key, likelihood } of signal.cells.values()) {
    if (likelihood === null || (targets !== null && !targets.includes(key.target))) continue;
    sum ??= new Float64Array(likelihood.length);
    for (let j = 0; j < sum.length; j += 1) sum[j] = (sum[j] ?? 0) + (likelihood[j] ?? 0);
  }
  return sum;
};

/** Sum of the likelihoods of the slices on these targets (null: all); null before the first event there. */
export const likelihoodOf = (signal: SignalEvidence, targets: readonly string[] | null): Float64Array | null => {
  const group = signal.groups.get(groupName(targets));
  return group === undefined ? sumOf(signal, targets) : group.likelihood;
};

const noteShown = (state: RolloutEvidence, { groups }: SignalEvidence): void => {
  for (const { likelihood, touchedAt, shown } of groups.values()) {
    if (likelihood === null || touchedAt !== state.look) continue;
    for (const margin of state.spec.margins) {
      const now = logPromotion(likelihood, state.scale, margin);
      if (now > (shown.get(margin) ?? Number.NEGATIVE_INFINITY)) shown.set(margin, now);
    }
  }
};

/** Highest promotion evidence so far of a group that was named at the start; undefined for others. */
export const highestPromotion = (
  signal: SignalEvidence,
  targets: readonly string[] | null,
  margin: number,
): number | undefined => signal.groups.get(groupName(targets))?.shown.get(margin);

/**
 * Folds one look in and returns the same evidence. A look that is not newer than the last one changes nothing, a look
 * without bad events costs nothing, and the order of the counts within a look does not matter.
 */
export const foldLook = (state: RolloutEvidence, look: Look): RolloutEvidence => {
  if (look.look <= state.look) return state;
  state.look = look.look;
  const list = told(state, look);
  for (const each of list) open(each, look.look);
  for (const each of list) take(state, each);
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
