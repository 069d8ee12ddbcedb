import {
  isByInstance,
  isOfValues,
  type InstancesLately,
  type PairsLately,
  type ResolvedPlan,
  type Rollout,
  type ValuesLately,
} from '#libs/domain';
import type { Evidence, ObservedTotals, RequestTotals, StoredLook, Traffic } from '../ports.js';

type Signal = ResolvedPlan['signals'][number];

/** What was measured of one signal lately; what is missing is not known. */
export type SignalLately = {
  readonly values?: readonly ValuesLately[];
  readonly pairs?: readonly PairsLately[];
  readonly instances?: readonly InstancesLately[];
  /** Of what a source counts: the share of requests that were bad, and how far units are apart. */
  readonly badPerRequest?: number;
  readonly dispersion?: number;
  /** Its source knows no arms, so that nothing can ever be predicted of it. */
  readonly isArmless?: true;
};

/** Signal → what is known of it. */
export type Lately = ReadonlyMap<string, SignalLately>;

/** What a rollout has measured: its first looks, when most is on control, and its totals. */
export type Recording = {
  readonly rollout: Pick<Rollout, 'startedAt' | 'verdicts' | 'plan'>;
  readonly looks: readonly StoredLook[];
  readonly totals: RequestTotals;
};

/** Values and pairs are measured in rollouts alone, so those of so long are asked for what they were like. */
export const LATELY_MEASURED_MS = 30 * 86_400_000;
const MOST_ROLLOUTS = 4;
const MOST_LOOKS = 200;
/** Fewer values, or pairs, say too little of what they are like. */
const LEAST_COUNT = 50;

const isServedBy = ({ source, type }: Signal, assignment: Rollout['assignment']): boolean =>
  source !== null || type === 'mean' || type === 'distribution' || type === 'paired' || assignment === 'instance';

/** The newest rollouts that measured any of these signals with the same coin, the newest first. */
export const recordedIn = async (
  evidence: Pick<Evidence, 'requests' | 'readLooks'>,
  rollouts: Iterable<Rollout>,
  signals: readonly Signal[],
  assignment: Rollout['assignment'],
  now: number,
): Promise<readonly Recording[]> => {
  const asked = new Set(signals.filter((signal) => isServedBy(signal, assignment)).map(({ signal }) => signal));
  const known = [...rollouts]
    .filter(
      (rollout) =>
        rollout.assignment === assignment &&
        rollout.startedAt > now - LATELY_MEASURED_MS &&
        rollout.plan.signals.some(({ signal }) => asked.has(signal)),
    )
    .toSorted((a, b) => b.startedAt - a.startedAt)
    .slice(0, MOST_ROLLOUTS);
  return Promise.all(
    known.map(async (rollout) => {
      const [totals, looks] = await Promise.all([
        evidence.requests(rollout.id),
        evidence.readLooks(rollout.id, 0, MOST_LOOKS),
      ]);
      return { rollout, totals, looks };
    }),
  );
};

type Cell = StoredLook['cells'][number];

const cellsOf = ({ looks }: Recording, signal: string): readonly Cell[] =>
  looks.flatMap(({ cells }) => cells.filter((cell) => cell.signal === signal));

const grouped = <T>(all: readonly T[], keyOf: (each: T) => string): ReadonlyMap<string, readonly T[]> => {
  const groups = new Map<string, T[]>();
  for (const each of all) groups.set(keyOf(each), [...(groups.get(keyOf(each)) ?? []), each]);
  return groups;
};

/** Control's values where there are enough: the candidate's may have been harmed. */
const seenIn = (cells: readonly Cell[]): ValuesLately['seen'] => {
  const [control, both] = [new Map<number, number>(), new Map<number, number>()];
  let onControl = 0;
  for (const [value, ofCandidate, ofControl] of cells.flatMap(({ bins = [] }) => bins)) {
    both.set(value, (both.get(value) ?? 0) + ofCandidate + ofControl);
    if (ofControl > 0) control.set(value, (control.get(value) ?? 0) + ofControl);
    onControl += ofControl;
  }
  return [...(onControl >= LEAST_COUNT ? control : both)];
};

type Place = { readonly target: string; readonly model: string };
const isAt = (place: Place) => (each: Place) => each.target === place.target && each.model === place.model;

/** Values for each request of a slice; 0 where that cannot be told. */
const perRequest = ({ totals }: Recording, signal: string, place: Place): number => {
  const served = totals.slices.find(isAt(place));
  const sample = totals.samples.find((each) => each.signal === signal && isAt(place)(each));
  const requests = (served?.candidateRequests ?? 0) + (served?.controlRequests ?? 0);
  return requests > 0 && sample !== undefined ? (sample.candidate + sample.control) / requests : 0;
};

const requestsAt = ({ requests }: Traffic, place: Place): number => requests.find(isAt(place))?.requestsPerSecond ?? 0;

const valuesIn = (recording: Recording, signal: string, traffic: Traffic): readonly ValuesLately[] =>
  [...grouped(cellsOf(recording, signal), ({ target, model }) => `${target}\u0000${model}`).values()].flatMap(
    (cells) => {
      const [{ target, model } = { target: '', model: '' }] = cells;
      const seen = seenIn(cells);
      const perSecond = perRequest(recording, signal, { target, model }) * requestsAt(traffic, { target, model });
      const count = seen.reduce((sum, [, each]) => sum + each, 0);
      return count >= LEAST_COUNT && perSecond > 0 ? [{ target, model, perSecond, seen }] : [];
    },
  );

/** From the verdict with most pairs of each track: it tells how many there were until when, and which were bad. */
const pairsIn = ({ rollout }: Recording, signal: string): readonly PairsLately[] =>
  Object.values(rollout.verdicts)
    .filter((verdict) => verdict.signal === signal && verdict.track !== null)
    .flatMap(({ track, counts, at }) => {
      const { controlRequests: pairs, controlBad } = counts;
      const targets = rollout.plan.tracks.find(({ name }) => name === track)?.targets ?? [];
      const seconds = (at - rollout.startedAt) / 1_000;
      if (pairs < LEAST_COUNT || seconds <= 0) return [];
      const perSecond = pairs / seconds / targets.length;
      return targets.map(({ target }) => ({ target, perSecond, badPart: controlBad / pairs }));
    });

type Total = { count: number; sum: number; isControl: boolean };

const instancesAt = (cells: readonly Cell[]): readonly Total[] => {
  const totals = new Map<string, Total>();
  for (const [instance, place, count, sum] of cells.flatMap(({ instances = [] }) => instances)) {
    const isControl = place === 'spared' || place === 'late';
    const key = `${instance}\u0000${isControl}`;
    const known = totals.get(key) ?? { count: 0, sum: 0, isControl };
    totals.set(key, { count: known.count + count, sum: known.sum + sum, isControl });
  }
  const all = [...totals.values()].filter(({ count }) => count > 0);
  const control = all.filter(({ isControl }) => isControl);
  return control.length > 1 ? control : all;
};

const middleOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Of each target the model that was served most: an instance is one observation, whatever it serves. */
const instancesIn = (
  recording: Recording,
  signal: Signal,
  traffic: Traffic,
  live: Readonly<Record<string, readonly string[]>>,
): readonly InstancesLately[] =>
  [...grouped(cellsOf(recording, signal.signal), ({ target }) => target)].flatMap(([target, cells]) => {
    const models = [...grouped(cells, ({ model }) => model)].map(([model, own]) => ({
      model,
      totals: instancesAt(own),
    }));
    const served = ({ totals }: (typeof models)[number]): number => totals.reduce((sum, { count }) => sum + count, 0);
    const [most] = models.toSorted((a, b) => served(b) - served(a));
    if (most === undefined || most.totals.length < 2) return [];
    const place = { target, model: most.model };
    const each = requestsAt(traffic, place) / Math.max(1, live[target]?.length ?? 0);
    return [
      {
        target,
        levels: most.totals.map(({ sum, count }) => sum / count),
        count: middleOf(most.totals.map(({ count }) => count)),
        perSecond: each * (isOfValues(signal) ? perRequest(recording, signal.signal, place) : 1),
      },
    ];
  });

/** Of each place the newest recording that tells something. */
const newest = <T extends { readonly target: string; readonly model?: string }>(
  told: readonly (readonly T[])[],
): readonly T[] => {
  const found = new Map<string, T>();
  for (const each of told.flat()) {
    const key = `${each.target}\u0000${each.model ?? ''}`;
    if (!found.has(key)) found.set(key, each);
  }
  return [...found.values()];
};

const countedOf = (
  signal: string,
  observed: readonly ObservedTotals[],
  recordings: readonly Recording[],
): SignalLately => {
  const own = observed.filter((each) => each.signal === signal);
  const requests = own.reduce((sum, each) => sum + each.requests, 0);
  const bad = own.reduce((sum, each) => sum + each.bad, 0);
  const dispersions = recordings
    .map((recording) => cellsOf(recording, signal).flatMap(({ dispersion }) => dispersion ?? []))
    .find((all) => all.length > 0);
  return {
    ...(requests > 0 ? { badPerRequest: bad / requests } : {}),
    ...(dispersions === undefined ? {} : { dispersion: Math.max(...dispersions) }),
  };
};

/**
 * What recordings, sources and the traffic of today tell of each signal of a plan. Values and pairs are measured in
 * rollouts alone; how many there will be follows from how many there were for each request. `armless`: signals of sources
 * that know no arms, of which nothing can be predicted. `live`: target → its live instances.
 */
export const latelyOf = (
  { plan, assignment }: Pick<Rollout, 'plan' | 'assignment'>,
  recordings: readonly Recording[],
  observed: readonly ObservedTotals[],
  traffic: Traffic,
  armless: ReadonlySet<string> = new Set(),
  live: Readonly<Record<string, readonly string[]>> = {},
): Lately =>
  new Map(
    plan.signals.map((signal): [string, SignalLately] => {
      const { signal: name, type, source } = signal;
      const all = recordings.filter(({ rollout }) => rollout.plan.signals.some((each) => each.signal === name));
      if (source !== null && armless.has(name)) return [name, { isArmless: true }];
      const counted = source === null ? {} : countedOf(name, observed, all);
      if (isByInstance({ assignment }, { signal: name, type, shadow: false, ...(source === null ? {} : { source }) }))
        return [name, { instances: newest(all.map((each) => instancesIn(each, signal, traffic, live))) }];
      if (isOfValues(signal))
        return [name, { ...counted, values: newest(all.map((each) => valuesIn(each, name, traffic))) }];
      if (type === 'paired') return [name, { pairs: newest(all.map((each) => pairsIn(each, name))) }];
      return [name, counted];
    }),
  );
