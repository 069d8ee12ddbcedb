import { AppConfig } from './appconfig/appconfig.js';
import { ParameterManager } from './parameter-manager/parameter-manager.js';
import { StoreScript, STORES, type Store, type StoreFault, type StoreFaultStep } from './script.js';
import { Vertex } from './vertex/vertex.js';
import type { EmulatedStore, StoreAnswer, StoreRequest } from './wire.js';

type Hold = {
  readonly service: Store;
  readonly operation: string;
  /** What waits: the request, or the answer to it. */
  readonly holds: 'request' | 'answer';
  go: (() => void) | undefined;
  isOver: boolean;
};

/** What becomes of a request: an answer, none ever, or a connection that breaks. */
export type StoreOutcome = StoreAnswer | 'hang' | 'cut';

/** AppConfig with AppConfig Data, Parameter Manager and Vertex endpoints, with an empty memory. */
export class Stores {
  readonly appConfig: AppConfig;
  readonly parameterManager: ParameterManager;
  readonly vertex: Vertex;
  /** How long deployments of AppConfig and operations of Vertex take from now on, in ms. */
  takesMs = 0;
  /** How long a second of a poll interval of AppConfig Data lasts, in ms: less, where fleets are played in fast motion. */
  pollSecondMs = 1_000;
  readonly #services: Readonly<Record<Store, EmulatedStore>>;
  readonly #script = new StoreScript();
  readonly #down = new Set<Store>();
  readonly #counts = new Map<string, number>();
  readonly #holds: Hold[] = [];

  constructor(now: () => number) {
    this.appConfig = new AppConfig(
      now,
      () => this.takesMs,
      () => this.pollSecondMs,
    );
    this.parameterManager = new ParameterManager(now);
    this.vertex = new Vertex(now, () => this.takesMs);
    const { appConfig, parameterManager, vertex } = this;
    this.#services = { appconfig: appConfig, 'parameter-manager': parameterManager, vertex };
  }

  /** What goes wrong from now on; takes the place of an earlier script. */
  play(script: readonly StoreFaultStep[]): void {
    this.#script.play(script);
  }

  /** A service that is down answers 503 to everything. */
  setDown(service: Store, isDown: boolean): void {
    if (isDown) this.#down.add(service);
    else this.#down.delete(service);
  }

  /** The next request of an operation waits, undone or done and unanswered, until the returned function is called. */
  hold(
    service: Store,
    operation: string,
    holds: Hold['holds'] = 'request',
  ): (() => void) & { readonly isWaiting: () => boolean } {
    const hold: Hold = { service, operation, holds, go: undefined, isOver: false };
    this.#holds.push(hold);
    const letGo = (): void => {
      hold.isOver = true;
      hold.go?.();
    };
    return Object.assign(letGo, { isWaiting: () => hold.go !== undefined });
  }

  /** How many requests of an operation, or of all, have come so far. */
  requests(service: Store, operation = '*'): number {
    return this.#counts.get(`${service} ${operation}`) ?? 0;
  }

  #count(service: Store, operation: string): void {
    for (const key of [`${service} ${operation}`, `${service} *`])
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** The service and the operation that a request is for; undefined where none of them has such a request. */
  meant(request: StoreRequest): { readonly service: Store; readonly operation: string } | undefined {
    for (const service of STORES) {
      const operation = this.#services[service].operationOf(request);
      if (operation !== undefined) return { service, operation };
    }
    return undefined;
  }

  async answer(
    { service, operation }: { readonly service: Store; readonly operation: string },
    request: StoreRequest,
  ): Promise<StoreOutcome> {
    const emulated = this.#services[service];
    this.#count(service, operation);
    const fault = this.#down.has(service) ? 'unavailable' : this.#script.next(service, operation);
    const held = this.#holds.find(
      (each) => !each.isOver && each.go === undefined && each.service === service && each.operation === operation,
    );
    const done =
      held?.holds === 'answer' ? this.#faulty(emulated, fault, () => emulated.answer(request, operation)) : undefined;
    if (held)
      await new Promise<void>((go) => {
        held.go = go;
      });
    return done ?? this.#faulty(emulated, fault, () => emulated.answer(request, operation));
  }

  #faulty(service: EmulatedStore, fault: StoreFault | undefined, answer: () => StoreAnswer): StoreOutcome {
    switch (fault) {
      case undefined:
        return answer();
      case 'timeout':
        return 'hang';
      case 'timeout-after':
        answer();
        return 'hang';
      case 'cut-off':
        return 'cut';
      case 'lost-answer':
        answer();
        return 'cut';
      case 'server-error-after':
        answer();
        return service.fail('server-error');
      case 'nonsense':
        return { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Sign in</html>' };
      default:
        return service.fail(fault);
    }
  }
}
