import type { PrometheusConnection, PrometheusSignal } from '#libs/contracts';
import { SourceClient, type Answer, type Ask, type AskedSignal, type Reading, type Span } from '../asked.js';
import { requestJson } from '../http-json.js';
import { MissingSecretError, secretOf, type Environment } from '../secrets.js';
import { readVector, type VectorAnswer } from './read-vector.js';
import { ratePoints, valuePoints } from './to-points.js';

/** Queries that are under way at the same time. */
const AT_ONCE = 4;
/** Series of one turn after which no more is asked: they are counted in one step, which must not take seconds. */
const ENOUGH_SERIES = 5_000;

type Job = { readonly signal: AskedSignal; readonly asked: PrometheusSignal; readonly window: Span };

/** The query of one window: `$window` is its length. */
export const queryOf = (query: string, { from, until }: Span): string =>
  query.replaceAll('$window', `${(until - from) / 1_000}s`);

const headersOf = ({ bearerTokenEnv, basicAuth, headers }: PrometheusConnection, environment: Environment) => {
  const own = { ...headers, accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' };
  if (bearerTokenEnv !== undefined) return { ...own, authorization: `Bearer ${secretOf(environment, bearerTokenEnv)}` };
  if (basicAuth === undefined) return own;
  const { usernameEnv, passwordEnv } = basicAuth;
  const pair = `${secretOf(environment, usernameEnv)}:${secretOf(environment, passwordEnv)}`;
  return { ...own, authorization: `Basic ${Buffer.from(pair, 'utf8').toString('base64')}` };
};

/**
 * Asks a Prometheus by instant queries at the end of each window. The oldest windows come first, and after a failure
 * nothing more is asked: a server that is in trouble is left alone until the next time. Large answers take several turns.
 */
export class PrometheusClient extends SourceClient {
  readonly #connection: PrometheusConnection;
  readonly #environment: Environment;
  readonly #address: URL;

  constructor(connection: PrometheusConnection, environment: Environment) {
    super();
    this.#connection = connection;
    this.#environment = environment;
    this.#address = new URL(`${connection.url.replace(/\/+$/, '')}/api/v1/query`);
  }

  async ask(asks: readonly Ask[], stop: AbortSignal): Promise<readonly Answer[]> {
    const jobs = asks
      .flatMap(({ signal, windows }) =>
        windows.flatMap((window): readonly Job[] =>
          signal.asked.type === 'prometheus' ? [{ signal, asked: signal.asked, window }] : [],
        ),
      )
      .toSorted((a, b) => a.window.until - b.window.until);
    const answers: Answer[] = [];
    let series = 0;
    for (let next = 0; next < jobs.length && series < ENOUGH_SERIES && !stop.aborted; next += AT_ONCE) {
      const batch = await Promise.all(
        jobs.slice(next, next + AT_ONCE).map(async (job): Promise<Answer> => {
          const reading = await this.#read(job, stop);
          return { signal: job.signal.signal, window: job.window, reading };
        }),
      );
      answers.push(...batch);
      for (const { reading } of batch) series += reading.kind === 'measured' ? reading.points.length : 0;
      if (batch.every(({ reading }) => reading.kind === 'failed')) break;
    }
    return answers;
  }

  close(): void {
    // Connections are kept by the process as a whole.
  }

  async #read({ signal, asked, window }: Job, stop: AbortSignal): Promise<Reading> {
    const query = (what: 'requests' | 'bad' | 'values', text: string): Promise<VectorAnswer> =>
      this.#query(`${what} of signal ${signal.signal}`, queryOf(text, window), window.until, stop);
    if (signal.type !== 'rate') {
      const values = await query('values', asked.values ?? '');
      if (values.kind !== 'vector') return values;
      return { kind: 'measured', ...valuePoints(signal.signal, signal.type, values.series, asked) };
    }
    const [requests, bad] = await Promise.all([query('requests', asked.requests ?? ''), query('bad', asked.bad ?? '')]);
    if (requests.kind !== 'vector') return requests;
    if (bad.kind === 'failed' || (bad.kind === 'nothing' && !bad.isEmpty)) return bad;
    const badSeries = bad.kind === 'vector' ? bad.series : [];
    return { kind: 'measured', ...ratePoints(signal.signal, requests.series, badSeries, asked.labels) };
  }

  async #query(what: string, query: string, atMs: number, stop: AbortSignal): Promise<VectorAnswer> {
    const { timeout } = this.#connection;
    try {
      const answer = await requestJson({
        url: this.#address,
        method: 'POST',
        headers: headersOf(this.#connection, this.#environment),
        body: new URLSearchParams({ query, time: String(atMs / 1_000), timeout: `${timeout}ms` }).toString(),
        timeoutMs: timeout,
        stop,
      });
      return readVector(what, answer);
    } catch (error) {
      if (error instanceof MissingSecretError) return { kind: 'failed', words: error.message };
      throw error;
    }
  }
}
