import { withDeadline } from './deadline.js';
/** What came of a request, in words that hold no secret. */
export type HttpAnswer =
  | { readonly kind: 'json'; readonly status: number; readonly body: unknown }
  | { readonly kind: 'failed'; readonly words: string };

export type HttpRequest = {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  readonly stop: AbortSignal;
};

/** An answer beyond this is not read to its end. */
export const MOST_ANSWER_BYTES = 16 * 1024 * 1024;

const causeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof AggregateError) return causeOf(cause.errors[0]);
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message;
};

const readWhole = async (response: Response): Promise<string | undefined> => {
  if (response.body === null) return '';
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop early closes the connection.
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > MOST_ANSWER_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** Sends one request. Redirects are not followed, as they would take the credentials along. Never throws. */
export const requestJson = async ({ url, timeoutMs, stop, ...request }: HttpRequest): Promise<HttpAnswer> => {
  const where = url.host;
  try {
    const { response, text } = await withDeadline(stop, timeoutMs, async (signal) => {
      const answer = await fetch(url, { ...request, signal, redirect: 'manual' });
      return { response: answer, text: await readWhole(answer) };
    });
    if (text === undefined)
      return { kind: 'failed', words: `${where} answered with more than ${MOST_ANSWER_BYTES / 1_048_576} MiB` };
    try {
      return { kind: 'json', status: response.status, body: JSON.parse(text) as unknown };
    } catch {
      return { kind: 'failed', words: `${where} answered ${response.status} with something that is not JSON` };
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError')
      return { kind: 'failed', words: `${where} did not answer within ${timeoutMs / 1_000} s` };
    return { kind: 'failed', words: `${where} cannot be asked: ${causeOf(error)}` };
  }
};
