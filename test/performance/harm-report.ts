import type { Run } from './harm-runs.js';
import type { FleetFindings, Sighting } from './harm-fleet.js';
import { requestsOf } from './harm-faults.js';
import type { Fault } from './harm-faults.js';
import { timesTold, unavoidableOf, type Exposed } from './harm-limit.js';
import { PLACES, PROBE, WINDOW_SECONDS } from './harm-setting.js';
import type { BenchContext, Figures } from './harness.js';
import { median, quantile, round } from './harness.js';

/** A bare ruleset, and when it was put where the sync server finds it (ms since 1970). */
export type Delivery = { readonly generation: number; readonly at: number };

/** Seconds that word takes from an instance to the controller, and rulesets back, while nothing else goes on. */
export type BareTimes = { readonly wordSeconds: readonly number[]; readonly deliveries: readonly Delivery[] };

type Measured = {
  readonly runs: readonly Run[];
  readonly bare: BareTimes;
  readonly findings: FleetFindings;
};

const ALPHA = 1e-3;

/** A fault of which less than so many times the limit's evidence was told is missed now and then by the best method. */
const SURELY = 3;

/** When instances of a target first evaluated with a generation or a newer one. */
class Sightings {
  readonly #byTarget = new Map<string, Map<string, Sighting[]>>();

  constructor(sightings: readonly Sighting[]) {
    for (const sighting of sightings) {
      const instances = this.#byTarget.get(sighting.target) ?? new Map<string, Sighting[]>();
      this.#byTarget.set(sighting.target, instances);
      const own = instances.get(sighting.instance) ?? [];
      instances.set(sighting.instance, own);
      own.push(sighting);
    }
  }

  #timesOf(target: string, generation: number): readonly number[] {
    const instances = [...(this.#byTarget.get(target)?.values() ?? [])];
    return instances.map(
      (own) => own.find((sighting) => sighting.generation >= generation)?.at ?? Number.POSITIVE_INFINITY,
    );
  }

  first(target: string, generation: number): number {
    return Math.min(...this.#timesOf(target, generation));
  }

  last(target: string, generation: number): number {
    return Math.max(...this.#timesOf(target, generation));
  }
}

/** Median seconds until the last instance had a bare ruleset. One that was overtaken by the next does not count. */
const deliverySecondsOf = (deliveries: readonly Delivery[], sightings: Sightings): readonly number[] =>
  deliveries
    .map(({ generation, at }) => (sightings.last(PROBE, generation) - at) / 1_000)
    .filter((seconds) => Number.isFinite(seconds));

type Found = {
  readonly fault: Fault;
  readonly end: 'by its signal' | 'by another signal' | 'not found';
  readonly served: number;
  readonly afterwards: number;
  /** Limit at the signal's part of alpha, and at the whole. */
  readonly own: number;
  readonly whole: number;
  /** Evidence alone, at the signal's part. */
  readonly evidence: number;
  /** How many times the limit's evidence at the whole alpha the exposures told up to the end. */
  readonly told: number;
  readonly seconds: number;
  readonly backSeconds: number;
};

const exposedOf = ({ fault, course }: Run, findings: FleetFindings, sightings: Sightings): readonly Exposed[] => {
  if (!fault) return [];
  const truth = findings.truth.faults[fault.name] ?? {};
  return PLACES.flatMap((place) => {
    const asks = course.asks.filter(({ target, purpose }) => target === place.target && purpose !== 'rollback');
    const begun = truth[place.target]?.firstExposedAt;
    if (asks.length === 0 || begun === undefined || begun === null) return [];
    const steps = asks.map(({ position, shareBp }) => ({
      at: sightings.first(place.target, position),
      share: shareBp / 10_000,
    }));
    const onset = begun + Number.parseInt(String(fault.how.from ?? '0'), 10);
    return [{ requestsPerSecond: requestsOf(fault.where, place), onset, steps }];
  });
};

const backAt = ({ course }: Run, sightings: Sightings): number =>
  Math.max(
    0,
    ...course.asks
      .filter(({ purpose }) => purpose === 'rollback')
      .map(({ target, position }) => sightings.last(target, position)),
  );

const foundOf = (run: Run, findings: FleetFindings, sightings: Sightings, travelSeconds: number): Found | undefined => {
  const { fault, course } = run;
  if (!fault) return undefined;
  const truths = Object.values(findings.truth.faults[fault.name] ?? {});
  const exposed = exposedOf(run, findings, sightings);
  const logBound = course.failed?.signal === fault.signal ? course.failed.logBound : Number.NaN;
  const ownAlpha = fault.shown.isInvariant || Number.isNaN(logBound) ? ALPHA : Math.exp(-logBound);
  const whole = unavoidableOf(fault.shown, exposed, { alpha: ALPHA, travelSeconds });
  const own = unavoidableOf(fault.shown, exposed, { alpha: ownAlpha, travelSeconds });
  if (!whole || !own) return undefined;
  const onset = Math.min(...exposed.map((each) => each.onset));
  const other = course.failed ? 'by another signal' : 'not found';
  return {
    fault,
    end: course.failed?.signal === fault.signal ? 'by its signal' : other,
    served: truths.reduce((sum, { badOnCandidate }) => sum + badOnCandidate, 0),
    afterwards: truths.reduce((sum, { badAfterRollback }) => sum + badAfterRollback, 0),
    own: own.evidence + own.travel,
    whole: whole.evidence + whole.travel,
    evidence: own.evidence,
    told: timesTold(fault.shown, exposed, ALPHA),
    seconds: ((course.failed?.at ?? Number.NaN) - onset) / 1_000,
    backSeconds: (backAt(run, sightings) - (course.failed?.at ?? Number.NaN)) / 1_000,
  };
};

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

const howOf = ({ how, where, signal }: Fault): string => {
  const { labels = {}, models = [] } = where;
  const slice = [...Object.values(labels), ...models].join(' ') || 'everywhere';
  const size =
    how.ratio === undefined ? `+${round(Number(how.rate) * Number(how.units ?? 1) * 100)}%` : `x${round(how.ratio)}`;
  const late = Number.parseInt(String(how.from ?? '0'), 10);
  return `${signal} ${size}, ${slice}${how.sticky ? ', sticky' : ''}${late > 0 ? `, after ${round(late / 1_000)} s` : ''}`;
};

const printFaults = (say: (line: string) => void, found: readonly Found[]): void => {
  say(`  ${'fault'.padEnd(62)} served  own limit  whole  after onset  back in`);
  for (const each of found.toSorted((a, b) => b.served / b.own - a.served / a.own)) {
    const numbers = [each.served.toFixed(0), each.own.toFixed(1), each.whole.toFixed(1)];
    const times = Number.isNaN(each.seconds)
      ? [each.end, `${each.told.toFixed(1)}x told`]
      : [`${each.seconds.toFixed(1)} s`, `${each.backSeconds.toFixed(2)} s`];
    const [served = '', own = '', whole = ''] = numbers;
    say(
      `  ${`${each.fault.name}: ${howOf(each.fault)}`.slice(0, 76).padEnd(62)} ${served.padStart(6)} ${own.padStart(10)} ${whole.padStart(6)} ${(times[0] ?? '').padStart(12)} ${(times[1] ?? '').padStart(8)}${each.end === 'by another signal' ? ' (by another signal)' : ''}`,
    );
  }
};

/** Prints what was found, and gives the figures. */
export const harmReport = (context: BenchContext, { runs, bare, findings }: Measured): Figures => {
  const { say } = context;
  const sightings = new Sightings(findings.sightings);
  const delivery = deliverySecondsOf(bare.deliveries, sightings);
  const deliverySeconds = median(delivery);
  const wordSeconds = WINDOW_SECONDS / 2 + median(bare.wordSeconds);
  const travelSeconds = wordSeconds + deliverySeconds;
  const faulty = runs.filter(({ fault }) => fault !== undefined);
  const found = faulty.flatMap((run) => foundOf(run, findings, sightings, travelSeconds) ?? []);
  const missed = found.filter(({ end }) => end === 'not found');
  const harmless = runs.filter(({ fault }) => fault === undefined);
  const settled = harmless.filter(({ course, late }) => course.end === 'settled' && !late);
  printFaults(say, found);
  const overOwn = found.map(({ served, own }) => served / own);
  const served = sum(found.map((each) => each.served));
  const ratio = served / sum(found.map(({ own }) => own));
  const whole = served / sum(found.map((each) => each.whole));
  const evidence = sum(found.map((each) => each.evidence)) / sum(found.map(({ own }) => own));
  const backSeconds = found.map((each) => each.backSeconds).filter((seconds) => Number.isFinite(seconds));
  say(
    `  ${findings.requests} requests; word of an answer takes at least ${round(wordSeconds)} s (it took ${round(findings.reportSeconds)} s while all went on), a bare ruleset ${round(deliverySeconds)} s until all have it (${delivery.length} times; 95%: ${round(quantile(delivery, 0.95))} s)`,
  );
  say(
    `  ${found.length} faults: ${served} extra bad answers, ${round(ratio)} times those that no method avoids (${round(whole)} at the whole alpha); by fault median ${round(median(overOwn))}, worst ${round(Math.max(...overOwn))}; ${round(evidence * 100)}% of what is unavoidable is evidence; ${sum(found.map(({ afterwards }) => afterwards))} more by sticky sessions afterwards`,
  );
  say(
    `  from the verdict until the last instance was back: median ${round(median(backSeconds))} s, 95% ${round(quantile(backSeconds, 0.95))} s`,
  );
  say(
    `  ${settled.length} of ${harmless.length} harmless rollouts settled with no human, in ${round(median(settled.map(({ seconds }) => seconds)))} s (median)`,
  );
  for (const { course, late, rollout } of harmless.filter((run) => !settled.includes(run)))
    say(`    not ${rollout}: ${late ? 'not over in time' : (course.failed?.sentence ?? course.end)}`);
  if (findings.lost > 0) say(`  ${findings.lost} outcomes were lost or refused; the last: ${findings.lastProblem}`);
  return {
    ratio: round(ratio),
    ratioWholeAlpha: round(whole),
    unattended: round(settled.length / harmless.length, 4),
    lost: findings.lost,
    median: round(median(overOwn)),
    worst: round(Math.max(...overOwn)),
    served,
    unavoidable: round(sum(found.map(({ own }) => own)), 5),
    afterwards: sum(found.map((each) => each.afterwards)),
    faults: found.length,
    never: faulty.length - found.length,
    notFound: missed.filter(({ told }) => told >= SURELY).length,
    tooLittleTold: missed.filter(({ told }) => told < SURELY).length,
    byAnother: found.filter(({ end }) => end === 'by another signal').length,
    harmless: harmless.length,
    reportSeconds: round(findings.reportSeconds),
    wordSeconds: round(wordSeconds),
    deliverySeconds: round(deliverySeconds),
    backSeconds: round(median(backSeconds)),
    rows: found.map(({ fault, ...each }) => ({
      fault: fault.name,
      how: howOf(fault),
      end: each.end,
      served: each.served,
      own: round(each.own),
      whole: round(each.whole),
      seconds: round(each.seconds),
      backSeconds: round(each.backSeconds),
    })),
  };
};
