import type { OutcomeBatch, OutcomeReceipt } from '#libs/contracts';
import { assess } from '../assess.js';
import type { ExposureLookup } from '../exposure.js';
import { digestOfBatch, IntakeClosedError, otherContent, OutcomeIntake, type Reporter } from '../intake.js';
import type { EvidenceRows } from './rows.js';

/** Counts outcomes in memory, for tests and simulations: each batch once, as `GroupCommitIntake` does. */
export class MemoryIntake extends OutcomeIntake {
  #closed = false;

  constructor(
    private readonly rows: EvidenceRows,
    private readonly exposures: ExposureLookup,
  ) {
    super();
  }

  override async submit(batch: OutcomeBatch, reporter: Reporter, now: number): Promise<OutcomeReceipt> {
    if (this.#closed) throw new IntakeClosedError();
    return this.take(batch, reporter, now);
  }

  /** The same without waiting. */
  take(batch: OutcomeBatch, reporter: Reporter, now: number): OutcomeReceipt {
    const id = batch.batch.toLowerCase();
    const { facts, rejected, acceptedWindows } = assess(batch, reporter.token, Math.round(now), this.exposures);
    const answer = { batch: id, acceptedWindows, rejected: [...rejected] };
    // Nothing of a batch of which nothing is left is written, so it can be sent again once the reason is mended.
    if (acceptedWindows === 0) return { ...answer, repeated: false };
    const known = this.rows.batches.get(id);
    if (known !== undefined && known() !== digestOfBatch(batch))
      return { batch: id, repeated: false, acceptedWindows: 0, rejected: [otherContent(id)] };
    if (known !== undefined) return { ...answer, repeated: true };
    this.rows.batches.set(id, () => digestOfBatch(batch));
    this.rows.add(facts);
    return { ...answer, repeated: false };
  }

  override async close(): Promise<void> {
    this.#closed = true;
  }
}
