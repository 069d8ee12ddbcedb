import type { CloudMonitoringSignal, MonitoringMetric } from '#libs/contracts';
import { slicesOf } from '../slices.js';

/** One question of timeSeries.list: a metric of some models, put together by these labels. */
export type ListPlan = { readonly filter: string; readonly modelLabel: string; readonly groupBy: readonly string[] };

/** What the answers are put together to. `by-code`: requests by how they were answered. */
export type SignalPlan =
  | { readonly kind: 'by-code'; readonly counts: ListPlan; readonly bad: 'errors' | 'server-errors' | 'throttles' }
  | { readonly kind: 'rate'; readonly requests: ListPlan; readonly bad: ListPlan }
  | { readonly kind: 'values'; readonly values: ListPlan };

const PUBLISHER = 'aiplatform.googleapis.com/publisher/online_serving';
const RESOURCE = 'aiplatform.googleapis.com/PublisherModel';
const MODEL = 'resource.labels.model_user_id';
export const CODE = 'metric.labels.response_code';
export const CATEGORY = 'metric.labels.error_category';

const VALUES: Readonly<Record<string, { readonly metric: string; readonly where?: MonitoringMetric['where'] }>> = {
  latency: {
    metric: `${PUBLISHER}/model_invocation_latencies`,
    where: { 'metric.labels.latency_type': 'model' },
  },
  'time-to-first-token': { metric: `${PUBLISHER}/first_token_latencies` },
  'output-tokens': { metric: `${PUBLISHER}/tokens`, where: { 'metric.labels.type': 'output' } },
};

/** A string of a filter: what would end it is escaped. */
const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

const fits = (label: string, values: readonly string[]): string => {
  const [only = '', ...more] = values;
  return more.length === 0 ? `${label} = ${quoted(only)}` : `${label} = one_of(${values.map(quoted).join(', ')})`;
};

const listPlan = (
  { metric, resource, model, where }: MonitoringMetric,
  ids: readonly string[],
  groupBy: readonly string[] = [],
): ListPlan => ({
  filter: [
    fits('metric.type', [metric]),
    ...(resource === undefined ? [] : [fits('resource.type', [resource])]),
    fits(model, ids),
    ...Object.entries(where).map(([label, value]) => fits(label, typeof value === 'string' ? [value] : value)),
  ].join(' AND '),
  modelLabel: model,
  groupBy: [model, ...groupBy],
});

/** How a signal is asked for; `undefined` for one that no manifest can describe. */
export const signalPlan = (asked: CloudMonitoringSignal): SignalPlan | undefined => {
  const { builtIn, requests, bad, values } = asked;
  const ids = [...new Set(slicesOf(asked).map(({ id }) => id))];
  const publisher = { resource: RESOURCE, model: MODEL };
  if (builtIn === 'errors' || builtIn === 'server-errors' || builtIn === 'throttles') {
    const metric = { ...publisher, metric: `${PUBLISHER}/model_invocation_count`, where: {} };
    return { kind: 'by-code', counts: listPlan(metric, ids, [CODE, CATEGORY]), bad: builtIn };
  }
  if (builtIn !== undefined) {
    const { metric, where = {} } = VALUES[builtIn] ?? { metric: '' };
    return { kind: 'values', values: listPlan({ ...publisher, metric, where }, ids) };
  }
  if (values) return { kind: 'values', values: listPlan(values, ids) };
  return requests && bad ? { kind: 'rate', requests: listPlan(requests, ids), bad: listPlan(bad, ids) } : undefined;
};
