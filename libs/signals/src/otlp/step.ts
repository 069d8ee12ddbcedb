import type { Counted, SourceStep } from '../counted.js';
import type { ExposureLookup } from '../exposure.js';
import { misplaced, type Fault } from '../place-faults.js';
import { Book, type Increase } from './book.js';
import { valueOf } from './buckets.js';
import type { Metric, Point } from './model.js';
import type { Match, Place, Series } from './selections.js';
import { Tell } from './tell.js';

/** A point that some signal selects. */
export type SelectedPoint = {
  readonly series: Series;
  readonly metric: Pick<Metric, 'name' | 'kind' | 'temporality' | 'isMonotonic'>;
  readonly point: Point;
};

/** What of the points was refused; and of each item that is counted, how many points it is made of. */
export type StepResult = { readonly refused: Tell; readonly weights: readonly number[] };

type Group = {
  readonly place: Place;
  readonly model: string;
  readonly values: Map<number, number>;
  readonly isOfValues: boolean;
  requests: number;
  bad: number;
  hasRequests: boolean;
  from: number;
  until: number;
  points: number;
};

const MAX_AHEAD_MS = 60_000;
/** Requests that turned bad later than they were counted: their window may be another one. */
const OWED_MS = 600_000;

const IN_THE_FUTURE: Fault = {
  code: 'in-the-future',
  detail: 'Its time is more than a minute from now: set the clock of whoever sends it.',
};

/** Since the point before it: no process serves as much, and one such number would outweigh all others for good. */
const MOST_AT_ONCE = 1_000_000_000;

const isFault = (of: object): of is Fault => 'code' in of;

const tooMuch = (count: number): Fault => ({
  code: 'too-much-at-once',
  detail: `It counts ${count} more than the point before it, and at most ${MOST_AT_ONCE} are believed: name a metric that counts requests.`,
});

const kindFault = ({ kind, temporality, isMonotonic }: SelectedPoint['metric']): Fault | undefined => {
  if (kind === 'gauge' || kind === 'summary') {
    const detail = `It is a ${kind}, of which nothing can be counted: send a counter or a histogram.`;
    return { code: `is-a-${kind}`, detail };
  }
  if (kind === 'sum' && !isMonotonic)
    return { code: 'not-monotonic', detail: 'It may go up and down: send a counter that only goes up.' };
  if (temporality !== 'unspecified') return undefined;
  return {
    code: 'no-temporality',
    detail: 'It does not say whether it is a delta or cumulative: set its temporality.',
  };
};

/** One request's points of one resource. */
class Step {
  readonly refused = new Tell();
  private readonly groups = new Map<string, Group>();
  private readonly placed = new Map<string, string | Fault>();
  private lastMetric: SelectedPoint['metric'] | undefined;
  private lastFault: Fault | undefined;

  constructor(
    private readonly book: Book,
    private readonly now: number,
    private readonly lookup: ExposureLookup,
  ) {}

  take({ series, metric, point }: SelectedPoint): void {
    if (point.isGap || (point.kind === 'number' && Number.isNaN(point.value))) return;
    const fault = this.kindFault(metric) ?? this.timeFault(point);
    if (fault !== undefined) return this.refused.add(metric.name, fault);
    const misplacedAs = this.placeFault(series);
    // A point is refused once, whatever it is refused for; other signals may count it all the same.
    if (misplacedAs !== undefined) this.refused.add(metric.name, misplacedAs);
    if (misplacedAs !== undefined && !series.matches.some((match) => this.isPlaced(match))) return;
    const taken = this.book.take(series, metric, point, series.wantsValues);
    if (taken === 'nothing') return;
    if (isFault(taken)) return this.refused.add(metric.name, taken);
    if (taken.count > MOST_AT_ONCE) return this.refused.add(metric.name, tooMuch(taken.count));
    for (const match of series.matches)
      if (taken.signals.includes(match.signal) && this.isPlaced(match)) this.add(match, taken);
  }

  /** The same for all points of a metric. */
  private kindFault(metric: SelectedPoint['metric']): Fault | undefined {
    if (this.lastMetric !== metric) {
      this.lastMetric = metric;
      this.lastFault = kindFault(metric);
    }
    return this.lastFault;
  }

  private timeFault({ time }: Point): Fault | undefined {
    return time > (this.now + MAX_AHEAD_MS) * 1_000 ? IN_THE_FUTURE : undefined;
  }

  private placeFault({ matches }: Series): Fault | undefined {
    for (const { place } of matches) {
      const model = isFault(place) ? place : this.modelOf(place);
      if (typeof model === 'object') return model;
    }
    return undefined;
  }

  private isPlaced({ place }: Match): boolean {
    return !isFault(place) && typeof this.modelOf(place) === 'string';
  }

  /** The model of a place that exists. */
  private modelOf(place: Place): string | Fault {
    const known = this.placed.get(place.id);
    if (known !== undefined) return known;
    const found = place.model ?? this.lookup.onlyModel(place.target);
    const model =
      found === undefined ? this.noModel(place) : (misplaced({ ...place, model: found }, this.lookup) ?? found);
    this.placed.set(place.id, model);
    return model;
  }

  private noModel({ target, arm }: Place): Fault {
    const unknown = this.lookup.knowsTarget(target) ? undefined : misplaced({ target, model: '', arm }, this.lookup);
    const detail = `No attribute says which model it is of, and ${target} serves several: send it on the point or on its resource.`;
    return unknown ?? { code: 'no-model', detail };
  }

  private add({ roles, place, isMean, scale }: Match, { from, until, count, buckets }: Increase): void {
    if (isFault(place)) return;
    const group = this.groupOf(place, roles.includes('values'), from, until);
    if (roles.includes('requests')) {
      group.requests += count;
      group.hasRequests = true;
    }
    if (roles.includes('bad')) group.bad += count;
    if (!roles.includes('values')) return;
    for (const bucket of buckets) {
      const value = valueOf(bucket, isMean) * scale;
      group.values.set(value, (group.values.get(value) ?? 0) + bucket.count);
    }
  }

  private groupOf(place: Place, isOfValues: boolean, from: number, until: number): Group {
    const known = this.groups.get(place.id);
    if (known !== undefined) {
      known.from = Math.min(known.from, from);
      known.until = Math.max(known.until, until);
      known.points += 1;
      return known;
    }
    const model = this.modelOf(place);
    const group: Group = {
      place,
      model: typeof model === 'string' ? model : '',
      values: new Map(),
      isOfValues,
      requests: 0,
      bad: 0,
      hasRequests: false,
      from,
      until,
      points: 1,
    };
    this.groups.set(place.id, group);
    return group;
  }

  counted(): { readonly counted: readonly Counted[]; readonly weights: readonly number[] } {
    const counted: Counted[] = [];
    const weights: number[] = [];
    for (const group of this.groups.values()) {
      const item = this.itemOf(group);
      if (item === undefined) continue;
      counted.push(item);
      weights.push(group.points);
    }
    return { counted, weights };
  }

  /** Undefined where bad requests came whose requests have still to come. */
  private itemOf(group: Group): Counted | undefined {
    const { id, model: _, ...place } = group.place;
    const of = { ...place, model: group.model, from: group.from / 1_000, until: group.until / 1_000 };
    if (group.isOfValues) return { ...of, requests: 0, bad: 0, values: [...group.values] };
    const [owed, since] = this.book.owed.get(id) ?? [0, this.now];
    const isOld = this.now - since > OWED_MS;
    if (isOld && owed > 0) {
      const detail = `${owed} bad requests on ${place.target} had no requests for ten minutes: count the same requests in both.`;
      this.refused.add(place.signal, { code: 'more-bad-than-requests', detail });
    }
    const bad = group.bad + (isOld ? 0 : owed);
    const told = group.hasRequests ? Math.min(bad, group.requests) : 0;
    if (bad > told) this.book.owed.set(id, [bad - told, isOld ? this.now : since]);
    else this.book.owed.delete(id);
    return group.hasRequests ? { ...of, requests: group.requests, bad: told } : undefined;
  }
}

/**
 * What the points of one resource count, given what was kept of it. Pure. A window begins with the point before it, or
 * with the start of its delta. `now` in epoch ms.
 */
export const stepOf = (
  kept: unknown,
  points: readonly SelectedPoint[],
  now: number,
  lookup: ExposureLookup,
): SourceStep<StepResult> => {
  const book = new Book(kept, now);
  const step = new Step(book, now, lookup);
  for (const point of points) step.take(point);
  const { counted, weights } = step.counted();
  return { state: book.close(), counted, result: { refused: step.refused, weights } };
};
