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

const MOST_BYTES = 1024 * 1024;
/** Of one project. */
const MOST_REQUESTS = 1_200;
const MINUTE_MS = 60_000;
const PARAMETERS = '/v1/projects/{project}/locations/{location}/parameters';
const VERSIONS = `${PARAMETERS}/{parameter}/versions`;

const ROUTES = [
  route('POST', PARAMETERS, 'CreateParameter'),
  route('GET', VERSIONS, 'ListParameterVersions'),
  route('POST', VERSIONS, 'CreateParameterVersion'),
  route('GET', `${VERSIONS}/{version}`, 'GetParameterVersion'),
  route('GET', `${VERSIONS}/{version}:render`, 'RenderParameterVersion'),
  route('PATCH', `${VERSIONS}/{version}`, 'UpdateParameterVersion'),
  route('DELETE', `${VERSIONS}/{version}`, 'DeleteParameterVersion'),
];

type Version = {
  readonly name: string;
  readonly data: string;
  readonly requestId: string | undefined;
  readonly createTime: string;
  disabled: boolean;
};
type Parameter = { readonly name: string; readonly format: string; readonly versions: Map<string, Version> };
type Named = Readonly<Record<string, string>>;

const ID = /^[A-Za-z0-9_-]{1,63}$/;

const shown = ({ name, disabled, createTime }: Version) => ({ name, disabled, createTime, updateTime: createTime });

/** Google Parameter Manager: payloads never change, versions are enabled or disabled. */
export class ParameterManager implements EmulatedStore {
  readonly #parameters = new Map<string, Parameter>();
  /** Project → when its requests of the last minute came. */
  readonly #requests = new Map<string, number[]>();

  constructor(private readonly now: () => number) {}

  operationOf(request: StoreRequest): string | undefined {
    return routed(ROUTES, request);
  }

  fail(fault: Failure): StoreAnswer {
    return googleFailure(fault);
  }

  answer(request: StoreRequest, operation: string): StoreAnswer {
    return googleAnswer(request, () => {
      const named = parametersOf(ROUTES, operation, request);
      this.#count(named['project'] ?? '');
      return this.#handlers[operation]?.(named, request);
    });
  }

  /** Refuses what is beyond the quota of a project; what was refused does not count. */
  #count(project: string): void {
    const since = this.now() - MINUTE_MS;
    const lately = (this.#requests.get(project) ?? []).filter((at) => at > since);
    this.#requests.set(project, lately);
    if (lately.length >= MOST_REQUESTS)
      throw new Refusal('RESOURCE_EXHAUSTED', `${project} has made ${MOST_REQUESTS} requests within a minute.`);
    lately.push(this.now());
  }

  createParameter(project: string, location: string, id: string, format = 'JSON'): string {
    if (!ID.test(id)) throw new Refusal('INVALID_ARGUMENT', `${id} is no parameter id.`);
    const name = `projects/${project}/locations/${location}/parameters/${id}`;
    if (this.#parameters.has(name)) throw new Refusal('ALREADY_EXISTS', `Resource '${name}' already exists.`);
    this.#parameters.set(name, { name, format, versions: new Map() });
    return name;
  }

  /** As somebody else would do it: the enabled versions of a parameter are disabled. */
  disableAll(name: string): void {
    for (const version of this.#parameter(name).versions.values()) version.disabled = true;
  }

  #parameter(name: string): Parameter {
    const parameter = this.#parameters.get(name);
    if (!parameter) throw new Refusal('NOT_FOUND', `Resource '${name}' was not found.`);
    return parameter;
  }

  #of({ project = '', location = '', parameter = '' }: Named): Parameter {
    return this.#parameter(`projects/${project}/locations/${location}/parameters/${parameter}`);
  }

  #version(named: Named): Version {
    const { name, versions } = this.#of(named);
    const version = versions.get(named['version'] ?? '');
    if (!version) throw new Refusal('NOT_FOUND', `Resource '${name}/versions/${named['version']}' was not found.`);
    return version;
  }

  #create(named: Named, { url, body }: StoreRequest): unknown {
    const { name, format, versions } = this.#of(named);
    const id = url.searchParams.get('parameterVersionId') ?? '';
    const requestId = url.searchParams.get('requestId') ?? undefined;
    const given = googleBody(body) as { readonly payload?: { readonly data?: string }; readonly disabled?: boolean };
    const data = given.payload?.data;
    if (!ID.test(id)) throw new Refusal('INVALID_ARGUMENT', 'parameterVersionId is missing or no id.');
    if (data === undefined) throw new Refusal('INVALID_ARGUMENT', 'payload.data is missing.');
    const text = Buffer.from(data, 'base64').toString('utf8');
    if (Buffer.byteLength(text) > MOST_BYTES) throw new Refusal('INVALID_ARGUMENT', 'The payload is above 1 MiB.');
    if (format === 'JSON') {
      try {
        JSON.parse(text);
      } catch {
        throw new Refusal('INVALID_ARGUMENT', 'The payload is not valid JSON.');
      }
    }
    const before = versions.get(id);
    if (before && requestId !== undefined && before.requestId === requestId) return shown(before);
    if (before) throw new Refusal('ALREADY_EXISTS', `Resource '${name}/versions/${id}' already exists.`);
    const createTime = new Date(this.now()).toISOString();
    const version = { name: `${name}/versions/${id}`, data, requestId, createTime, disabled: given.disabled === true };
    versions.set(id, version);
    return shown(version);
  }

  readonly #handlers: Readonly<Record<string, (named: Named, request: StoreRequest) => unknown>> = {
    CreateParameter: ({ project = '', location = '' }, { url, body }) => {
      const format = String(googleBody(body)['format'] ?? 'UNFORMATTED');
      const name = this.createParameter(project, location, url.searchParams.get('parameterId') ?? '', format);
      return { name, format };
    },
    ListParameterVersions: (named, { url }) => {
      const all = [...this.#of(named).versions.values()].map(shown);
      const size = Math.min(1_000, Number(url.searchParams.get('pageSize') ?? 100));
      const from = Number(url.searchParams.get('pageToken') ?? 0);
      const next = from + size < all.length ? { nextPageToken: String(from + size) } : {};
      return { parameterVersions: all.slice(from, from + size), ...next };
    },
    CreateParameterVersion: (named, request) => this.#create(named, request),
    GetParameterVersion: (named, { url }) => {
      const version = this.#version(named);
      const isFull = url.searchParams.get('view') !== 'BASIC';
      return isFull ? { ...shown(version), payload: { data: version.data } } : shown(version);
    },
    RenderParameterVersion: (named) => {
      const version = this.#version(named);
      if (version.disabled) throw new Refusal('FAILED_PRECONDITION', `'${version.name}' is disabled.`);
      return { parameterVersion: version.name, payload: { data: version.data }, renderedPayload: version.data };
    },
    UpdateParameterVersion: (named, { url, body }) => {
      const version = this.#version(named);
      if (url.searchParams.get('updateMask') !== 'disabled')
        throw new Refusal('INVALID_ARGUMENT', 'Only disabled can be updated: a payload never changes.');
      version.disabled = googleBody(body)['disabled'] === true;
      return shown(version);
    },
    DeleteParameterVersion: (named) => {
      this.#version(named);
      this.#of(named).versions.delete(named['version'] ?? '');
      return {};
    },
  };
}
