import type { EventStore, ProcessManager } from '#libs/kernel';
import { UnknownEventError } from '#libs/kernel';
import { Alarm } from './alarm.js';
import type { ReaderHealth } from './health.js';
import { asError } from './health.js';
import type { ProcessStore } from './process-store.js';

export type ProcessRunnerOptions = {
  readonly manager: ProcessManager;
  readonly processes: ProcessStore;
  /** Rings when there is something new. */
  readonly store: Pick<EventStore, 'onCommit'>;
  /** Events per transaction. Default 500. */
  readonly pageSize?: number;
  /** How often to look without being rung, in milliseconds. Default 1000. */
  readonly pollMs?: number;
  /** Told once when it stops because of an unknown event. */
  readonly onStopped?: (error: UnknownEventError) => void;
  /** Told each time a step fails and will be tried again. */
  readonly onError?: (error: Error) => void;
};

export type ProcessRunner = {
  readonly health: () => ReaderHealth;
  /** Ends after the step that is on its way. */
  readonly stop: () => Promise<void>;
};

class Runner implements ProcessRunner {
  readonly #alarm = new Alarm();
  readonly #silence: () => void;
  readonly #running: Promise<void>;
  #state: ReaderHealth['state'] = 'running';
  #position = 0;
  #error: Error | undefined;
  #ending = false;

  constructor(private readonly options: ProcessRunnerOptions) {
    this.#silence = options.store.onCommit(() => this.#alarm.ring());
    this.#running = this.#run();
  }

  readonly health = (): ReaderHealth => {
    const base = { name: this.options.manager.name, state: this.#state, position: this.#position };
    return this.#error === undefined ? base : { ...base, error: this.#error.message };
  };

  readonly stop = async (): Promise<void> => {
    this.#ending = true;
    this.#alarm.ring();
    await this.#running;
  };

  async #run(): Promise<void> {
    const pollMs = this.options.pollMs ?? 1_000;
    while (!this.#ending) {
      const more = await this.#step();
      if (this.#error instanceof UnknownEventError) {
        this.options.onStopped?.(this.#error);
        break;
      }
      if (!more) await this.#alarm.wait(pollMs);
    }
    this.#state = 'stopped';
    this.#silence();
  }

  /** True when there may be more to do at once. */
  async #step(): Promise<boolean> {
    try {
      const result = await this.options.processes.step(this.options.manager, this.options.pageSize ?? 500);
      this.#state = 'running';
      this.#error = undefined;
      // Whoever is at it is rung for every commit as well; the poll covers its death.
      if (result.kind === 'busy') return false;
      this.#position = result.position;
      return result.events > 0;
    } catch (thrown) {
      this.#error = asError(thrown);
      this.#state = 'retrying';
      if (!(thrown instanceof UnknownEventError)) this.options.onError?.(this.#error);
      return false;
    }
  }
}

/**
 * Runs a process manager until `stop`: events become tasks, each exactly once over all controllers. It stops for good
 * at an event that this build does not know, and `health` then names it; any other failure is tried again.
 */
export const runProcessManager = (options: ProcessRunnerOptions): ProcessRunner => new Runner(options);
