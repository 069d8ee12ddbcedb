import { createHash } from 'node:crypto';
import { capabilitiesOf, type ParameterManagerSettings } from '#libs/contracts';
import type { JsonObject } from '#libs/kernel';
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
import { GoogleError, GoogleRest, outcomeOfGoogle } from '../google/google-rest.js';
import { parseRuleset } from '../parse-ruleset.js';

const SERVICE = 'Parameter Manager';
const MOST_PAGES = 40;
/** Versions of Headgate that are kept; each one that is enabled costs. */
const KEPT = 20;
const PRUNED_AT_ONCE = 5;

const VERSION = /^headgate-(\d{16})$/;
const versionOf = (generation: number): string => `headgate-${String(generation).padStart(16, '0')}`;

export type ParameterManagerDriverOptions = {
  readonly settingsOf: (target: string) => ParameterManagerSettings;
  /** Where access tokens are that are not from Google's usual places. */
  readonly environment: Environment;
  /** How long one call may take, in milliseconds. Default 10 s. */
  readonly timeoutMs?: number;
};

type Listed = { readonly generation: number; readonly isEnabled: boolean };

/** A request that is sent twice is one request. */
const requestIdOf = (...words: readonly string[]): string => {
  const hex = createHash('sha256').update(words.join('\n')).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

const newestOf = (versions: readonly Listed[]): number =>
  Math.max(0, ...versions.filter(({ isEnabled }) => isEnabled).map(({ generation }) => generation));

/**
 * Delivers through Google's Parameter Manager: each generation is a version of its own, named by the generation, and
 * readers take the highest that is enabled. So an older one that arrives late stands behind the newer one.
 */
export class ParameterManagerDriver extends PlatformDriver {
  readonly #rest: GoogleRest;

  constructor(private readonly options: ParameterManagerDriverOptions) {
    super();
    this.#rest = new GoogleRest(options.environment, options.timeoutMs ?? 10_000);
  }

  capabilities(target: string): Capabilities {
    return capabilitiesOf({ driver: 'gcp-parameter-manager', settings: this.options.settingsOf(target) });
  }

  async apply(target: string, ruleset: JsonObject, generation: number): Promise<Outcome> {
    const text = JSON.stringify(ruleset);
    const refusal = unservable(target, text, generation, this.capabilities(target).roomBytes);
    if (refusal !== undefined) return refusal;
    try {
      const newest = newestOf(await this.#list(target));
      if (newest > generation) return superseded(target, generation, newest);
      if (newest === generation) return await this.#same(target, text, generation);
      await this.#create(target, text, generation);
      const versions = await this.#list(target);
      const now = newestOf(versions);
      if (now > generation) return superseded(target, generation, now);
      if (now < generation) return await this.#standing(target, generation);
      await this.#prune(target, versions);
      return await this.#same(target, text, generation);
    } catch (error) {
      return outcomeOfGoogle(SERVICE, target, generation, error);
    }
  }

  /** There was a version of this generation before: somebody disabled it. */
  #standing(target: string, generation: number): Promise<Outcome> {
    const message = `Version ${versionOf(generation)} of the parameter of target ${target} is disabled: enable it, or apply a newer generation.`;
    return Promise.resolve({ kind: 'conflict', reason: 'different-ruleset', current: generation, message });
  }

  async #same(target: string, text: string, generation: number): Promise<Outcome> {
    return (await this.#payload(target, generation)) === text
      ? { kind: 'applied', generation }
      : differentRuleset(target, generation);
  }

  async #create(target: string, text: string, generation: number): Promise<void> {
    const url = this.#url(target);
    url.searchParams.set('parameterVersionId', versionOf(generation));
    url.searchParams.set('requestId', requestIdOf(target, String(generation), text));
    const { accessTokenEnv } = this.options.settingsOf(target);
    const body = { payload: { data: Buffer.from(text).toString('base64') } };
    try {
      await this.#rest.call('POST', url, accessTokenEnv, body);
    } catch (error) {
      // By another controller, or by an attempt whose answer was lost.
      if (error instanceof GoogleError && error.status === 'ALREADY_EXISTS') return;
      throw error;
    }
  }

  async #list(target: string): Promise<readonly Listed[]> {
    const { accessTokenEnv } = this.options.settingsOf(target);
    const found: Listed[] = [];
    let token = '';
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const url = this.#url(target);
      url.searchParams.set('pageSize', '1000');
      if (token !== '') url.searchParams.set('pageToken', token);
      const { parameterVersions, nextPageToken } = await this.#rest.call('GET', url, accessTokenEnv);
      for (const each of (parameterVersions ?? []) as readonly JsonObject[]) {
        const digits = VERSION.exec(String(each['name']).split('/').at(-1) ?? '')?.[1];
        if (digits !== undefined) found.push({ generation: Number(digits), isEnabled: each['disabled'] !== true });
      }
      if (typeof nextPageToken !== 'string' || nextPageToken === '') break;
      token = nextPageToken;
    }
    return found;
  }

  async #payload(target: string, generation: number): Promise<string> {
    const { accessTokenEnv } = this.options.settingsOf(target);
    const url = this.#url(target, `/${versionOf(generation)}`);
    url.searchParams.set('view', 'FULL');
    const { payload } = await this.#rest.call('GET', url, accessTokenEnv);
    const data = (payload as JsonObject | undefined)?.['data'];
    return Buffer.from(typeof data === 'string' ? data : '', 'base64').toString('utf8');
  }

  /** What is long past is deleted; where that is not allowed, it stays. */
  async #prune(target: string, versions: readonly Listed[]): Promise<void> {
    const { accessTokenEnv } = this.options.settingsOf(target);
    const old = versions
      .map(({ generation }) => generation)
      .toSorted((a, b) => b - a)
      .slice(KEPT)
      .slice(-PRUNED_AT_ONCE);
    const remove = (generation: number): Promise<unknown> =>
      this.#rest.call('DELETE', this.#url(target, `/${versionOf(generation)}`), accessTokenEnv);
    await Promise.allSettled(old.map(remove));
  }

  async read(target: string): Promise<TargetRuleset | undefined> {
    const generation = newestOf(await this.#list(target));
    if (generation === 0) return undefined;
    return { generation, ruleset: parseRuleset(await this.#payload(target, generation)) };
  }

  /** Readers of Parameter Manager say nothing to it of what they have. */
  observe(): Promise<Observation> {
    return Promise.resolve({ instances: [], silent: [] });
  }

  #url(target: string, rest = ''): URL {
    const { endpoint, project, location, parameter } = this.options.settingsOf(target);
    const host =
      location === 'global'
        ? 'https://parametermanager.googleapis.com'
        : `https://parametermanager.${location}.rep.googleapis.com`;
    const base = (endpoint ?? host).replace(/\/+$/, '');
    return new URL(
      `${base}/v1/projects/${project}/locations/${location}/parameters/${encodeURIComponent(parameter)}/versions${rest}`,
    );
  }
}
