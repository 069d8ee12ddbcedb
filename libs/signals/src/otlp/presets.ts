import type { BuiltIn, MetricPoints, OtlpSource } from '#libs/contracts';

/** Points of several metrics, or with one of several attributes, that are all meant. */
export type Selected = {
  readonly requests: readonly MetricPoints[];
  readonly bad: readonly MetricPoints[];
  readonly values: readonly MetricPoints[];
};

// Names of OpenTelemetry's semantic conventions for generative AI: of clients, and of servers of models.
const DURATION = ['gen_ai.client.operation.duration', 'gen_ai.server.request.duration'];
const FIRST_TOKEN = ['gen_ai.server.time_to_first_token', 'gen_ai.client.operation.time_to_first_chunk'];
const PER_TOKEN = ['gen_ai.server.time_per_output_token', 'gen_ai.client.operation.time_per_output_chunk'];
const USAGE = ['gen_ai.client.token.usage'];
/** Why an answer ended: by the conventions, and as the Claude SDKs call it. */
const FINISH = ['gen_ai.response.finish_reasons', 'anthropic.message.stop_reason'];

const all = (metrics: readonly string[], where: MetricPoints['where'] = {}): readonly MetricPoints[] =>
  metrics.map((metric) => ({ metric, where }));

const requests = (...bad: readonly MetricPoints['where'][]): Selected => ({
  requests: all(DURATION),
  bad: bad.flatMap((where) => all(DURATION, where)),
  values: [],
});

const values = (metrics: readonly string[], where: MetricPoints['where'] = {}): Selected => ({
  requests: [],
  bad: [],
  values: all(metrics, where),
});

/** Requests that ended for one of these reasons. */
const ended = (...reasons: readonly string[]): Selected =>
  requests(...FINISH.map((attribute) => ({ [attribute]: [...reasons] })));

const PRESETS: Readonly<Record<BuiltIn, Selected>> = {
  errors: requests({ 'error.type': '*' }),
  refusals: ended('refusal', 'content_filter'),
  truncations: ended('max_tokens', 'length'),
  'ended-turns': ended('end_turn', 'stop'),
  'tool-calls': ended('tool_use', 'tool_calls'),
  'stop-sequences': ended('stop_sequence'),
  latency: values(DURATION),
  'time-to-first-token': values(FIRST_TOKEN),
  'time-per-output-token': values(PER_TOKEN),
  'output-tokens': values(USAGE, { 'gen_ai.token.type': 'output' }),
};

const listed = (points: MetricPoints | undefined): readonly MetricPoints[] => (points === undefined ? [] : [points]);

/** What a source selects. A point that is meant twice is counted once. */
export const selectedBy = ({ builtIn, ...own }: OtlpSource): Selected =>
  builtIn === undefined
    ? { requests: listed(own.requests), bad: listed(own.bad), values: listed(own.values) }
    : PRESETS[builtIn];
