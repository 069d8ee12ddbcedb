import type { ComparisonBatch, ComparisonReceipt } from '#libs/contracts';
import {
  assessComparisons,
  ComparisonIntake,
  digestOfComparisons,
  summed,
  type ComparisonLookup,
} from '../comparisons.js';
import { otherContent, type Reporter } from '../intake.js';
import type { EvidenceRows } from './rows.js';

/** Counts comparisons in memory, for tests and simulations: each batch once, as `PostgresComparisonIntake` does. */
export class MemoryComparisonIntake extends ComparisonIntake {
  constructor(
    private readonly rows: EvidenceRows,
    private readonly lookup: ComparisonLookup,
  ) {
    super();
  }

  override async submit(batch: ComparisonBatch, _reporter: Reporter, now: number): Promise<ComparisonReceipt> {
    const id = batch.batch.toLowerCase();
    const { facts, accepted, rejected } = assessComparisons(batch, Math.round(now), this.lookup);
    const receipt = { batch: id, repeated: false, accepted, rejected };
    if (accepted === 0) return receipt;
    const digest = digestOfComparisons(batch);
    const known = this.rows.batches.get(id);
    if (known !== undefined && known() !== digest) return { ...receipt, accepted: 0, rejected: [otherContent(id)] };
    if (known !== undefined) return { ...receipt, repeated: true };
    this.rows.batches.set(id, () => digest);
    this.rows.compared = summed([...this.rows.compared, ...facts]);
    return receipt;
  }
}
