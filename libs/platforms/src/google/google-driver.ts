import type { JsonObject } from '#libs/kernel';
import { PlatformDriver, type Environment, type Observation, type Outcome } from '../driver.js';
import { GoogleRest, outcomeOfGoogle } from './google-rest.js';

export type GoogleDriverOptions<Settings> = {
  readonly settingsOf: (target: string) => Settings;
  /** Where access tokens are that are not from Google's usual places. */
  readonly environment: Environment;
  /** How long one call may take, in milliseconds. Default 10 s. */
  readonly timeoutMs?: number;
};

/** Where the service of a target is: at Google's own host, unless settings name another one. */
type Placed = { readonly endpoint?: string | undefined; readonly accessTokenEnv?: string | undefined };

/** What drivers of Google's services have in common: calls with the target's token, and what their errors mean. */
export abstract class GoogleDriver<Settings extends Placed> extends PlatformDriver {
  protected readonly settingsOf: (target: string) => Settings;
  readonly #rest: GoogleRest;

  /** `service`: its name, as people are told it. */
  constructor(
    private readonly service: string,
    { settingsOf, environment, timeoutMs = 10_000 }: GoogleDriverOptions<Settings>,
  ) {
    super();
    this.settingsOf = settingsOf;
    this.#rest = new GoogleRest(environment, timeoutMs);
  }

  async apply(target: string, ruleset: JsonObject, generation: number): Promise<Outcome> {
    const refusal = this.refusalOf(target, ruleset, generation);
    if (refusal !== undefined) return refusal;
    try {
      return await this.bring(target, ruleset, generation);
    } catch (error) {
      return outcomeOfGoogle(this.service, target, generation, error);
    }
  }

  /** Why a ruleset can never be applied there; undefined when it can. */
  protected abstract refusalOf(target: string, ruleset: JsonObject, generation: number): Outcome | undefined;

  /** Applies a ruleset that is not refused; may throw what a call throws. */
  protected abstract bring(target: string, ruleset: JsonObject, generation: number): Promise<Outcome>;

  /** Nobody who reads there says what it has. */
  observe(): Promise<Observation> {
    return Promise.resolve({ instances: [], silent: [] });
  }

  /** Throws a GoogleError. */
  protected call(
    target: string,
    method: Parameters<GoogleRest['call']>[0],
    url: URL,
    body?: JsonObject,
  ): Promise<JsonObject> {
    return this.#rest.call(method, url, this.settingsOf(target).accessTokenEnv, body);
  }

  /** An address of the service that a target is in. */
  protected address(target: string, host: string, path: string): URL {
    return new URL(`${(this.settingsOf(target).endpoint ?? host).replace(/\/+$/, '')}/v1/${path}`);
  }
}
