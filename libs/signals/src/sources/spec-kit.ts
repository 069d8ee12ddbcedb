import { CountedIntake, type Counted, type CountedRefusal, type SourceState, type SourceStep } from '../counted.js';
import { SourceStates, sourceKey } from './source-states.js';

/** Keeps states and what is counted in memory, for tests. Steps of one source come one after another. */
export class CountedInMemory extends CountedIntake {
  readonly counted: Counted[] = [];
  readonly #states = new Map<string, string>();

  advance<R>(
    source: string,
    step: (state: SourceState | undefined) => SourceStep<R>,
  ): Promise<{ readonly result: R; readonly refused: readonly CountedRefusal[] }> {
    const known = this.#states.get(source);
    const { state, counted, result } = step(known === undefined ? undefined : (JSON.parse(known) as SourceState));
    this.#states.set(source, JSON.stringify(state));
    this.counted.push(...counted);
    return Promise.resolve({ result, refused: [] });
  }

  stateOf(source: string): SourceState | undefined {
    const known = this.#states.get(source);
    return known === undefined ? undefined : (JSON.parse(known) as SourceState);
  }
}

/** Reads the states of an intake in memory. */
export class StatesInMemory extends SourceStates {
  readonly #intake: CountedInMemory;

  constructor(intake: CountedInMemory) {
    super();
    this.#intake = intake;
  }

  read(sources: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    const known = sources.map((source) => [source, this.#intake.stateOf(sourceKey(source))] as const);
    return Promise.resolve(new Map(known.filter(([, state]) => state !== undefined)));
  }
}
