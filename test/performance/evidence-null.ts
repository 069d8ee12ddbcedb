import { foldLook, hasFailed, startEvidence } from '#libs/domain';
import type { CellCount, RolloutEvidence } from '#libs/domain';
import { uniformAt } from '#libs/statistics';

export const SIGNALS = 20;
export const TARGETS = 10;
const UNITS = 4_000;
const LOOKS = 240;
const MAX_DELAY = 30;

/** Ways in which a rollout can be harmless and still look alarming. The last two break a rule on purpose. */
export type Harmless =
  | 'constant'
  | 'day and night'
  | 'ramp'
  | 'sticky broken units'
  | 'bursts in both arms'
  | 'signals that share units'
  | 'late and repeated'
  | 'stages that react to shared units'
  | 'by request'
  | 'broken rule: sticky units counted per request'
  | 'broken rule: pooled over a ramp';

export const ZOO: readonly Harmless[] = [
  'constant',
  'day and night',
  'ramp',
  'sticky broken units',
  'bursts in both arms',
  'signals that share units',
  'late and repeated',
  'stages that react to shared units',
  'by request',
];

export const BROKEN: readonly Harmless[] = [
  'broken rule: sticky units counted per request',
  'broken rule: pooled over a ramp',
];

const signalNames = Array.from({ length: SIGNALS }, (_, i) => `signal-${i}`);
const targetNames = Array.from({ length: TARGETS }, (_, i) => `target-${i}`);

/** Evidence of a plan as the gate starts it: equal weights, one model. */
export const evidenceOf = (
  alpha: number,
  signals: number,
  targets: number,
  assignment: 'unit' | 'request' = 'unit',
): RolloutEvidence =>
  startEvidence({
    alpha,
    assignment,
    signals: signalNames.slice(0, signals).map((signal) => ({ signal, type: 'rate', shadow: false })),
    cells: targetNames.slice(0, targets).map((target) => ({ target, model: 'model' })),
    margins: [],
  });

export const chanceOf = (seed: number): (() => number) => {
  let drawn = 0;
  return () => uniformAt(seed, drawn++);
};

const poisson = (chance: () => number, mean: number): number => {
  let count = 0;
  for (let left = mean + Math.log(chance()); left > 0; left += Math.log(chance())) count += 1;
  return count;
};

type World = {
  readonly kind: Harmless;
  readonly chance: () => number;
  /** Expected bad events per look of all signals. */
  readonly total: number;
  /** Signals as often as their part of all bad events has it. */
  readonly frequent: readonly number[];
  /** Where each unit lies on the hash ring: below the share it is on the candidate. */
  readonly ring: Float64Array;
  readonly seen: Uint8Array;
};

const isRamp = (kind: Harmless): boolean => kind !== 'constant' && kind !== 'by request';

const shareAt = (kind: Harmless, look: number): number => {
  if (!isRamp(kind)) return 1000;
  if (look < LOOKS / 3) return 100;
  return look < (2 * LOOKS) / 3 ? 1000 : 5000;
};

/** Of a ramp with as many looks at each share. */
const MEAN_SHARE = (100 + 1000 + 5000) / 3;

/** Base rates drift under every ramp; days are 120 looks long and swing by 80%. */
const shapeAt = (kind: Harmless, look: number): number => {
  if (kind === 'constant') return 1;
  if (kind === 'ramp') return 0.5 + look / LOOKS;
  return kind === 'day and night' ? 1 + 0.8 * Math.sin((look * Math.PI) / 60) : 1;
};

const unitOf = ({ kind, chance }: World): number => {
  const isSticky = kind === 'sticky broken units' || kind === BROKEN[0];
  // One unit in a hundred is broken for everybody who serves it, and sends most of the bad events.
  return Math.floor(chance() * (isSticky && chance() < 0.8 ? UNITS / 100 : UNITS));
};

type Bad = { readonly signal: number; readonly unit: number };

const sharesUnits = (kind: Harmless): boolean =>
  kind === 'signals that share units' || kind === 'stages that react to shared units';

const badEvents = (world: World, look: number): readonly Bad[] => {
  const { kind, chance, frequent, total } = world;
  const events: Bad[] = [];
  const isBurst = kind === 'bursts in both arms' && chance() < 0.02;
  const shape = shapeAt(kind, look) * (isBurst ? 25 : 1);
  if (sharesUnits(kind)) {
    // One bad answer sets off every signal of its unit, or where stages react, half of them now and others later.
    for (let n = poisson(chance, total / SIGNALS); n > 0; n -= 1) {
      const unit = unitOf(world);
      for (let signal = 0; signal < SIGNALS; signal += 1) {
        if (kind === 'signals that share units' || chance() < 0.5) events.push({ signal, unit });
      }
    }
    return events;
  }
  for (let n = poisson(chance, total * shape); n > 0; n -= 1) {
    events.push({ signal: frequent[Math.floor(chance() * frequent.length)] ?? 0, unit: unitOf(world) });
  }
  return events;
};

/** A bad event on its way to the gate: the share it was served under, and the one it is counted under. */
type Arrival = Bad & { readonly servedBp: number; readonly countedBp: number };

type Arrived = Bad & { readonly shareBp: number; readonly isCandidate: boolean };
type Sum = { -readonly [field in keyof CellCount]: CellCount[field] };

/** What the unit store lets through: the first bad event of each unit and signal to arrive. */
const firstOnes = (world: World, arrivals: readonly Arrival[]): readonly Arrived[] => {
  const list: Arrived[] = [];
  for (const { signal, unit, servedBp, countedBp } of arrivals) {
    const at = signal * UNITS + unit;
    if (world.seen[at] === 1 && world.kind !== BROKEN[0]) continue;
    world.seen[at] = 1;
    list.push({ signal, unit, shareBp: countedBp, isCandidate: (world.ring[unit] ?? 0) * 10_000 < servedBp });
  }
  return list;
};

const REQUESTS = 500;

/** Requests assigned one by one: the realised share of each look and target, and bad events at the same rate on both. */
const requestCounts = (world: World, look: number): readonly CellCount[] => {
  const deviation = Math.sqrt(REQUESTS * 0.1 * 0.9);
  const realised = targetNames.map(() => {
    const normal = Math.sqrt(-2 * Math.log(world.chance())) * Math.cos(2 * Math.PI * world.chance());
    return Math.max(1, Math.round(REQUESTS * 0.1 + deviation * normal));
  });
  const arrived = badEvents(world, look).map((bad) => {
    const isCandidate = world.chance() * REQUESTS < (realised[bad.unit % TARGETS] ?? 0);
    return { ...bad, shareBp: 1000, isCandidate };
  });
  return addedUp(arrived).map((count) => {
    const candidateRequests = realised[targetNames.indexOf(count.target)] ?? 0;
    return { ...count, candidateRequests, controlRequests: REQUESTS - candidateRequests };
  });
};

/** Bad events of one look, added up per signal, target and share as the window store does. */
const addedUp = (arrived: readonly Arrived[]): readonly CellCount[] => {
  const sums = new Map<number, Sum>();
  for (const { signal, unit, shareBp, isCandidate } of arrived) {
    const target = unit % TARGETS;
    const key = (signal * TARGETS + target) * 10_000 + shareBp;
    const sum = sums.get(key);
    if (sum === undefined) {
      const counts = { candidateBad: isCandidate ? 1 : 0, controlBad: isCandidate ? 0 : 1 };
      sums.set(key, {
        signal: signalNames[signal] ?? '',
        target: targetNames[target] ?? '',
        model: 'model',
        shareBp,
        ...counts,
      });
    } else if (isCandidate) sum.candidateBad += 1;
    else sum.controlBad += 1;
  }
  return [...sums.values()];
};

const worldOf = (kind: Harmless, seed: number): World => {
  const chance = chanceOf(seed);
  // Base rates spread over two decades, the same for both arms.
  const rates = signalNames.map(() => 0.02 * 100 ** chance());
  const total = rates.reduce((sum, rate) => sum + rate, 0);
  const frequent = rates.flatMap((rate, signal) =>
    Array.from({ length: Math.round((2_000 * rate) / total) }, () => signal),
  );
  const ring = Float64Array.from({ length: UNITS }, chance);
  return { kind, chance, total, frequent, ring, seen: new Uint8Array(UNITS * SIGNALS) };
};

/** Where stages react, the next one is entered as soon as the candidate looks better than control over all signals. */
const nextShare = (kind: Harmless, look: number, servedBp: number, state: RolloutEvidence): number => {
  if (kind !== 'stages that react to shared units' || look === 1) return shareAt(kind, look);
  const evidenceOfHarm = [...state.signals.values()].reduce((sum, { logE }) => sum + logE, 0);
  return evidenceOfHarm < -0.1 * SIGNALS ? Math.min(5000, Math.round(servedBp * 1.5)) : servedBp;
};

/** Puts the events of one look on their way; late ones arrive up to 29 looks later, some of them twice. */
const send = (world: World, look: number, servedBp: number, arriving: readonly Arrival[][]): void => {
  const { kind, chance } = world;
  const isLate = kind === 'late and repeated';
  for (const bad of badEvents(world, look)) {
    const delay = isLate ? Math.floor(MAX_DELAY * chance() ** 2) : 0;
    const countedBp = kind === BROKEN[1] ? MEAN_SHARE : servedBp;
    const arrival = { signal: bad.signal, unit: bad.unit, servedBp, countedBp };
    arriving[look + delay]?.push(arrival);
    if (isLate && chance() < 0.2) arriving[look + MAX_DELAY]?.push(arrival);
  }
};

/** One harmless rollout of 20 signals on 10 targets through the gate: whether it was rolled back, after how many events. */
export const harmlessRollout = (
  kind: Harmless,
  seed: number,
  alpha: number,
): { readonly failed: boolean; readonly events: number } => {
  const world = worldOf(kind, seed);
  const isByRequest = kind === 'by request';
  const state = evidenceOf(alpha, SIGNALS, TARGETS, isByRequest ? 'request' : 'unit');
  const arriving: Arrival[][] = Array.from({ length: LOOKS + (isByRequest ? 1 : MAX_DELAY + 1) }, () => []);
  let [events, servedBp] = [0, 0];
  for (let look = 1; look < arriving.length && !hasFailed(state); look += 1) {
    servedBp = nextShare(kind, look, servedBp, state);
    if (look <= LOOKS && !isByRequest) send(world, look, servedBp, arriving);
    const cells = isByRequest ? requestCounts(world, look) : addedUp(firstOnes(world, arriving[look] ?? []));
    for (const { candidateBad, controlBad } of cells) events += candidateBad + controlBad;
    foldLook(state, { look, cells });
    if (kind === 'late and repeated' && world.chance() < 0.3) foldLook(state, { look, cells });
  }
  return { failed: hasFailed(state), events };
};
