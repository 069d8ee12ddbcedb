/** How a body is written. */
export type Format = 'json' | 'protobuf';

/** As text; of a list each entry. */
export type AttributeValue = string | readonly string[];
export type Attributes = ReadonlyMap<string, AttributeValue>;

/** Attributes that are read when they are needed. Equal ids are equal attributes, the other way round not always. */
export type SentAttributes = { readonly id: string; readonly read: () => Attributes };

type Sent = {
  readonly attributes: SentAttributes;
  /** Whole microseconds since 1970; 0 where it is not said. */
  readonly start: number;
  readonly time: number;
  /** The flag `no recorded value`: it stands for a gap. */
  readonly isGap: boolean;
};

export type NumberPoint = Sent & { readonly kind: 'number'; readonly value: number };
/** `counts` has one entry more than `bounds`, or none at all. */
export type HistogramPoint = Sent & {
  readonly kind: 'histogram';
  readonly count: number;
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
};
/** `counts[i]` is of values from base^(offset+i) to base^(offset+i+1), where base is 2^(2^-scale). */
export type ExponentialPoint = Sent & {
  readonly kind: 'exponential';
  readonly count: number;
  readonly scale: number;
  readonly zeroCount: number;
  readonly offset: number;
  readonly counts: readonly number[];
  readonly hasNegative: boolean;
};
/** Of a kind of which nothing can be counted. */
export type OtherPoint = Sent & { readonly kind: 'other' };
export type Point = NumberPoint | HistogramPoint | ExponentialPoint | OtherPoint;

export type Metric = {
  readonly name: string;
  readonly kind: 'gauge' | 'sum' | 'histogram' | 'exponential' | 'summary';
  readonly temporality: 'delta' | 'cumulative' | 'unspecified';
  readonly isMonotonic: boolean;
  readonly points: readonly Point[];
};

export type ResourceMetrics = {
  readonly resource: SentAttributes;
  readonly scopes: readonly { readonly scope: string; readonly metrics: readonly Metric[] }[];
};

export type LogRecord = {
  readonly eventName: string;
  readonly attributes: SentAttributes;
  readonly time: number;
  /** Tells this record from others like it. */
  readonly mark: string;
};
export type ResourceLogs = { readonly resource: SentAttributes; readonly records: readonly LogRecord[] };

/** Whether anything asks for a metric of this name: points of others are not even read. */
export type Wants = (metric: string) => boolean;

/** What was sent is not what its content type says. To send it again would not help. */
export class MalformedOtlpError extends Error {
  override readonly name = 'MalformedOtlpError';
}

/** Nanoseconds, which a number holds to 256 of them, as whole microseconds. */
export const micros = (nanos: number): number => Math.floor(nanos / 1_000);

export const TEMPORALITIES = ['unspecified', 'delta', 'cumulative'] as const;
/** Of the flags of a point: it was not recorded. */
export const NO_RECORDED_VALUE = 1;
