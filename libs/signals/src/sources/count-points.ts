import type { Counted } from '../counted.js';
import type { AskedSignal, Point, PointRefusal, Span } from './asked.js';
import { MOST_COUNT, WholeCounts, type Remainders } from './whole-counts.js';

/** Models that a target serves; undefined for a target that is not registered. */
export type ModelsOf = (target: string) => readonly string[] | undefined;

/**
 * Extrapolation makes the bad ones of a window a little more than the requests they are among. More than this is a
 * query that counts something else.
 */
const MOST_OVER = 1.1;

type Checked = { readonly counted: Counted } | { readonly refusal: PointRefusal } | 'no-traffic';

const REVISION = /^r([1-9]\d{0,8})$/;

type Arm = NonNullable<Counted['arm']>;

const armOf = (arm: NonNullable<Point['arm']>): Arm | string => {
  const revision = REVISION.exec(arm.variant)?.[1];
  if (revision === undefined) return `variant ${arm.variant} is not r and a number, such as r2`;
  if (arm.generation === undefined || arm.generation === '') return { config: arm.config, revision: Number(revision) };
  const generation = Number(arm.generation);
  return Number.isSafeInteger(generation) && generation > 0
    ? { config: arm.config, revision: Number(revision), generation }
    : `generation ${arm.generation} is not a whole number`;
};

const isCount = (count: number): boolean => Number.isFinite(count) && count >= 0 && count <= MOST_COUNT;

const faultOfCounts = ({ requests, bad, values }: Point): readonly [code: string, detail: string] | undefined => {
  const all = [requests, bad, ...(values ?? []).map(([, count]) => count)];
  if (!all.every(isCount)) return ['not-a-count', 'a count is negative, too large or no number'];
  if (bad > requests * MOST_OVER + 1)
    return ['more-bad-than-requests', `${bad} bad of ${requests} requests: both must count the same traffic`];
  if (values?.some(([value]) => !Number.isFinite(value))) return ['not-a-value', 'a value is no number'];
  return undefined;
};

const modelOf = ({ target, model }: Point, models: ModelsOf): string | readonly [code: string, detail: string] => {
  if (target === undefined || target === '')
    return ['no-target', 'no label says which target it is of: add one, or name the label in the manifest'];
  const served = models(target);
  if (served === undefined) return ['unknown-target', `target ${target} is not registered`];
  if (model !== undefined && model !== '') return model;
  const [only, ...others] = served;
  if (only !== undefined && others.length === 0) return only;
  return ['no-model', `no label says which of the models of ${target} it is: ${served.join(', ')}`];
};

const countOne = (signal: AskedSignal, window: Span, point: Point, models: ModelsOf, whole: WholeCounts): Checked => {
  const refuse = (code: string, detail: string): Checked => ({
    refusal: { where: `signal ${signal.signal}, series ${point.key}`, code, detail },
  });
  const model = modelOf(point, models);
  if (typeof model !== 'string') return refuse(...model);
  const fault = faultOfCounts(point);
  if (fault) return refuse(...fault);
  // Where nothing was served, nothing was measured.
  if (point.requests === 0 && point.bad === 0) return 'no-traffic';
  const arm = point.arm && armOf(point.arm);
  if (typeof arm === 'string') return refuse('not-a-revision', arm);
  const bucket = point.bucket === undefined ? undefined : Number(point.bucket);
  if (bucket !== undefined && !(Number.isSafeInteger(bucket) && bucket >= 0))
    return refuse('not-a-bucket', `bucket ${point.bucket} is not a whole number`);
  const values = point.values?.flatMap(([value, count]): readonly (readonly [number, number])[] => {
    const times = whole.take(`${point.key} =${value}`, count);
    return times === 0 ? [] : [[value, times]];
  });
  // A value may stand more than once; how many there are is what is asked later.
  const requests = values ? values.reduce((sum, [, count]) => sum + count, 0) : whole.take(point.key, point.requests);
  const bad = values ? 0 : whole.take(`${point.key} bad`, point.bad, requests);
  return {
    counted: {
      signal: signal.signal,
      target: point.target ?? '',
      model,
      ...(arm === undefined ? {} : { arm }),
      from: window.from,
      until: window.until,
      requests,
      bad,
      ...(values === undefined ? {} : { values }),
      ...(bucket === undefined ? {} : { bucket }),
    },
  };
};

/**
 * Turns what a source said of one window into whole counts, each series by itself: what is wrong is refused with a
 * reason and the rest is kept. Parts go on from `remainders` and what is left of them is given back.
 */
export const countPoints = (
  signal: AskedSignal,
  window: Span,
  points: readonly Point[],
  remainders: Remainders,
  models: ModelsOf,
): {
  readonly counted: readonly Counted[];
  readonly refused: readonly PointRefusal[];
  readonly remainders: Remainders;
} => {
  const whole = new WholeCounts(remainders, window.until);
  const checked = points.map((point) => countOne(signal, window, point, models, whole));
  return {
    counted: checked.flatMap((one) => (one !== 'no-traffic' && 'counted' in one ? [one.counted] : [])),
    refused: checked.flatMap((one) => (one !== 'no-traffic' && 'refusal' in one ? [one.refusal] : [])),
    remainders: whole.remainders(),
  };
};
