import { assessCounted, type WholeFacts } from '../assess-counted.js';
import { CountedIntake, type CountedRefusal, type SourceState, type SourceStep } from '../counted.js';
import type { ExposureLookup } from '../exposure.js';
import type { EvidenceRows } from './rows.js';

/** Counts what sources say in memory, for tests and simulations, as `PostgresCountedIntake` does. */
export class MemoryCountedIntake extends CountedIntake {
  constructor(
    private readonly rows: EvidenceRows,
    private readonly exposures: ExposureLookup,
  ) {
    super();
  }

  override async advance<R>(
    source: string,
    step: (state: SourceState | undefined) => SourceStep<R>,
    now: number,
  ): Promise<{ readonly result: R; readonly refused: readonly CountedRefusal[] }> {
    const kept = this.rows.sources.get(source);
    const { state, counted, result } = step(kept === undefined ? undefined : JSON.parse(kept));
    const { facts, whole, refused } = assessCounted(counted, now, this.exposures);
    // As text, so that nobody goes on with what a step changes later.
    this.rows.sources.set(source, JSON.stringify(state));
    this.rows.add(facts);
    for (const each of whole) if (this.counts(each)) this.rows.add(each.facts);
    return { result, refused };
  }

  /** Whether what names no arm still counts. */
  protected counts({ rollout, signal }: WholeFacts): boolean {
    return !this.rows.of(rollout).toldArms.has(signal);
  }
}
