import type { JsonObject } from '#libs/kernel';
import type { Environment, Outcome } from '../driver.js';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const MOST_WORDS = 300;

/** An answer of Google that is no success, or none that can be read. */
export class GoogleError extends Error {
  override readonly name = 'GoogleError';

  constructor(
    /** As in ALREADY_EXISTS; undefined where nothing was answered that could be read. */
    readonly status: string | undefined,
    readonly http: number | undefined,
    message: string,
    readonly retryAfterMs: number | null,
    options?: ErrorOptions,
  ) {
    super(message.slice(0, MOST_WORDS), options);
  }
}

type Tokens = { readonly getAccessToken: () => Promise<string | null | undefined> };

const objectOf = (text: string): JsonObject | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
};

const retryAfterOf = (headers: Headers): number | null => {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds * 1_000 : null;
};

/**
 * Google's REST interfaces. The token is that of an environment variable where one is named, otherwise it comes from the
 * usual places of Google's library, which is loaded with the first call.
 */
export class GoogleRest {
  #tokens: Promise<Tokens> | undefined;

  constructor(
    private readonly environment: Environment,
    private readonly timeoutMs: number,
  ) {}

  /** Throws a GoogleError. */
  async call(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: URL,
    accessTokenEnv: string | undefined,
    body?: JsonObject,
  ): Promise<JsonObject> {
    const token = await this.#token(accessTokenEnv);
    let answer: Response;
    let text: string;
    try {
      answer = await fetch(url, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: AbortSignal.timeout(this.timeoutMs),
      });
      text = await answer.text();
    } catch (error) {
      throw new GoogleError(undefined, undefined, `no answer: ${String(error)}`, null, { cause: error });
    }
    const read = objectOf(text);
    if (answer.ok && read !== undefined) return read;
    const told = read?.['error'] as { readonly status?: string; readonly message?: string } | undefined;
    if (answer.ok) throw new GoogleError(undefined, answer.status, 'the answer is no JSON object', null);
    const status = told?.status;
    throw new GoogleError(status, answer.status, told?.message ?? 'no reason is given', retryAfterOf(answer.headers));
  }

  async #token(accessTokenEnv: string | undefined): Promise<string> {
    const refuse = (why: string, cause?: unknown): GoogleError =>
      new GoogleError('UNAUTHENTICATED', undefined, `no access token: ${why}`, null, { cause });
    if (accessTokenEnv !== undefined) {
      const token = this.environment[accessTokenEnv];
      if (token === undefined || token === '') throw refuse(`the variable ${accessTokenEnv} is not set`);
      return token;
    }
    try {
      const tokens = await (this.#tokens ??= import('google-auth-library').then(
        ({ GoogleAuth }): Tokens => new GoogleAuth({ scopes: [SCOPE] }),
      ));
      const token = await tokens.getAccessToken();
      if (token !== null && token !== undefined && token !== '') return token;
    } catch (error) {
      throw refuse(error instanceof Error ? error.message : String(error), error);
    }
    throw refuse('the library gave none');
  }
}

/** What an error of Google means for the apply in which it came. */
export const outcomeOfGoogle = (service: string, target: string, generation: number, error: unknown): Outcome => {
  const message = error instanceof Error ? error.message : String(error);
  const status = error instanceof GoogleError ? error.status : undefined;
  const http = error instanceof GoogleError ? error.http : undefined;
  const what = `${service}, generation ${generation} of target ${target}: ${status ?? http ?? 'failed'}: ${message}`;
  if (status === 'RESOURCE_EXHAUSTED' || http === 429)
    return { kind: 'throttled', retryAfterMs: error instanceof GoogleError ? error.retryAfterMs : null, message: what };
  if (status === 'UNAUTHENTICATED' || status === 'PERMISSION_DENIED' || http === 401 || http === 403)
    return { kind: 'denied', message: `${what}. See that the controller's credentials hold and may do it.` };
  if (status === 'ABORTED' || http === 409 || http === 412)
    return { kind: 'conflict', reason: 'concurrent', current: null, message: `${what}: it is tried again.` };
  if (http !== undefined && http >= 400 && http < 500)
    return { kind: 'rejected', message: `${what}. See the settings of the target and the project's quotas.` };
  return { kind: 'unknown', message: what };
};
