import type { AppConfigClient } from '@aws-sdk/client-appconfig';
import { capabilitiesOf, type AppConfigSettings } from '#libs/contracts';
import type { Clock, JsonObject } from '#libs/kernel';
import {
  differentRuleset,
  PlatformDriver,
  superseded,
  unservable,
  type Capabilities,
  type Observation,
  type Outcome,
  type TargetRuleset,
} from '../driver.js';
import { parseRuleset } from '../parse-ruleset.js';
import { AppConfigStore, type AppConfigSdk, type Deployed, type Look } from './appconfig-store.js';
import { outcomeOfAws } from './outcomes.js';

/** What an alarm or a person took back is not deployed again at once. */
const REST_MS = 300_000;
const OTHERS_MS = 2_000;

export type AppConfigDriverOptions = {
  readonly settingsOf: (target: string) => AppConfigSettings;
  readonly clock: Clock;
  /** How long one call may take, in milliseconds. Default 10 s. */
  readonly timeoutMs?: number;
};

type Work = {
  readonly target: string;
  readonly text: string;
  readonly generation: number;
  readonly store: AppConfigStore;
};

/**
 * Delivers through AWS AppConfig: the ruleset is a hosted configuration version with the generation in its label, and one
 * deployment gives it to all readers. Both writes are compare-and-set, so what was decided on an old look is refused.
 * Credentials come from the vendor's usual chain.
 */
export class AppConfigDriver extends PlatformDriver {
  #sdk: Promise<AppConfigSdk> | undefined;
  readonly #stores = new Map<string, { readonly key: string; readonly store: AppConfigStore }>();

  constructor(private readonly options: AppConfigDriverOptions) {
    super();
  }

  capabilities(target: string): Capabilities {
    return capabilitiesOf({ driver: 'aws-appconfig', settings: this.options.settingsOf(target) });
  }

  async apply(target: string, ruleset: JsonObject, generation: number): Promise<Outcome> {
    const text = JSON.stringify(ruleset);
    const refusal = unservable(target, text, generation, this.capabilities(target).roomBytes);
    if (refusal !== undefined) return refusal;
    try {
      const store = await this.#storeOf(target);
      return await this.#bring({ target, text, generation, store }, await store.look());
    } catch (error) {
      return outcomeOfAws(target, generation, error);
    }
  }

  async #bring(work: Work, look: Look): Promise<Outcome> {
    const { target, text, generation, store } = work;
    const { running, current } = look;
    const held = Math.max(current?.generation ?? 0, running?.isOurs === true ? running.generation : 0);
    if (held > generation) return superseded(target, generation, held);
    if (running?.isOurs === true && running.generation === generation)
      return this.#same(work, running, { kind: 'in-progress', generation });
    if (current?.generation === generation) return this.#same(work, current, { kind: 'applied', generation });
    const rest = this.#rest(work, look);
    if (rest !== undefined) return rest;
    if (running !== undefined) {
      if (!running.isOurs || !running.canStop) return busy(target, running);
      await store.stop(running.number);
    }
    const version = await store.versionFor(generation, text);
    const isComplete = await store.start(version, generation, look.latest);
    if (isComplete === 'too-late') {
      const message = `A newer generation was deployed first in the AppConfig environment of target ${target}, so ${generation} was taken back.`;
      return { kind: 'conflict', reason: 'concurrent', current: null, message };
    }
    return { kind: isComplete ? 'applied' : 'in-progress', generation };
  }

  async #same({ target, text, generation, store }: Work, { version }: Deployed, same: Outcome): Promise<Outcome> {
    return (await store.content(version)) === text ? same : differentRuleset(target, generation);
  }

  #rest({ target, generation }: Work, { takenBack }: Look): Outcome | undefined {
    if (takenBack?.generation !== generation) return undefined;
    const leftMs = (takenBack.endedAt ?? 0) + REST_MS - this.options.clock.now();
    if (leftMs <= 0) return undefined;
    const message = `Deployment ${takenBack.number} of generation ${generation} of target ${target} was taken back in AWS AppConfig, by an alarm of the environment or a person: it is tried again in ${Math.ceil(leftMs / 1_000)} s.`;
    return { kind: 'rejected', message };
  }

  async read(target: string): Promise<TargetRuleset | undefined> {
    const store = await this.#storeOf(target);
    const { current } = await store.look();
    if (current === undefined) return undefined;
    return { generation: current.generation, ruleset: parseRuleset(await store.content(current.version)) };
  }

  /** Readers of AppConfig say nothing to it of what they have. */
  observe(): Promise<Observation> {
    return Promise.resolve({ instances: [], silent: [] });
  }

  async #storeOf(target: string): Promise<AppConfigStore> {
    const sdk = await (this.#sdk ??= import('@aws-sdk/client-appconfig'));
    const settings = this.options.settingsOf(target);
    const key = JSON.stringify(settings);
    const kept = this.#stores.get(target);
    if (kept?.key === key) return kept.store;
    const store = new AppConfigStore(sdk, this.#client(sdk, settings), settings);
    this.#stores.set(target, { key, store });
    return store;
  }

  /** Nothing is tried again within a call: what was not answered is read first. */
  #client(sdk: AppConfigSdk, { region, endpoint, awsProfile }: AppConfigSettings): AppConfigClient {
    const { timeoutMs = 10_000 } = this.options;
    return new sdk.AppConfigClient({
      region,
      maxAttempts: 1,
      requestHandler: { connectionTimeout: timeoutMs, requestTimeout: timeoutMs, throwOnRequestTimeout: true },
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(awsProfile === undefined ? {} : { profile: awsProfile }),
    });
  }
}

const busy = (target: string, { number, isOurs }: { readonly number: number; readonly isOurs: boolean }): Outcome => ({
  kind: 'throttled',
  retryAfterMs: OTHERS_MS,
  message: `Deployment ${number} ${isOurs ? 'is being rolled back' : 'of another profile is under way'} in the AppConfig environment of target ${target}, which takes one at a time: it is tried again when that has ended.`,
});
