import { hash } from 'node:crypto';
import type { Labels, MetricPoints } from '#libs/contracts';
import { MOST_BUCKETS } from '../assess-counted.js';
import type { Counted } from '../counted.js';
import type { Fault } from '../place-faults.js';
import type { RegisteredSource } from '../signal-sources.js';
import type { Attributes, SentAttributes } from './model.js';
import { selectedBy } from './presets.js';

export type Role = 'requests' | 'bad' | 'values';

/** Where points of a signal belong, as their attributes say. One object for all that belong to the same place. */
export type Place = Pick<Counted, 'signal' | 'target' | 'arm' | 'bucket'> & {
  readonly id: string;
  /** Undefined where the attributes name none. */
  readonly model: string | undefined;
};

/** What a series is for one signal. */
export type Match = {
  readonly signal: string;
  readonly roles: readonly Role[];
  readonly scale: number;
  /** What stands for a bucket: the geometric mean of its bounds, or their arithmetic mean. */
  readonly isMean: boolean;
  readonly place: Place | Fault;
};

/** A time series that some signal selects. */
export type Series = {
  readonly key: string;
  readonly matches: readonly Match[];
  /** Whether some signal wants its values, and not only their number. */
  readonly wantsValues: boolean;
};

/** A resource, and the name under which what was seen of it is kept. */
export type KnownResource = { readonly source: string; readonly attributes: Attributes };

type Test = (attributes: Attributes, resource: Attributes) => boolean;
type Selector = {
  readonly signal: string;
  readonly labels: Required<Labels>;
  readonly scale: number;
  readonly isMean: boolean;
  readonly tests: readonly (readonly [role: Role, test: Test])[];
};

const DEFAULTS: Required<Labels> = {
  target: 'headgate.target',
  model: 'gen_ai.request.model',
  config: 'feature_flag.key',
  variant: 'feature_flag.result.variant',
  generation: 'feature_flag.version',
  bucket: 'headgate.bucket',
};
/** Series that are known by their bytes; beyond it all are read anew. */
const MOST_KNOWN = 200_000;
/** 96 bits: two of the 2,000 series of a resource are never taken for one. */
const KEY_LENGTH = 16;

export const hashOf = (...parts: readonly unknown[]): string =>
  hash('sha256', JSON.stringify(parts), 'base64url').slice(0, KEY_LENGTH);

/** In one order, whatever they were sent in. */
export const sorted = (attributes: Attributes): readonly unknown[] =>
  [...attributes].toSorted(([a], [b]) => (a < b ? -1 : 1));

/** An attribute of the point, or else of its resource. */
const attributeOf = (name: string, attributes: Attributes, resource: Attributes) =>
  attributes.get(name) ?? resource.get(name);

const testOf = ({ where }: MetricPoints): Test => {
  const wanted = Object.entries(where).map(([name, values]) => [name, [values].flat()] as const);
  return (attributes, resource) =>
    wanted.every(([name, values]) => {
      const value = attributeOf(name, attributes, resource);
      if (value === undefined) return false;
      return values.includes('*') || [value].flat().some((each) => values.includes(each));
    });
};

const textOf = (name: string, attributes: Attributes, resource: Attributes): string | undefined => {
  const value = attributeOf(name, attributes, resource);
  return typeof value === 'string' && value !== '' ? value : undefined;
};

const wholeNumber = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : Number.NaN);

const isFault = (place: Place | Fault): place is Fault => 'code' in place;

type Arm = Place['arm'];

const armOf = (
  text: (label: keyof Labels) => string | undefined,
  labels: Required<Labels>,
): { readonly arm: Arm } | Fault => {
  const [config, variant, version] = [text('config'), text('variant'), text('generation')];
  if (variant === undefined) return { arm: undefined };
  if (config === undefined) {
    const detail = `${labels.variant} is ${variant}, and ${labels.config} is missing: send the config that the variant is of, or no variant.`;
    return { code: 'no-config', detail };
  }
  const revision = wholeNumber(/^r(\d+)$/.exec(variant)?.[1] ?? '');
  if (Number.isNaN(revision)) {
    const detail = `${labels.variant} is ${variant}, and variants are r and a revision, such as r2: send the variant that the ruleset gave.`;
    return { code: 'not-a-variant', detail };
  }
  if (version === undefined) return { arm: { config, revision } };
  const generation = wholeNumber(version);
  if (!Number.isNaN(generation)) return { arm: { config, revision, generation } };
  const detail = `${labels.generation} is ${version}, and a generation is a whole number: send the version of the ruleset, or leave it out.`;
  return { code: 'not-a-generation', detail };
};

const placeOf = ({ signal, labels }: Selector, attributes: Attributes, resource: Attributes): Place | Fault => {
  const text = (label: keyof Labels) => textOf(labels[label], attributes, resource);
  const target = text('target');
  if (target === undefined) {
    const detail = `The attribute ${labels.target} is missing: send the target on the point or on its resource.`;
    return { code: 'no-target', detail };
  }
  const arm = armOf(text, labels);
  if ('code' in arm) return arm;
  const bucketText = text('bucket');
  const bucket = bucketText === undefined ? undefined : wholeNumber(bucketText);
  if (bucket !== undefined && !(bucket < MOST_BUCKETS)) {
    const detail = `${labels.bucket} is ${bucketText}, and buckets are numbered from 0 to ${MOST_BUCKETS - 1}.`;
    return { code: 'not-a-bucket', detail };
  }
  const place = { signal, target, model: text('model'), ...(arm.arm && { arm: arm.arm }), bucket };
  return { ...place, id: hashOf(place) };
};

const selectorOf = ({ signal, type, source }: RegisteredSource): readonly (readonly [string, Selector])[] => {
  if (source.type !== 'otlp') return [];
  const selected = selectedBy(source);
  const common = { signal, labels: { ...DEFAULTS, ...source.labels }, scale: source.scale, isMean: type === 'mean' };
  const roles = ['requests', 'bad', 'values'] as const;
  const metrics = new Set(roles.flatMap((role) => selected[role].map(({ metric }) => metric)));
  return [...metrics].map((metric) => {
    const tests = roles.flatMap((role) =>
      selected[role].filter((points) => points.metric === metric).map((points) => [role, testOf(points)] as const),
    );
    return [metric, { ...common, tests }] as const;
  });
};

/** Which points some signal asks for, and where they belong. Pure, but for what it remembers of its answers. */
export class Selections {
  readonly #selectors = new Map<string, Selector[]>();
  readonly #places = new Map<string, Place>();
  /** Token and resource as it was sent → the resource. */
  readonly #resources = new Map<string, KnownResource>();
  /** Resource, scope and metric → attributes → series; undefined where nothing selects it. */
  readonly #known = new Map<string, Map<string, Series | undefined>>();
  #size = 0;

  constructor(sources: readonly RegisteredSource[]) {
    for (const [metric, selector] of sources.flatMap(selectorOf)) {
      const selectors = this.#selectors.get(metric);
      if (selectors === undefined) this.#selectors.set(metric, [selector]);
      else selectors.push(selector);
    }
  }

  wants(metric: string): boolean {
    return this.#selectors.has(metric);
  }

  /** What is kept of a resource belongs to whoever sends it: another token cannot change it. */
  resourceOf(sent: SentAttributes, token: string): KnownResource {
    if (this.#size > MOST_KNOWN) this.#forget();
    const name = JSON.stringify([token, sent.id]);
    const known = this.#resources.get(name);
    if (known !== undefined) return known;
    const attributes = sent.read();
    const resource = { source: `otlp/${hashOf(token, sorted(attributes))}`, attributes };
    this.#resources.set(name, resource);
    this.#size += 1;
    return resource;
  }

  /** Gives the series of each of a metric's points; undefined for points that nothing selects. */
  seriesOf(resource: KnownResource, scope: string, metric: string): (attributes: SentAttributes) => Series | undefined {
    if (this.#size > MOST_KNOWN) this.#forget();
    const name = `${resource.source} ${scope} ${metric}`;
    const known = this.#known.get(name) ?? new Map<string, Series | undefined>();
    this.#known.set(name, known);
    return (attributes) => {
      const found = known.get(attributes.id);
      if (found !== undefined || known.has(attributes.id)) return found;
      const series = this.#read(resource, scope, metric, attributes.read());
      known.set(attributes.id, series);
      this.#size += 1;
      return series;
    };
  }

  #read(resource: KnownResource, scope: string, metric: string, attributes: Attributes): Series | undefined {
    const matches = (this.#selectors.get(metric) ?? []).flatMap((selector) => {
      const roles = selector.tests.filter(([, test]) => test(attributes, resource.attributes)).map(([role]) => role);
      return roles.length === 0 ? [] : [this.#match(selector, [...new Set(roles)], attributes, resource.attributes)];
    });
    if (matches.length === 0) return undefined;
    const wantsValues = matches.some(({ roles }) => roles.includes('values'));
    return { key: hashOf(scope, metric, sorted(attributes)), matches, wantsValues };
  }

  #match(selector: Selector, roles: readonly Role[], attributes: Attributes, resource: Attributes): Match {
    const { signal, scale, isMean } = selector;
    const place = placeOf(selector, attributes, resource);
    if (isFault(place)) return { signal, roles, scale, isMean, place };
    const same = this.#places.get(place.id) ?? place;
    this.#places.set(place.id, same);
    return { signal, roles, scale, isMean, place: same };
  }

  #forget(): void {
    this.#known.clear();
    this.#places.clear();
    this.#resources.clear();
    this.#size = 0;
  }
}
