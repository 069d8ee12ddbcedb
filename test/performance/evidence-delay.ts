import { DECLARED_SHARE, foldLook, hasFailed } from '#libs/domain';
import type { CellCount } from '#libs/domain';
import { limitCandidateRequests, windowLogE } from '#libs/statistics';
import { chanceOf, evidenceOf, TARGETS } from './evidence-null.js';

/** Bad rate on control and on the candidate, and the candidate's share. */
export type Row = { readonly control: number; readonly candidate: number; readonly rho: number };

const PAIRS: readonly (readonly [number, number])[] = [
  [1e-4, 2e-4],
  [1e-4, 1e-3],
  [1e-3, 2e-3],
  [1e-3, 1e-2],
  [1e-2, 1.5e-2],
  [1e-2, 2e-2],
  [0.008, 0.16],
];

export const ROWS: readonly Row[] = PAIRS.flatMap(([control, candidate]) =>
  [0.01, 0.1, 0.5].map((rho) => ({ control, candidate, rho })),
);

export const ALPHA = 1e-3;

/** How many signals the plan has, and on how many of its 10 targets the fault shows. */
export type Setting = { readonly signals: number; readonly targets: number; readonly faulty: number };

/** Mean candidate requests until rollback, as times the limit at the plan's alpha and at the part of this signal. */
export type Delay = {
  readonly row: Row;
  readonly runs: number;
  /** Over the limit at alpha w, the part of alpha that this signal was given. */
  readonly own: number;
  /** Over the limit at the whole alpha. */
  readonly plain: number;
  /** Standard error of `own`. */
  readonly error: number;
  /** Share of runs within three times the limit at alpha w. */
  readonly power: number;
  /** A sequential probability ratio test that knows both rates, at alpha w: over both limits. */
  readonly knowing: { readonly own: number; readonly plain: number };
};

type Run = { readonly gate: number; readonly knowing: number };

const limitAt = (row: Row, alpha: number): number => limitCandidateRequests({ ...row, alpha });

const eventAt = (place: number, rho: number, isCandidate: boolean, count = 1): CellCount => ({
  signal: 'signal-0',
  target: `target-${place}`,
  model: 'model',
  shareBp: rho * 10_000,
  candidateBad: isCandidate ? count : 0,
  controlBad: isCandidate ? 0 : count,
});

type Event = { readonly place: number; readonly isCandidate: boolean; readonly requests: number };

/** The next bad event and the candidate requests before it: rates are small, so the gaps are exponential. */
const nextEvent = ({ control, candidate, rho }: Row, { targets, faulty }: Setting, chance: () => number): Event => {
  const part = faulty / targets;
  const [onFaulty, onSound, onControl] = [candidate * part, control * (1 - part), (control * (1 - rho)) / rho];
  const total = onFaulty + onSound + onControl;
  const requests = -Math.log(chance()) / total;
  const kind = chance() * total;
  if (kind < onFaulty) return { place: Math.floor(chance() * faulty), isCandidate: true, requests };
  if (kind < onFaulty + onSound)
    return { place: faulty + Math.floor(chance() * (targets - faulty)), isCandidate: true, requests };
  return { place: Math.floor(chance() * targets), isCandidate: false, requests };
};

const runRow = (row: Row, setting: Setting, seed: number): Run => {
  const chance = chanceOf(seed);
  const state = evidenceOf(ALPHA, setting.signals, setting.targets);
  const bound = -Math.log((ALPHA * DECLARED_SHARE) / setting.signals);
  let [requests, gate, knowing, logKnown] = [0, 0, 0, 0];
  for (let look = 1; gate === 0 || knowing === 0; look += 1) {
    const event = nextEvent(row, setting, chance);
    requests += event.requests;
    const [bad, good] = event.isCandidate ? [1, 0] : [0, 1];
    if (event.place < setting.faulty) logKnown += windowLogE(bad, good, row.rho, row.candidate / row.control);
    if (knowing === 0 && logKnown >= bound) knowing = requests;
    if (gate !== 0) continue;
    foldLook(state, { look, cells: [eventAt(event.place, row.rho, event.isCandidate)] });
    if (hasFailed(state)) gate = requests;
  }
  return { gate, knowing };
};

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const deviation = (values: readonly number[]): number => {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
};

/** Candidate requests count on the faulty targets: elsewhere nothing can be learned about the fault. */
export const delayOf = (row: Row, setting: Setting, runs: number, seed: number): Delay => {
  const part = setting.faulty / setting.targets;
  const all = Array.from({ length: runs }, (_, i) => runRow(row, setting, seed + i));
  const own = limitAt(row, (ALPHA * DECLARED_SHARE) / setting.signals);
  const plain = limitAt(row, ALPHA);
  const gate = all.map((run) => run.gate * part);
  const knowing = mean(all.map((run) => run.knowing)) * part;
  return {
    row,
    runs,
    own: mean(gate) / own,
    plain: mean(gate) / plain,
    error: deviation(gate) / own / Math.sqrt(runs),
    power: gate.filter((requests) => requests <= 3 * own).length / runs,
    knowing: { own: knowing / own, plain: knowing / plain },
  };
};

export type LateDelay = Pick<Delay, 'row' | 'runs' | 'own' | 'plain' | 'error'> & {
  readonly onsetHours: number;
  readonly looks: 'event' | 'second';
  readonly seconds: number;
  /** Rollbacks before the fault began, left out of the delay. */
  readonly early: number;
};

const REQUESTS_PER_SECOND = 1_000;

const poisson = (chance: () => number, expected: number): number => {
  let count = 0;
  for (let left = expected + Math.log(chance()); left > 0; left += Math.log(chance())) count += 1;
  return count;
};

/** Bad events of one second on each arm, spread over the targets. */
const second = (
  chance: () => number,
  candidateMean: number,
  controlMean: number,
  rho: number,
): readonly CellCount[] => {
  const counts = Array.from({ length: TARGETS }, () => [0, 0] satisfies [number, number]);
  const scatter = (arm: 0 | 1, expected: number): void => {
    for (let n = poisson(chance, expected); n > 0; n -= 1) {
      const target = counts[Math.floor(chance() * TARGETS)];
      if (target !== undefined) target[arm] += 1;
    }
  };
  scatter(0, candidateMean);
  scatter(1, controlMean);
  return counts.flatMap(([bad = 0, good = 0], place) =>
    bad + good === 0 ? [] : [{ ...eventAt(place, rho, true, bad), controlBad: good }],
  );
};

/** Seconds from the onset to the rollback, looked at every second; null for a rollback before the onset. */
const runLate = ({ control, candidate, rho }: Row, signals: number, onset: number, seed: number): number | null => {
  const chance = chanceOf(seed);
  const state = evidenceOf(ALPHA, signals, TARGETS);
  let look = 0;
  while (!hasFailed(state)) {
    look += 1;
    const rate = REQUESTS_PER_SECOND * rho * (look > onset ? candidate : control);
    foldLook(state, { look, cells: second(chance, rate, REQUESTS_PER_SECOND * (1 - rho) * control, rho) });
  }
  return look > onset ? look - onset : null;
};

/** As `runLate`, looked at with every bad event: what remains is the test's own delay. */
const runLateByEvent = (row: Row, signals: number, onset: number, seed: number): number | null => {
  const chance = chanceOf(seed);
  const state = evidenceOf(ALPHA, signals, TARGETS);
  const setting = { signals, targets: TARGETS, faulty: TARGETS };
  const harmless = { ...row, candidate: row.control };
  const started = onset * REQUESTS_PER_SECOND * row.rho;
  let requests = 0;
  for (let look = 1; !hasFailed(state); look += 1) {
    const before = requests < started ? nextEvent(harmless, setting, chance) : null;
    const isBefore = before !== null && requests + before.requests < started;
    if (!isBefore && requests < started) requests = started;
    const event = isBefore ? before : nextEvent(row, setting, chance);
    requests += event.requests;
    foldLook(state, { look, cells: [eventAt(event.place, row.rho, event.isCandidate)] });
  }
  return requests >= started ? (requests - started) / (REQUESTS_PER_SECOND * row.rho) : null;
};

export type Late = {
  readonly row: Row;
  readonly signals: number;
  readonly onsetHours: number;
  /** A look with every bad event, or one every second. */
  readonly looks: 'event' | 'second';
  readonly runs: number;
  readonly seed: number;
};

/** Delay over the limit for a fault that begins hours after exposure, at 1,000 requests/s. */
export const lateDelayOf = ({ row, signals, onsetHours, looks, runs, seed }: Late): LateDelay => {
  const run = looks === 'event' ? runLateByEvent : runLate;
  const all = Array.from({ length: runs }, (_, i) => run(row, signals, onsetHours * 3_600, seed + i));
  const requests = all.flatMap((seconds) => (seconds === null ? [] : [seconds * REQUESTS_PER_SECOND * row.rho]));
  const own = limitAt(row, (ALPHA * DECLARED_SHARE) / signals);
  return {
    row,
    runs,
    looks,
    onsetHours,
    early: runs - requests.length,
    own: mean(requests) / own,
    plain: mean(requests) / limitAt(row, ALPHA),
    seconds: mean(requests) / (REQUESTS_PER_SECOND * row.rho),
    error: deviation(requests) / own / Math.sqrt(requests.length),
  };
};
