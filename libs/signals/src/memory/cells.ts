import type { LookCell } from '../evidence-store.js';
import { LEAST_BUCKETS } from '../looks.js';
import type { InstanceRow, ValueRow } from './rollout-rows.js';

const compare = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

export const cellOfCounts = (cell: LookCell, dispersion: number | undefined): LookCell => {
  const { candidateBad, candidateRequests, controlBad, controlRequests, model, shareBp, signal, target } = cell;
  return {
    candidateBad,
    ...(candidateRequests === undefined ? {} : { candidateRequests }),
    controlBad,
    ...(controlRequests === undefined ? {} : { controlRequests }),
    ...(dispersion === undefined ? {} : { dispersion }),
    model,
    shareBp,
    signal,
    target,
  };
};

export const cellOfValues = ({ counts, model, shareBp, signal, target }: ValueRow): LookCell => {
  const bins = [...counts]
    .toSorted(([a], [b]) => a - b)
    .map(([value, { candidate, control }]) => [value, candidate, control] as const);
  return { bins, candidateBad: 0, controlBad: 0, model, shareBp, signal, target };
};

export const cellOfInstances = (row: InstanceRow): LookCell => {
  const { candidateBad, controlBad, drawn, model, shareBp, signal, target } = row;
  const instances = [...row.instances.values()]
    .toSorted((a, b) => compare(a.instance, b.instance) || compare(a.place, b.place))
    .map(({ instance, place, count, sum }) => [instance, place, count, sum] as const);
  return { candidateBad, controlBad, drawn, instances, model, shareBp, signal, target };
};

/** Pearson's statistic over its degrees of freedom; undefined where it says too little. */
export const dispersionOf = (
  buckets: readonly { readonly bad: number; readonly requests: number }[],
): number | undefined => {
  const counted = buckets.filter(({ requests }) => requests > 0);
  const requests = counted.reduce((sum, bucket) => sum + bucket.requests, 0);
  const rate = counted.reduce((sum, { bad }) => sum + bad, 0) / requests;
  if (counted.length < LEAST_BUCKETS || rate <= 0 || rate >= 1) return undefined;
  const terms = counted.map(({ bad, requests: n }) => (bad - n * rate) ** 2 / (n * rate * (1 - rate)));
  const spread = terms.reduce((sum, term) => sum + term, 0) / (counted.length - 1);
  return Math.round(Math.max(1, spread) * 100) / 100;
};
