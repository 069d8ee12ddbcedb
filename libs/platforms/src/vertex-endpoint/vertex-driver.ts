import { capabilitiesOf, type VertexSettings } from '#libs/contracts';
import { sameJson, type JsonObject } from '#libs/kernel';
import {
  differentRuleset,
  superseded,
  unservable,
  type Capabilities,
  type Outcome,
  type TargetRuleset,
} from '../driver.js';
import { GoogleDriver, type GoogleDriverOptions } from '../google/google-driver.js';
import { splitOf, type TrafficSplit } from './traffic-split.js';

const LABEL = 'headgate-generation';

export type VertexDriverOptions = GoogleDriverOptions<VertexSettings>;

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
export class VertexDriver extends GoogleDriver<VertexSettings> {
  constructor(options: VertexDriverOptions) {
    super('Vertex AI', options);
  }

  capabilities(target: string): Capabilities {
    return capabilitiesOf({ driver: 'vertex-endpoint', settings: this.settingsOf(target) });
  }

  /** The split of its one config; `{}` where the ruleset means none. */
  override heldForm(target: string, ruleset: JsonObject): JsonObject {
    const settings = this.settingsOf(target);
    const meant = splitOf(ruleset, settings);
    return 'split' in meant ? formOf(settings.config, meant.split) : {};
  }

  protected refusalOf(target: string, ruleset: JsonObject, generation: number): Outcome | undefined {
    const refusal = unservable(target, JSON.stringify(ruleset), generation, this.capabilities(target).roomBytes);
    if (refusal !== undefined) return refusal;
    const meant = splitOf(ruleset, this.settingsOf(target));
    return 'fault' in meant
      ? { kind: 'rejected', message: `Generation ${generation} of target ${target}: ${meant.fault}.` }
      : undefined;
  }

  protected async bring(target: string, ruleset: JsonObject, generation: number): Promise<Outcome> {
    const meant = splitOf(ruleset, this.settingsOf(target));
    if ('fault' in meant) throw new Error(meant.fault);
    const endpoint = await this.#read(target);
    const held = generationOf(endpoint);
    if (held > generation) return superseded(target, generation, held);
    if (held === generation)
      return sameJson(withoutZeros(endpoint.trafficSplit), meant.split)
        ? { kind: 'applied', generation }
        : differentRuleset(target, generation);
    await this.#write(target, endpoint, meant.split, generation);
    return { kind: 'applied', generation };
  }

  async #write(target: string, { labels, etag }: Endpoint, trafficSplit: TrafficSplit, generation: number) {
    const url = this.#url(target);
    url.searchParams.set('updateMask', 'trafficSplit,labels');
    const body = { trafficSplit, labels: { ...labels, [LABEL]: String(generation) }, etag };
    await this.call(target, 'PATCH', url, body);
  }

  async #read(target: string): Promise<Endpoint> {
    const read = await this.call(target, 'GET', this.#url(target));
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
    return { generation, ruleset: formOf(this.settingsOf(target).config, split) };
  }

  #url(target: string): URL {
    const { project, location, endpointId } = this.settingsOf(target);
    const path = `projects/${project}/locations/${location}/endpoints/${encodeURIComponent(endpointId)}`;
    return this.address(target, `https://${location}-aiplatform.googleapis.com`, path);
  }
}

const formOf = (config: string, trafficSplit: TrafficSplit): JsonObject => ({ flags: { [config]: { trafficSplit } } });
