import { Delivery, type LiveView } from '#libs/application';
import { readSettings, type ReadSettings } from '#libs/contracts';
import type { Clock, JsonObject } from '#libs/kernel';
import {
  AppConfigDriver,
  ParameterManagerDriver,
  VertexDriver,
  WebhookDriver,
  type Environment,
  type Observation,
  type PlatformDriver,
  type PullDriver,
} from '#libs/platforms';
import { SharedReads } from './shared-reads.js';

type Foreign = Exclude<ReadSettings['driver'], 'pull'>;
type SettingsOf<D extends Foreign> = Extract<ReadSettings, { readonly driver: D }>['settings'];

/** Delivers to each target by the driver that it was registered with. */
export class TargetDrivers extends Delivery {
  readonly #view: LiveView;
  readonly #pull: PullDriver;
  readonly #reads = new SharedReads();
  /** Several events of one moment lead to the same generation: it is written elsewhere once. */
  readonly #applying = new Map<string, ReturnType<Delivery['apply']>>();
  readonly #foreign: Readonly<Record<Foreign, PlatformDriver>>;

  constructor(view: LiveView, pull: PullDriver, { clock, environment }: { clock: Clock; environment: Environment }) {
    super();
    this.#view = view;
    this.#pull = pull;
    const of =
      <D extends Foreign>(driver: D) =>
      (target: string): SettingsOf<D> =>
        this.#settings(target, driver);
    this.#foreign = {
      'aws-appconfig': new AppConfigDriver({ settingsOf: of('aws-appconfig'), clock }),
      'gcp-parameter-manager': new ParameterManagerDriver({ settingsOf: of('gcp-parameter-manager'), environment }),
      'vertex-endpoint': new VertexDriver({ settingsOf: of('vertex-endpoint'), environment }),
      webhook: new WebhookDriver({ settingsOf: of('webhook'), clock, environment }),
    };
  }

  async apply(target: string, ruleset: JsonObject, generation: number): ReturnType<Delivery['apply']> {
    const driver = this.#driverOf(target);
    if (driver === this.#pull) return driver.apply(target, ruleset, generation);
    const key = `${target}\u0000${generation}`;
    const under = this.#applying.get(key);
    if (under) return under;
    const applied = driver.apply(target, ruleset, generation).finally(() => {
      this.#applying.delete(key);
      this.#reads.forget(target);
    });
    this.#applying.set(key, applied);
    return applied;
  }

  read(target: string): ReturnType<Delivery['read']> {
    const driver = this.#driverOf(target);
    return driver === this.#pull ? driver.read(target) : this.#reads.read(target, () => driver.read(target));
  }

  /** Whoever reads from another platform may acknowledge to Headgate all the same. */
  observe(target: string): Promise<Observation> {
    const known = this.#view.fleet.targets.get(target);
    if (known === undefined || known.driver === 'pull') return this.#pull.observe(target);
    return this.#pull.heard(target, known.generation);
  }

  override heldForm(target: string, ruleset: JsonObject): JsonObject {
    return this.#driverOf(target).heldForm(target, ruleset);
  }

  #driverOf(target: string): PlatformDriver {
    const name = this.#view.fleet.targets.get(target)?.driver ?? 'pull';
    return name === 'pull' ? this.#pull : this.#foreign[name as Foreign];
  }

  #settings<D extends Foreign>(target: string, driver: D): SettingsOf<D> {
    const known = this.#view.fleet.targets.get(target);
    const read = readSettings(driver, known?.settings ?? {});
    return read.settings as SettingsOf<D>;
  }
}
