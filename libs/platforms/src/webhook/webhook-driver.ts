import { createHash } from 'node:crypto';
import { capabilitiesOf, type WebhookSettings } from '#libs/contracts';
import type { Clock, JsonObject } from '#libs/kernel';
import {
  differentRuleset,
  PlatformDriver,
  superseded,
  unservable,
  type Capabilities,
  type Environment,
  type Observation,
  type Outcome,
  type TargetRuleset,
} from '../driver.js';
import { parseRuleset } from '../parse-ruleset.js';
import { signed } from './sign.js';

const GENERATION = 'headgate-generation';
const MOST_WORDS = 200;
const MOST_BYTES = 8 * 1024 * 1024;

export type WebhookDriverOptions = {
  readonly settingsOf: (target: string) => WebhookSettings;
  readonly clock: Clock;
  /** Where the secrets are. */
  readonly environment: Environment;
  /** How long one call may take, in milliseconds. Default 10 s. */
  readonly timeoutMs?: number;
};

type Answer = { readonly status: number; readonly headers: Headers; readonly text: string };

class SecretMissingError extends Error {
  override readonly name = 'SecretMissingError';
}

const generationIn = (text: string | null): number | null =>
  text !== null && /^\d+$/.test(text) ? Number(text) : null;

/** The id begins with the generation, and is signed: a receiver can trust it as far as it trusts the body. */
const idOf = (target: string, generation: number, text: string): string =>
  `${generation}-${createHash('sha256').update(`${target}\n${text}`).digest('hex').slice(0, 24)}`;

/**
 * Delivers by a signed PUT of the whole ruleset to anything that takes one. The receiver refuses what is older than it
 * holds (409, with its generation), and says on GET what that is.
 */
export class WebhookDriver extends PlatformDriver {
  constructor(private readonly options: WebhookDriverOptions) {
    super();
  }

  capabilities(target: string): Capabilities {
    return capabilitiesOf({ driver: 'webhook', settings: this.options.settingsOf(target) });
  }

  async apply(target: string, ruleset: JsonObject, generation: number): Promise<Outcome> {
    const text = JSON.stringify(ruleset);
    const refusal = unservable(target, text, generation, this.capabilities(target).roomBytes);
    if (refusal !== undefined) return refusal;
    try {
      const answer = await this.#send('PUT', target, generation, text);
      return outcomeOf(target, generation, answer);
    } catch (error) {
      const message = `Webhook, generation ${generation} of target ${target}: ${error instanceof Error ? error.message : String(error)}`;
      return { kind: error instanceof SecretMissingError ? 'denied' : 'unknown', message };
    }
  }

  async read(target: string): Promise<TargetRuleset | undefined> {
    if (!this.options.settingsOf(target).readBack)
      throw new Error(`The receiver of target ${target} does not say what it holds (readBack: false).`);
    const { status, headers, text } = await this.#send('GET', target, 0, '');
    if (status === 404 || status === 204) return undefined;
    const generation = generationIn(headers.get(GENERATION));
    if (status !== 200 || generation === null)
      throw new Error(
        `The receiver of target ${target} answered a GET with ${status}${generation === null ? ` and without ${GENERATION}` : ''}.`,
      );
    return { generation, ruleset: parseRuleset(text) };
  }

  /** A receiver says nothing of instances behind it; they may acknowledge to Headgate themselves. */
  observe(): Promise<Observation> {
    return Promise.resolve({ instances: [], silent: [] });
  }

  async #send(method: 'GET' | 'PUT', target: string, generation: number, text: string): Promise<Answer> {
    const { url, secretEnv } = this.options.settingsOf(target);
    const secrets = [secretEnv].flat().map((name) => this.#secret(name));
    const answer = await fetch(url, {
      method,
      headers: {
        ...signed(idOf(target, generation, text), this.options.clock.now(), text, secrets),
        'headgate-target': target,
        ...(method === 'PUT' ? { [GENERATION]: String(generation), 'content-type': 'application/json' } : {}),
      },
      ...(method === 'PUT' ? { body: text } : {}),
      redirect: 'manual',
      signal: AbortSignal.timeout(this.options.timeoutMs ?? 10_000),
    });
    const read = await answer.text();
    if (read.length > MOST_BYTES) throw new Error(`it answered with more than ${MOST_BYTES} bytes`);
    return { status: answer.status, headers: answer.headers, text: read };
  }

  #secret(name: string): string {
    const secret = this.options.environment[name];
    if (secret === undefined || secret === '') throw new SecretMissingError(`the variable ${name} is not set`);
    return secret;
  }
}

const outcomeOf = (target: string, generation: number, { status, headers, text }: Answer): Outcome => {
  const what = `Webhook, generation ${generation} of target ${target}: answered ${status}${text === '' ? '' : `: ${text.slice(0, MOST_WORDS)}`}`;
  if (status === 202) return { kind: 'in-progress', generation };
  if (status >= 200 && status < 300) return { kind: 'applied', generation };
  if (status === 409) {
    const current = generationIn(headers.get(GENERATION));
    if (current === generation) return differentRuleset(target, generation);
    if (current !== null && current > generation) return superseded(target, generation, current);
    return { kind: 'conflict', reason: 'concurrent', current, message: `${what}: it is tried again.` };
  }
  if (status === 429 || (status === 503 && headers.has('retry-after'))) {
    const seconds = Number(headers.get('retry-after') ?? Number.NaN);
    return { kind: 'throttled', retryAfterMs: Number.isFinite(seconds) ? seconds * 1_000 : null, message: what };
  }
  if (status === 401 || status === 403)
    return { kind: 'denied', message: `${what}. See that both sides have the secret.` };
  if (status >= 300 && status < 500)
    return { kind: 'rejected', message: `${what}. See the url in the target's settings.` };
  return { kind: 'unknown', message: what };
};
