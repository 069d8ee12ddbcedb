/** A request as the vendors' clients send it. */
export type StoreRequest = {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
};

export type StoreAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

export const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): StoreAnswer => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

/** How a service may fail before it has done anything. */
export type Failure = 'throttled' | 'server-error' | 'unavailable' | 'expired-credentials' | 'forbidden';

/** A service as the emulator serves it. */
export type EmulatedStore = {
  /** What the request asks for, as a script of faults names it; undefined where the service has no such request. */
  readonly operationOf: (request: StoreRequest) => string | undefined;
  readonly answer: (request: StoreRequest, operation: string) => StoreAnswer;
  /** How the service says that something went wrong before it did anything. */
  readonly fail: (fault: Failure) => StoreAnswer;
};

/** What a rule of the service refuses; the service turns it into its own shape. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

type Route = { readonly method: string; readonly path: RegExp; readonly operation: string };

/** `/applications/{a}/environments` as a pattern with named groups. */
export const route = (method: string, template: string, operation: string): Route => ({
  method,
  path: new RegExp(`^${template.replaceAll('.', '\\.').replaceAll(/\{(\w+)\}/g, '(?<$1>[^/:]+)')}$`),
  operation,
});

export const routed = (routes: readonly Route[], { method, url }: StoreRequest): string | undefined =>
  routes.find((each) => each.method === method && each.path.test(url.pathname))?.operation;

export const parametersOf = (
  routes: readonly Route[],
  operation: string,
  { url }: StoreRequest,
): Readonly<Record<string, string>> => {
  const groups = routes.find((each) => each.operation === operation)?.path.exec(url.pathname)?.groups ?? {};
  return Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]));
};
