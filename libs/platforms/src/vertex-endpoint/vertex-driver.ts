import { capabilitiesOf, type VertexSettings } from '#libs/contracts';
import { sameJson, type JsonObject } from '#libs/kernel';
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
import { GoogleRest, outcomeOfGoogle } from '../google/google-rest.js';
import { splitOf, type TrafficSplit } from './traffic-split.js';

const SERVICE = 'Vertex AI';
const LABEL = 'headgate-generation';

export type VertexDriverOptions = {
  readonly settingsOf: (target: string) => VertexSettings;
  /** Where access tokens are that are not from Google's usual places. */
  readonly environment: Environment;
  /** How long one call may take, in milliseconds. Default 10 s. */
  readonly timeoutMs?: number;
};

type Endpoint = {
  readonly trafficSplit: TrafficSplit;
  readonly labels: Readonly<Record<string, string>>;
  readonly etag: string;
};

/** Models without traffic may be named or not. */
const withoutZeros = (split: TrafficSplit): TrafficSplit =>
  Object.fromEntries(Object.entries(split).filter(([, share]) => share > 0));

const generationOf = ({ labels }: Endpoint): number => {
  const label = labels[LABEL] ?? '';
  return /^[1-9]\d*$/.test(label) ? Number(label) : 0;
};

/**
 * Splits the traffic of a Vertex AI endpoint between deployed models, for one config of kind weights. The generation is a
 * label of the endpoint, and both change in one write that is compare-and-set on the etag.
 */
export class VertexDriver extends PlatformDriver {
  readonly #rest: GoogleRest;

  constructor(private readonly options: VertexDriverOptions) {
    super();
    this.#rest = new GoogleRest(options.environment, options.timeoutMs ?? 10_000);
  }

  capabilities(target: string): Capabilities {
    return capabilitiesOf({ driver: 'vertex-endpoint', settings: this.options.settingsOf(target) });
  }

  /** The split of its one config; `{}` where the ruleset means none. */
  override heldForm(target: string, ruleset: JsonObject): JsonObject {
    const settings = this.options.settingsOf(target);
    const meant = splitOf(ruleset, settings);
    return 'split' in meant ? formOf(settings.config, meant.split) : {};
  }

  async apply(target: string, ruleset: JsonObject, generation: number): Promise<Outcome> {
    const refusal = unservable(target, JSON.stringify(ruleset), generation, this.capabilities(target).roomBytes);
    if (refusal !== undefined) return refusal;
    const meant = splitOf(ruleset, this.options.settingsOf(target));
    if ('fault' in meant)
      return { kind: 'rejected', message: `Generation ${generation} of target ${target}: ${meant.fault}.` };
    try {
      const endpoint = await this.#read(target);
      const held = generationOf(endpoint);
      if (held > generation) return superseded(target, generation, held);
      if (held === generation)
        return sameJson(withoutZeros(endpoint.trafficSplit), meant.split)
          ? { kind: 'applied', generation }
          : differentRuleset(target, generation);
      await this.#write(target, endpoint, meant.split, generation);
      return { kind: 'applied', generation };
    } catch (error) {
      return outcomeOfGoogle(SERVICE, target, generation, error);
    }
  }

  async #write(target: string, { labels, etag }: Endpoint, trafficSplit: TrafficSplit, generation: number) {
    const url = this.#url(target);
    url.searchParams.set('updateMask', 'trafficSplit,labels');
    const body = { trafficSplit, labels: { ...labels, [LABEL]: String(generation) }, etag };
    await this.#rest.call('PATCH', url, this.options.settingsOf(target).accessTokenEnv, body);
  }

  async #read(target: string): Promise<Endpoint> {
    const { accessTokenEnv } = this.options.settingsOf(target);
    const read = await this.#rest.call('GET', this.#url(target), accessTokenEnv);
    return {
      trafficSplit: (read['trafficSplit'] ?? {}) as TrafficSplit,
      labels: (read['labels'] ?? {}) as Endpoint['labels'],
      etag: String(read['etag'] ?? ''),
    };
  }

  async read(target: string): Promise<TargetRuleset | undefined> {
    const endpoint = await this.#read(target);
    const split = withoutZeros(endpoint.trafficSplit);
    const generation = generationOf(endpoint);
    if (generation === 0 && Object.keys(split).length === 0) return undefined;
    return { generation, ruleset: formOf(this.options.settingsOf(target).config, split) };
  }

  /** The endpoint splits for everyone at once: no instance has a ruleset. */
  observe(): Promise<Observation> {
    return Promise.resolve({ instances: [], silent: [] });
  }

  #url(target: string): URL {
    const { endpoint, project, location, endpointId } = this.options.settingsOf(target);
    const base = (endpoint ?? `https://${location}-aiplatform.googleapis.com`).replace(/\/+$/, '');
    return new URL(`${base}/v1/projects/${project}/locations/${location}/endpoints/${encodeURIComponent(endpointId)}`);
  }
}

const formOf = (config: string, trafficSplit: TrafficSplit): JsonObject => ({ flags: { [config]: { trafficSplit } } });
