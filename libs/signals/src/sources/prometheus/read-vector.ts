import { z } from 'zod';
import type { HttpAnswer } from '../http-json.js';

/** One series of an instant query. */
export type Series = { readonly labels: Readonly<Record<string, string>>; readonly value: number };

export type VectorAnswer =
  | { readonly kind: 'vector'; readonly series: readonly Series[] }
  /** `isEmpty`: there is no such series, as of a counter that never fired. */
  | { readonly kind: 'nothing'; readonly words: string; readonly isEmpty: boolean }
  | { readonly kind: 'failed'; readonly words: string };

const Vector = z.object({
  status: z.literal('success'),
  data: z.object({
    resultType: z.literal('vector'),
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});

const Failure = z.object({ status: z.literal('error'), errorType: z.string(), error: z.string() });
const OtherType = z.object({ status: z.literal('success'), data: z.object({ resultType: z.string() }) });

/** More series than this are a query that forgot to sum. */
export const MOST_SERIES = 5_000;
const MOST_WORDS = 200;

const failed = (words: string): VectorAnswer => ({ kind: 'failed', words });

const wordsOfStatus = (status: number): string => {
  if (status === 401 || status === 403) return `refuses the credentials (${status})`;
  if (status === 429) return 'asks for fewer requests (429)';
  return `answered ${status}`;
};

/**
 * Reads an answer of `/api/v1/query`. An empty vector is nothing, as is one with a value that is NaN or infinite; what is
 * no answer of Prometheus is a failure. Neither is ever zero.
 */
export const readVector = (what: string, answer: HttpAnswer): VectorAnswer => {
  if (answer.kind === 'failed') return failed(answer.words);
  const { status, body } = answer;
  const failure = Failure.safeParse(body);
  if (failure.success)
    return failed(`${what}: Prometheus says ${failure.data.errorType}: ${failure.data.error.slice(0, MOST_WORDS)}`);
  if (status !== 200) return failed(`Prometheus ${wordsOfStatus(status)}`);
  const read = Vector.safeParse(body);
  if (!read.success) {
    const other = OtherType.safeParse(body);
    return failed(
      other.success && other.data.data.resultType !== 'vector'
        ? `${what}: the query gives a ${other.data.data.resultType}, not an instant vector`
        : `${what}: the answer is not one of Prometheus`,
    );
  }
  const all = read.data.data.result;
  if (all.length > MOST_SERIES)
    return failed(
      `${what}: the query gives ${all.length} series, more than ${MOST_SERIES}: sum over what is not needed`,
    );
  if (all.length === 0) return { kind: 'nothing', words: `${what}: no series`, isEmpty: true };
  const series = all.map(({ metric, value: [, text] }): Series => ({
    labels: metric,
    value: text.trim() === '' ? Number.NaN : Number(text),
  }));
  // Left out it would count as nothing: a bad counter that is NaN is not one that never fired.
  const strange = all.find((_, index) => !Number.isFinite(series[index]?.value));
  return strange === undefined
    ? { kind: 'vector', series }
    : { kind: 'nothing', words: `${what}: ${strange.value[1].slice(0, 20)} is no count`, isEmpty: false };
};
