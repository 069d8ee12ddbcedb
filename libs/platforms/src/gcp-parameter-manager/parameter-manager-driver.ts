import { createHash } from 'node:crypto';
import { capabilitiesOf, type ParameterManagerSettings } from '#libs/contracts';
import type { JsonObject } from '#libs/kernel';
import {
  differentRuleset,
  superseded,
  unservable,
  type Capabilities,
  type Outcome,
  type TargetRuleset,
} from '../driver.js';
import { GoogleDriver, type GoogleDriverOptions } from '../google/google-driver.js';
import { GoogleError } from '../google/google-rest.js';
import { parseRuleset } from '../parse-ruleset.js';

const MOST_PAGES = 40;
/** Versions of Headgate that are kept; each one that is enabled costs. */
const KEPT = 20;
const PRUNED_AT_ONCE = 5;

const VERSION = /^headgate-(\d{16})$/;
const versionOf = (generation: number): string => `headgate-${String(generation).padStart(16, '0')}`;

export type ParameterManagerDriverOptions = GoogleDriverOptions<ParameterManagerSettings>;

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
export class ParameterManagerDriver extends GoogleDriver<ParameterManagerSettings> {
  constructor(options: ParameterManagerDriverOptions) {
    super('Parameter Manager', options);
  }

  capabilities(target: string): Capabilities {
    return capabilitiesOf({ driver: 'gcp-parameter-manager', settings: this.settingsOf(target) });
  }

  protected refusalOf(target: string, ruleset: JsonObject, generation: number): Outcome | undefined {
    return unservable(target, JSON.stringify(ruleset), generation, this.capabilities(target).roomBytes);
  }

  protected async bring(target: string, ruleset: JsonObject, generation: number): Promise<Outcome> {
    const text = JSON.stringify(ruleset);
    const newest = newestOf(await this.#list(target));
    if (newest > generation) return superseded(target, generation, newest);
    if (newest === generation) return this.#same(target, text, generation);
    await this.#create(target, text, generation);
    const versions = await this.#list(target);
    const now = newestOf(versions);
    if (now > generation) return superseded(target, generation, now);
    if (now < generation) return this.#standing(target, generation);
    await this.#prune(target, versions);
    return this.#same(target, text, generation);
  }

  /** There was a version of this generation before: somebody disabled it. */
  #standing(target: string, generation: number): Outcome {
    const message = `Version ${versionOf(generation)} of the parameter of target ${target} is disabled: enable it, or apply a newer generation.`;
    return { kind: 'conflict', reason: 'different-ruleset', current: generation, message };
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
    const body = { payload: { data: Buffer.from(text).toString('base64') } };
    try {
      await this.call(target, 'POST', url, body);
    } catch (error) {
      // By another controller, or by an attempt whose answer was lost.
      if (error instanceof GoogleError && error.status === 'ALREADY_EXISTS') return;
      throw error;
    }
  }

  async #list(target: string): Promise<readonly Listed[]> {
    const found: Listed[] = [];
    let token = '';
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const url = this.#url(target);
      url.searchParams.set('pageSize', '1000');
      if (token !== '') url.searchParams.set('pageToken', token);
      const { parameterVersions, nextPageToken } = await this.call(target, 'GET', url);
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
    const url = this.#url(target, `/${versionOf(generation)}`);
    url.searchParams.set('view', 'FULL');
    const { payload } = await this.call(target, 'GET', url);
    const data = (payload as JsonObject | undefined)?.['data'];
    return Buffer.from(typeof data === 'string' ? data : '', 'base64').toString('utf8');
  }

  /** What is long past is deleted; where that is not allowed, it stays. */
  async #prune(target: string, versions: readonly Listed[]): Promise<void> {
    const old = versions
      .map(({ generation }) => generation)
      .toSorted((a, b) => b - a)
      .slice(KEPT)
      .slice(-PRUNED_AT_ONCE);
    const remove = (generation: number): Promise<unknown> =>
      this.call(target, 'DELETE', this.#url(target, `/${versionOf(generation)}`));
    await Promise.allSettled(old.map(remove));
  }

  async read(target: string): Promise<TargetRuleset | undefined> {
    const generation = newestOf(await this.#list(target));
    if (generation === 0) return undefined;
    return { generation, ruleset: parseRuleset(await this.#payload(target, generation)) };
  }

  #url(target: string, rest = ''): URL {
    const { project, location, parameter } = this.settingsOf(target);
    const host =
      location === 'global'
        ? 'https://parametermanager.googleapis.com'
        : `https://parametermanager.${location}.rep.googleapis.com`;
    const path = `projects/${project}/locations/${location}/parameters/${encodeURIComponent(parameter)}/versions${rest}`;
    return this.address(target, host, path);
  }
}
