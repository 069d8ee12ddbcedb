import { googleAnswer, googleBody, googleFailure } from '../google.js';
import {
  parametersOf,
  Refusal,
  route,
  routed,
  type EmulatedStore,
  type Failure,
  type StoreAnswer,
  type StoreRequest,
} from '../wire.js';

const ENDPOINTS = '/v1/projects/{project}/locations/{location}/endpoints';

const ROUTES = [
  route('POST', ENDPOINTS, 'CreateEndpoint'),
  route('GET', `${ENDPOINTS}/{endpoint}`, 'GetEndpoint'),
  route('PATCH', `${ENDPOINTS}/{endpoint}`, 'UpdateEndpoint'),
  route('POST', `${ENDPOINTS}/{endpoint}:deployModel`, 'DeployModel'),
  route('GET', '/v1/projects/{project}/locations/{location}/operations/{operation}', 'GetOperation'),
];

type Split = Readonly<Record<string, number>>;
type Endpoint = {
  readonly name: string;
  readonly displayName: string;
  trafficSplit: Split;
  labels: Readonly<Record<string, string>>;
  deployed: readonly string[];
  /** Grows with every change; it is what etags are made of. */
  change: number;
};
type Operation = { readonly name: string; readonly endAt: number; readonly response: unknown };
type Named = Readonly<Record<string, string>>;

const etagOf = ({ change }: Endpoint): string => `"AMEw9yM${change}"`;

const shown = (endpoint: Endpoint) => ({
  name: endpoint.name,
  displayName: endpoint.displayName,
  trafficSplit: endpoint.trafficSplit,
  labels: endpoint.labels,
  deployedModels: endpoint.deployed.map((id) => ({ id })),
  etag: etagOf(endpoint),
});

const checkSplit = (split: Split, deployed: readonly string[]): void => {
  const shares = Object.values(split);
  if (!shares.every((share) => Number.isInteger(share) && share >= 0 && share <= 100))
    throw new Refusal('INVALID_ARGUMENT', 'Traffic is split in whole percents from 0 to 100.');
  const sum = shares.reduce((total, share) => total + share, 0);
  if (shares.length > 0 && sum !== 100)
    throw new Refusal('INVALID_ARGUMENT', `The traffic split adds up to ${sum}, not to 100.`);
  const stranger = Object.keys(split).find((id) => !deployed.includes(id));
  if (stranger !== undefined)
    throw new Refusal('INVALID_ARGUMENT', `Model ${stranger} is not deployed to this endpoint.`);
};

/** Endpoints of Vertex AI: deployed models and the split of traffic between them, with etags and long operations. */
export class Vertex implements EmulatedStore {
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #operations = new Map<string, Operation>();

  constructor(
    private readonly now: () => number,
    /** How long an operation takes, in ms. */
    private readonly operationMs: () => number,
  ) {}

  operationOf(request: StoreRequest): string | undefined {
    return routed(ROUTES, request);
  }

  fail(fault: Failure): StoreAnswer {
    return googleFailure(fault);
  }

  answer(request: StoreRequest, operation: string): StoreAnswer {
    return googleAnswer(request, () => this.#handlers[operation]?.(parametersOf(ROUTES, operation, request), request));
  }

  createEndpoint(project: string, location: string, displayName: string, deployed: readonly string[]): string {
    const id = String(1_000 + this.#endpoints.size);
    const name = `projects/${project}/locations/${location}/endpoints/${id}`;
    this.#endpoints.set(name, { name, displayName, trafficSplit: {}, labels: {}, deployed, change: 1 });
    return id;
  }

  /** As somebody else would do it, without an etag. */
  setSplit(project: string, location: string, endpoint: string, trafficSplit: Split): void {
    const found = this.#of({ project, location, endpoint });
    checkSplit(trafficSplit, found.deployed);
    found.trafficSplit = trafficSplit;
    found.change += 1;
  }

  #of({ project = '', location = '', endpoint = '' }: Named): Endpoint {
    const name = `projects/${project}/locations/${location}/endpoints/${endpoint}`;
    const found = this.#endpoints.get(name);
    if (!found) throw new Refusal('NOT_FOUND', `Endpoint ${name} is not found.`);
    return found;
  }

  #operation({ project = '', location = '' }: Named, response: unknown): unknown {
    const id = String(1 + this.#operations.size);
    const name = `projects/${project}/locations/${location}/operations/${id}`;
    this.#operations.set(id, { name, endAt: this.now() + this.operationMs(), response });
    return { name };
  }

  #update(named: Named, { url, body }: StoreRequest): unknown {
    const endpoint = this.#of(named);
    const given = googleBody(body);
    const mask = (url.searchParams.get('updateMask') ?? '').split(',').filter((field) => field !== '');
    if (mask.length === 0) throw new Refusal('INVALID_ARGUMENT', 'updateMask is missing.');
    // Without an etag whatever is there is overwritten.
    if (given['etag'] !== undefined && given['etag'] !== etagOf(endpoint))
      throw new Refusal('ABORTED', `The etag is not that of the endpoint, ${etagOf(endpoint)}.`);
    if (mask.includes('trafficSplit') || mask.includes('traffic_split')) {
      const split = (given['trafficSplit'] ?? {}) as Split;
      checkSplit(split, endpoint.deployed);
      endpoint.trafficSplit = split;
    }
    if (mask.includes('labels')) endpoint.labels = (given['labels'] ?? {}) as Endpoint['labels'];
    endpoint.change += 1;
    return shown(endpoint);
  }

  readonly #handlers: Readonly<Record<string, (named: Named, request: StoreRequest) => unknown>> = {
    CreateEndpoint: (named, { body }) => {
      const { project = '', location = '' } = named;
      const endpoint = this.createEndpoint(project, location, String(googleBody(body)['displayName'] ?? ''), []);
      return this.#operation(named, shown(this.#of({ ...named, endpoint })));
    },
    GetEndpoint: (named) => shown(this.#of(named)),
    UpdateEndpoint: (named, request) => this.#update(named, request),
    DeployModel: (named, { body }) => {
      const endpoint = this.#of(named);
      const given = googleBody(body) as { deployedModel?: { id?: string }; trafficSplit?: Split };
      const id = given.deployedModel?.id ?? String(1 + endpoint.deployed.length);
      const deployed = [...endpoint.deployed, id];
      // The model that is being deployed is called 0 here.
      const split = Object.fromEntries(
        Object.entries(given.trafficSplit ?? {}).map(([model, share]) => [model === '0' ? id : model, share]),
      );
      checkSplit(split, deployed);
      endpoint.deployed = deployed;
      if (given.trafficSplit) endpoint.trafficSplit = split;
      endpoint.change += 1;
      return this.#operation(named, { deployedModel: { id } });
    },
    GetOperation: ({ operation = '' }) => {
      const found = this.#operations.get(operation);
      if (!found) throw new Refusal('NOT_FOUND', `Operation ${operation} is not found.`);
      const { name, endAt, response } = found;
      return this.now() < endAt ? { name, done: false } : { name, done: true, response };
    },
  };
}
