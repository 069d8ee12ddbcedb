import type { CloudMonitoringConnection, CloudMonitoringSignal } from '#libs/contracts';
import { SourceClient, type Answer, type Ask, type AskedSignal, type Span } from '../asked.js';
import { requestJson } from '../http-json.js';
import { secretOf, type Environment } from '../secrets.js';
import { signalPlan, type ListPlan, type SignalPlan } from './metric-plan.js';
import { readPage, type ListedPoint } from './read-list.js';
import { toReading } from './to-reading.js';
import { withDeadline } from '../deadline.js';

const GOOGLE = 'https://monitoring.googleapis.com';
const SCOPE = 'https://www.googleapis.com/auth/monitoring.read';
/** Pages of one question; more is an answer that never ends. */
const MOST_PAGES = 20;
const MOST_WORDS = 300;
/** Signals that are asked for at the same time. */
const AT_ONCE = 4;

type Job = {
  readonly signal: AskedSignal;
  readonly asked: CloudMonitoringSignal;
  readonly plan: SignalPlan;
  readonly windows: readonly Span[];
};

class ListError extends Error {
  override readonly name = 'ListError';
}

/** Rejects when the time is over, whatever becomes of the promise. */
const within = async <T>(promise: Promise<T>, stop: AbortSignal): Promise<T> => {
  let give: (() => void) | undefined;
  const late = new Promise<never>((_, reject) => {
    give = () => reject(new ListError('no access token of Google in time'));
    stop.addEventListener('abort', give, { once: true });
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    if (give) stop.removeEventListener('abort', give);
  }
};

const listsOf = (plan: SignalPlan): readonly ListPlan[] => {
  if (plan.kind === 'by-code') return [plan.counts];
  return plan.kind === 'rate' ? [plan.requests, plan.bad] : [plan.values];
};

const inWords = (error: unknown): string =>
  (error instanceof ListError
    ? error.message
    : `no access token of Google: ${error instanceof Error ? error.message : String(error)}`
  ).slice(0, MOST_WORDS);

/**
 * Asks Cloud Monitoring by timeSeries.list, for all windows of a signal that are due at once. Credentials come from the
 * usual places of Google's library, which is loaded with the first question.
 */
export class CloudMonitoringClient extends SourceClient {
  readonly #connection: CloudMonitoringConnection;
  readonly #environment: Environment;
  #auth: Promise<{ readonly getAccessToken: () => Promise<string | null | undefined> }> | undefined;

  constructor(connection: CloudMonitoringConnection, environment: Environment) {
    super();
    this.#connection = connection;
    this.#environment = environment;
  }

  async ask(asks: readonly Ask[], stop: AbortSignal): Promise<readonly Answer[]> {
    const jobs = asks.flatMap(({ signal, windows }): readonly Job[] => {
      if (signal.asked.type !== 'cloud-monitoring') return [];
      const plan = signalPlan(signal.asked);
      return plan ? [{ signal, asked: signal.asked, plan, windows }] : [];
    });
    const answers: Answer[] = [];
    for (let next = 0; next < jobs.length && !stop.aborted; next += AT_ONCE) {
      const batch = await Promise.all(jobs.slice(next, next + AT_ONCE).map((job) => this.#read(job, stop)));
      answers.push(...batch.flat());
      if (batch.flat().every(({ reading }) => reading.kind === 'failed')) break;
    }
    return answers;
  }

  close(): void {
    // Connections are kept by the process as a whole.
  }

  async #read({ signal, asked, plan, windows }: Job, stop: AbortSignal): Promise<readonly Answer[]> {
    const span = {
      from: Math.min(...windows.map(({ from }) => from)),
      until: Math.max(...windows.map(({ until }) => until)),
    };
    try {
      const { timeout } = this.#connection;
      const token = await withDeadline(stop, timeout, (signal) => within(this.#token(), signal));
      const lists = await Promise.all(
        listsOf(plan).map(async (list) => [list, await this.#list(list, span, asked.every, token, stop)] as const),
      );
      const listed = new Map(lists);
      return windows.map((window): Answer => ({
        signal: signal.signal,
        window,
        reading: toReading(signal, asked, plan, listed, window),
      }));
    } catch (error) {
      // What was not asked for stays due.
      return windows.slice(0, 1).map((window): Answer => ({
        signal: signal.signal,
        window,
        reading: { kind: 'failed', words: inWords(error) },
      }));
    }
  }

  async #token(): Promise<string> {
    const { accessTokenEnv, project } = this.#connection;
    if (accessTokenEnv !== undefined) {
      try {
        return secretOf(this.#environment, accessTokenEnv);
      } catch (error) {
        throw new ListError(error instanceof Error ? error.message : String(error), { cause: error });
      }
    }
    // Told the project, it does not ask Google for it, which takes another permission.
    const auth = await (this.#auth ??= import('google-auth-library').then(
      ({ GoogleAuth }) => new GoogleAuth({ scopes: [SCOPE], projectId: project }),
    ));
    const token = await auth.getAccessToken();
    if (token === null || token === undefined || token === '') throw new Error('the library gave none');
    return token;
  }

  async #list(
    { filter, groupBy }: ListPlan,
    { from, until }: Span,
    every: number,
    token: string,
    stop: AbortSignal,
  ): Promise<readonly ListedPoint[]> {
    const { endpoint = GOOGLE, project, timeout } = this.#connection;
    const points: ListedPoint[] = [];
    let page: string | undefined;
    for (let count = 0; count === 0 || page !== undefined; count += 1) {
      if (count === MOST_PAGES) throw new ListError(`Cloud Monitoring answers with more than ${MOST_PAGES} pages`);
      const url = new URL(`${endpoint.replace(/\/+$/, '')}/v3/projects/${encodeURIComponent(project)}/timeSeries`);
      url.search = new URLSearchParams([
        ['filter', filter],
        ['interval.startTime', new Date(from).toISOString()],
        ['interval.endTime', new Date(until).toISOString()],
        ['aggregation.alignmentPeriod', `${every / 1_000}s`],
        ['aggregation.perSeriesAligner', 'ALIGN_DELTA'],
        ['aggregation.crossSeriesReducer', 'REDUCE_SUM'],
        ...groupBy.map((label): [string, string] => ['aggregation.groupByFields', label]),
        ...(page === undefined ? [] : [['pageToken', page] as [string, string]]),
      ]).toString();
      const headers = { authorization: `Bearer ${token}`, accept: 'application/json' };
      const read = readPage(await requestJson({ url, method: 'GET', headers, timeoutMs: timeout, stop }));
      if (read.kind === 'failed') throw new ListError(read.words);
      points.push(...read.points);
      page = read.next;
    }
    return points;
  }
}
