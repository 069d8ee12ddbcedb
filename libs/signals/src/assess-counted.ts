import { binOf, SIZES, type Binning } from './bins.js';
import type { Counted, CountedRefusal } from './counted.js';
import type { Arm } from './evidence-store.js';
import type { ExposureLookup, Running } from './exposure.js';
import { noFacts, type Facts } from './facts.js';
import { misplaced, type Fault } from './place-faults.js';

/** What items without an arm add to a rollout, as long as no source has told whose arms of it the signal counts. */
export type WholeFacts = { readonly rollout: string; readonly signal: string; readonly facts: Facts };

/** What was counted adds this, and these items of it add nothing. */
export type CountedAssessment = {
  readonly facts: Facts;
  readonly whole: readonly WholeFacts[];
  readonly refused: readonly CountedRefusal[];
};

/** A rollout that an item is evidence for. */
type Place = { readonly exposure: Running; readonly arm: Arm };
type Value = readonly [value: number, count: number];

const MAX_AHEAD_MS = 60_000;
const MINUTE_MS = 60_000;
/** Buckets beyond this are no hash buckets but ids. */
export const MOST_BUCKETS = 1_024;

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

const sumOf = (values: readonly Value[], of: (value: Value) => number): number =>
  values.reduce((sum, value) => sum + of(value), 0);

/** Judges what a source counted, item by item. Pure: asks only the lookup, writes nothing; `now` in epoch ms. */
export const assessCounted = (counted: readonly Counted[], now: number, lookup: ExposureLookup): CountedAssessment => {
  const facts = noFacts();
  const refused: CountedRefusal[] = [];
  const assessor = new CountedAssessor(Math.round(now), lookup, facts);
  for (const [index, item] of counted.entries()) {
    const fault = assessor.take(item);
    if (fault !== undefined)
      refused.push({ where: `${item.signal} on ${item.target} × ${item.model}`, ...fault, index });
  }
  return { facts, whole: assessor.whole, refused };
};

class CountedAssessor {
  readonly whole: WholeFacts[] = [];

  constructor(
    private readonly now: number,
    private readonly lookup: ExposureLookup,
    private readonly facts: Facts,
  ) {}

  /** Counts an item wherever it belongs, or gives why it is refused, which happens as a whole. */
  take(item: Counted): Fault | undefined {
    const fault =
      this.signalFault(item) ?? misplaced(item, this.lookup) ?? this.timeFault(item) ?? this.countFault(item);
    if (fault !== undefined) return fault;
    const places = this.placesOf(item);
    const unexpected = this.kindFault(item, places) ?? this.valueFault(item, places);
    if (unexpected !== undefined) return unexpected;
    const until = Math.min(Math.round(item.until), this.now);
    const from = Math.min(Math.round(item.from), until);
    const measured = { target: item.target, signal: item.signal, from, until };
    this.addObserved(item, until);
    if (item.arm !== undefined || places.length === 0) this.facts.measured.push(measured);
    for (const place of places) {
      const facts = item.arm === undefined ? this.wholeOf(item, place) : this.facts;
      if (item.arm === undefined) facts.measured.push(measured);
      if (this.isOfItsTime(item, place)) addTo(facts, item, place);
    }
    return undefined;
  }

  private wholeOf({ signal }: Counted, { exposure: { rollout } }: Place): Facts {
    const facts = noFacts();
    this.whole.push({ rollout, signal, facts });
    return facts;
  }

  private signalFault({ signal }: Counted): Fault | undefined {
    if (this.lookup.knowsSignal(signal) !== undefined) return undefined;
    const detail = `The signal ${signal} is not registered: apply its manifest first or correct the name.`;
    return { code: 'unknown-signal', detail };
  }

  private timeFault({ from, until }: Counted): Fault | undefined {
    if (!(from <= until)) return { code: 'wrong-window', detail: 'A window ends after it begins: correct its times.' };
    if (until <= this.now + MAX_AHEAD_MS) return undefined;
    const detail = 'The window ends more than a minute from now: set the clock of whoever counts.';
    return { code: 'window-in-future', detail };
  }

  private countFault({ requests, bad, values = [], bucket }: Counted): Fault | undefined {
    const counts = [requests, bad, ...values.map(([, count]) => count)];
    if (!counts.every(isCount)) {
      const detail = `${counts.find((count) => !isCount(count))} is no number of requests: counts are whole and not below 0.`;
      return { code: 'not-a-count', detail };
    }
    if (bad > requests) {
      const detail = `${bad} requests are bad, and there were ${requests}: count the same requests in both.`;
      return { code: 'more-bad-than-requests', detail };
    }
    if (bucket === undefined || (isCount(bucket) && bucket < MOST_BUCKETS)) return undefined;
    const detail = `${bucket} is no bucket: number them from 0 to ${MOST_BUCKETS - 1} at most.`;
    return { code: 'wrong-bucket', detail };
  }

  /** Rollouts that count the signal there; an item without an arm tells of the slice as a whole. */
  private placesOf({ signal, target, arm }: Counted): readonly Place[] {
    if (arm === undefined)
      return this.lookup
        .running(target)
        .filter(({ shareBp, counted }) => shareBp > 0 && counted.has(signal))
        .map((exposure) => ({ exposure, arm: 'candidate' }));
    const { config, revision, generation = this.lookup.newest(target) } = arm;
    const exposure = this.lookup.find(target, config, generation);
    if (typeof exposure === 'string' || exposure.shareBp === 0 || !exposure.counted.has(signal)) return [];
    if (revision === exposure.candidate) return [{ exposure: { ...exposure, config }, arm: 'candidate' }];
    return revision === exposure.control ? [{ exposure: { ...exposure, config }, arm: 'control' }] : [];
  }

  /** Who does not say which generation served it has to have counted all of it since the rollout showed its candidate. */
  private isOfItsTime({ arm, from }: Counted, { exposure }: Place): boolean {
    return arm?.generation !== undefined || from >= exposure.startedAt;
  }

  private kindFault({ signal, target, values }: Counted, places: readonly Place[]): Fault | undefined {
    if (this.lookup.sourceOf(signal) === undefined && places.length === 0) {
      const detail = `${signal} is not counted by a source: send its outcomes, or name its source in the manifest.`;
      return { code: 'not-counted-by-source', detail };
    }
    const isOfValues = this.lookup.binningOf(signal) !== undefined;
    const isPinned = places.some(({ exposure }) => (exposure.counted.get(signal) !== null) === (values !== undefined));
    if (isOfValues === (values !== undefined) || isPinned) return undefined;
    const detail = `${signal} is of type ${this.lookup.knowsSignal(signal)}: count ${isOfValues ? 'values' : 'requests and bad ones'} on ${target}.`;
    return { code: 'wrong-kind-of-signal', detail };
  }

  private valueFault({ signal, values = [] }: Counted, places: readonly Place[]): Fault | undefined {
    const pinned = places.flatMap(({ exposure }) => exposure.counted.get(signal) ?? []);
    const binning: Binning | undefined = pinned[0] ?? this.lookup.binningOf(signal);
    const wrong = values.find(([value]) => binning !== undefined && binOf(value, binning) === undefined);
    if (wrong === undefined || binning === undefined) return undefined;
    const range = binning === 'by-size' ? SIZES : `between ${binning.low} and ${binning.high}`;
    const detail = `${wrong[0]} is not ${range}, the range of ${signal}: correct the source's scale or the manifest.`;
    return { code: 'value-out-of-range', detail };
  }

  private addObserved({ signal, target, model, requests, bad, values = [] }: Counted, until: number): void {
    if (requests === 0 && values.length === 0) return;
    const valueCount = sumOf(values, ([, count]) => count);
    const valueSum = sumOf(values, ([value, count]) => value * count);
    const minute = Math.floor(until / MINUTE_MS) * MINUTE_MS;
    this.facts.observed.push({ signal, target, model, minute, requests, bad, valueCount, valueSum });
    // Plans predict from it, as they do from outcomes.
    if (bad > 0) this.facts.trafficBad.push({ signal, target, model, minute, bad });
  }
}

const addTo = (facts: Facts, item: Counted, { exposure, arm }: Place): void => {
  const { rollout, config, candidate } = exposure;
  facts.rollouts.push({ rollout, config, candidate });
  if (item.arm !== undefined) facts.toldArms.push({ rollout, signal: item.signal });
  const binning = exposure.counted.get(item.signal);
  if (binning === null) addRate(facts, item, { exposure, arm });
  else if (binning !== undefined) addValues(facts, item, { exposure, arm }, binning);
};

const addRate = (
  facts: Facts,
  { signal, target, model, requests, bad, bucket }: Counted,
  { exposure, arm }: Place,
): void => {
  if (requests === 0) return;
  const { rollout, shareBp } = exposure;
  const of = { rollout, signal, target, model };
  const [candidate, control] = arm === 'candidate' ? [1, 0] : [0, 1];
  facts.requestCells.push({
    ...of,
    shareBp,
    candidateBad: candidate * bad,
    controlBad: control * bad,
    candidateRequests: candidate * requests,
    controlRequests: control * requests,
  });
  facts.samples.push({ ...of, shareBp, candidate: candidate * requests, control: control * requests });
  if (arm === 'control' && bucket !== undefined) facts.buckets.push({ ...of, bucket, bad, requests });
};

const addValues = (
  facts: Facts,
  { signal, target, model, values = [] }: Counted,
  { exposure, arm }: Place,
  binning: Binning,
): void => {
  const { rollout, shareBp } = exposure;
  for (const [value, count] of values) {
    const bin = binOf(value, binning);
    if (bin === undefined || count === 0) continue;
    const [candidate, control] = arm === 'candidate' ? [count, 0] : [0, count];
    facts.valueCells.push({ rollout, signal, target, model, shareBp, value: bin, candidate, control });
  }
};
