import type { CountedIntake } from '../counted.js';
import type { Answer, Ask, AskedSource, PointRefusal, SourceClient } from './asked.js';
import { sourceKey } from './source-states.js';
import { planSignal, readAskedState, takeAnswers, type AskedState } from './source-state.js';
import type { ModelsOf } from './count-points.js';
import { nextDue } from './windows.js';
import { withDeadline } from './deadline.js';

/** A source that nothing is due of, or that no signal names, is looked at again after this. */
const IDLE_MS = 15_000;
/** A source that cannot be asked is asked again after one second, then two, and at last after this. */
const LONGEST_REST_MS = 60_000;
/** All questions of one turn together; what is left is due the next time. */
const MOST_TURN_MS = 45_000;

export type Turn = {
  /** When the source is to be asked again, in epoch milliseconds. */
  readonly nextAt: number;
  /** Why it could not be asked; null when it could. */
  readonly error: string | null;
  readonly refused: readonly PointRefusal[];
};

/** Makes the client of a source as it is registered now. */
export type ClientFor = (source: AskedSource) => SourceClient;

export type PollerSetting = {
  readonly intake: CountedIntake;
  readonly clientFor: ClientFor;
  readonly models: ModelsOf;
  readonly now: () => number;
};

const restAfter = (failures: number): number => Math.min(LONGEST_REST_MS, 1_000 * 2 ** Math.min(failures, 6));

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const isMeasured = ({ reading }: Answer): boolean => reading.kind === 'measured';

/** The same failure for all that was to be asked. */
const failAll = (asks: readonly Ask[], error: unknown): readonly Answer[] =>
  asks.flatMap(({ signal, windows }) =>
    windows.slice(0, 1).map((window): Answer => ({
      signal: signal.signal,
      window,
      reading: { kind: 'failed', words: words(error) },
    })),
  );

/**
 * Asks one source for all windows that are due of its signals, and counts what it says. Any number of controllers may
 * do so at the same time: each window is counted by whoever comes first. What was under way when a process died is
 * asked for again.
 */
export class SourcePoller {
  readonly #setting: PollerSetting;
  readonly #stop = new AbortController();
  readonly #clients = new Map<string, { readonly made: string; readonly client: SourceClient }>();

  constructor(setting: PollerSetting) {
    this.#setting = setting;
  }

  /** `failures`: how often in a row it could not be asked before. Throws only when the database is away. */
  async turn(source: AskedSource, failures: number): Promise<Turn> {
    const { intake, models, now } = this.#setting;
    const { signals } = source;
    const began = now();
    if (signals.length === 0) return { nextAt: began + IDLE_MS, error: null, refused: [] };
    const key = sourceKey(source.source);
    const state = await this.#stateOf(key);
    const asks = signals
      .map((signal): Ask => ({ signal, windows: planSignal(state.signals[signal.signal], signal, began).due }))
      .filter(({ windows }) => windows.length > 0);
    const soonest = Math.min(began + IDLE_MS, ...signals.map(({ asked }) => nextDue(asked, began)));
    if (asks.length === 0) return { nextAt: soonest, error: null, refused: [] };
    const answers = await this.#ask(source, asks);
    // What a controller that is being stopped has cut off says nothing about the source.
    if (this.#stop.signal.aborted) return { nextAt: began, error: null, refused: [] };
    const { result, refused } = await intake.advance(
      key,
      (stored) => {
        // By the moment that was planned with: the windows of both are the same.
        const taken = takeAnswers(stored, { signals, answers, models, now: began });
        return { state: taken.state, counted: taken.counted, result: taken };
      },
      now(),
    );
    const { error } = result.state;
    const asked = asks.reduce((sum, { windows }) => sum + windows.length, 0);
    // Large answers are counted in several turns, so that others have theirs in between.
    if (error === null && answers.length > 0 && answers.length < asked && answers.every(isMeasured))
      return { nextAt: now(), error, refused: [...result.refused, ...refused] };
    const nextAt = error === null ? Math.max(soonest, now()) : Math.max(soonest, now() + restAfter(failures));
    return {
      nextAt: answers.length === 0 ? now() + restAfter(failures) : nextAt,
      error,
      refused: [...result.refused, ...refused],
    };
  }

  /** Cuts off what is under way. */
  close(): void {
    this.#stop.abort();
    for (const { client } of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  async #stateOf(key: string): Promise<AskedState> {
    const { intake, now } = this.#setting;
    const { result } = await intake.advance(
      key,
      (stored) => ({ state: stored ?? readAskedState(undefined), counted: [], result: stored }),
      now(),
    );
    return readAskedState(result);
  }

  async #ask(source: AskedSource, asks: readonly Ask[]): Promise<readonly Answer[]> {
    try {
      const client = this.#clientOf(source);
      return await withDeadline(this.#stop.signal, MOST_TURN_MS, (stop) => client.ask(asks, stop));
    } catch (error) {
      return failAll(asks, error);
    }
  }

  /** The client as long as the source stays as it is. */
  #clientOf(source: AskedSource): SourceClient {
    const made = JSON.stringify(source.connection);
    const known = this.#clients.get(source.source);
    if (known?.made === made) return known.client;
    known?.client.close();
    this.#clients.delete(source.source);
    const client = this.#setting.clientFor(source);
    this.#clients.set(source.source, { made, client });
    return client;
  }
}
