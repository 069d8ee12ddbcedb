import type { OutcomeBatch, OutcomeReceipt } from '#libs/contracts';
import type { Pool } from 'pg';
import type { Assessment } from './assess.js';
import { assess } from './assess.js';
import type { EvidenceBell } from './evidence-bell.js';
import type { ExposureLookup } from './exposure.js';
import type { BatchRow } from './flush.js';
import { noteBatches, writeTally } from './flush.js';
import type { Reporter } from './intake.js';
import { digestOfBatch, IntakeBusyError, IntakeClosedError, otherContent, OutcomeIntake } from './intake.js';
import { SeenUnits } from './seen-units.js';
import { inTransaction } from '#libs/postgres';
import { againOncePassed } from './sql.js';
import { Tally } from './tally.js';

export type IntakeOptions = {
  /** How long the first batch waits for company, in milliseconds. Default 5. */
  readonly lingerMs?: number;
  /** Rows that outcomes become in one flush. Default 20,000. */
  readonly maxFlush?: number;
  /** Rows that may wait before more are turned away. Default 400,000. */
  readonly maxWaiting?: number;
};

type Waiting = {
  readonly batch: BatchRow;
  readonly assessment: Assessment;
  readonly weight: number;
  readonly resolve: (receipt: OutcomeReceipt) => void;
  readonly reject: (error: unknown) => void;
};

/** Rows to be written: one bad answer is one for every rollout that it is part of, so outcomes say little. */
const weigh = ({ facts }: Assessment): number => Object.values(facts).reduce((sum, rows) => sum + rows.length, 1);

/** Flushes under way at once: while one is in the database, the next is put together and written beside it. */
const DEPTH = 2;

/** Rows that are not worth two transactions. */
const LEAST_FLUSH = 2_000;

/** Batches that come while flushes are under way go out together in the next one, one transaction each. */
export class GroupCommitIntake extends OutcomeIntake {
  private readonly lingerMs: number;
  private readonly maxFlush: number;
  private readonly maxWaiting: number;
  private readonly seenUnits = new SeenUnits();
  private queue: Waiting[] = [];
  private queued = 0;
  private closed = false;
  private readonly flushing = new Set<Promise<void>>();
  /** What the flushes are writing. */
  private readonly underWay = new Set<Tally>();
  private isLingering = false;

  constructor(
    private readonly pool: Pool,
    private readonly exposures: ExposureLookup,
    private readonly bell: EvidenceBell,
    options: IntakeOptions = {},
  ) {
    super();
    this.lingerMs = options.lingerMs ?? 5;
    this.maxFlush = options.maxFlush ?? 20_000;
    this.maxWaiting = options.maxWaiting ?? 400_000;
  }

  override async submit(batch: OutcomeBatch, reporter: Reporter, now: number): Promise<OutcomeReceipt> {
    if (this.closed) throw new IntakeClosedError();
    if (this.queued >= this.maxWaiting) throw new IntakeBusyError(this.queued);
    const receivedAt = Math.round(now);
    const assessment = assess(batch, reporter.token, receivedAt, this.exposures);
    const id = batch.batch.toLowerCase();
    const row = { batch: id, target: batch.target, reporter: reporter.token, receivedAt, digest: digestOfBatch(batch) };
    // Nothing of a batch of which nothing is left is written, so it can be sent again once the reason is mended.
    if (assessment.acceptedWindows === 0) return receiptOf(row.batch, assessment, false);
    return new Promise((resolve, reject) => {
      const weight = weigh(assessment);
      this.queue.push({ batch: row, assessment, weight, resolve, reject });
      this.queued += weight;
      void this.flushSoon();
    });
  }

  override async close(): Promise<void> {
    this.closed = true;
    this.flushNow();
    while (this.flushing.size > 0) await Promise.all(this.flushing);
  }

  /** The first batch after a rest waits for company; later ones have it while a flush is under way. */
  private async flushSoon(): Promise<void> {
    if (this.isLingering || this.flushing.size >= DEPTH) return;
    if (this.lingerMs > 0 && !this.closed) {
      this.isLingering = true;
      await new Promise((resolve) => setTimeout(resolve, this.lingerMs));
      this.isLingering = false;
    }
    this.flushNow();
  }

  private flushNow(): void {
    while (this.queue.length > 0 && this.flushing.size < DEPTH) {
      const flush = this.flush(this.nextFlush()).finally(() => {
        this.flushing.delete(flush);
        this.flushNow();
      });
      this.flushing.add(flush);
    }
  }

  private nextFlush(): readonly Waiting[] {
    let weight = 0;
    let count = 0;
    const share = Math.max(LEAST_FLUSH, this.queued / (DEPTH - this.flushing.size));
    for (const waiting of this.queue) {
      if (count > 0 && weight + waiting.weight > Math.min(this.maxFlush, share)) break;
      weight += waiting.weight;
      count += 1;
    }
    this.queued -= weight;
    return this.queue.splice(0, count);
  }

  /** Answers every batch of the flush; never throws. */
  private async flush(waiting: readonly Waiting[]): Promise<void> {
    try {
      const { counted, other } = await againOncePassed(() => this.write(waiting));
      for (const item of waiting)
        item.resolve(
          other.has(item) ? refusedReceipt(item) : receiptOf(item.batch.batch, item.assessment, !counted.has(item)),
        );
    } catch (error) {
      for (const item of waiting) item.reject(error);
    }
  }

  /** Gives what was counted: the first copy of each batch that was not known; and what has the id of another. */
  private async write(
    waiting: readonly Waiting[],
  ): Promise<{ readonly counted: ReadonlySet<Waiting>; readonly other: ReadonlySet<Waiting> }> {
    const copies = new Map<string, Waiting>();
    for (const item of waiting) if (!copies.has(item.batch.batch)) copies.set(item.batch.batch, item);
    const rows = [...copies.values()].map((item) => item.batch).toSorted((a, b) => (a.batch < b.batch ? -1 : 1));
    const now = rows.reduce((latest, row) => Math.max(latest, row.receivedAt), 0);
    const tally = new Tally();
    const written = await inTransaction(this.pool, async (client) => {
      const { fresh, other } = await noteBatches(client, rows);
      const counted = [...copies.values()].filter((item) => fresh.has(item.batch.batch));
      for (const item of counted) tally.add(item.assessment.facts);
      const units = this.seenUnits.fresh(tally.units.sorted());
      const underWay = [...this.underWay];
      this.underWay.add(tally);
      await writeTally(client, tally, { units, underWay, now });
      return { counted, other, units };
    }).finally(() => this.underWay.delete(tally));
    this.seenUnits.written(written.units);
    this.bell.ring(tally.touched());
    const isOther = ({ batch }: Waiting): boolean =>
      written.other.has(batch.batch) || copies.get(batch.batch)?.batch.digest !== batch.digest;
    return { counted: new Set(written.counted), other: new Set(waiting.filter(isOther)) };
  }
}

const refusedReceipt = ({ batch }: Waiting): OutcomeReceipt => ({
  batch: batch.batch,
  repeated: false,
  acceptedWindows: 0,
  rejected: [otherContent(batch.batch)],
});

const receiptOf = (batch: string, assessment: Assessment, repeated: boolean): OutcomeReceipt => ({
  batch,
  repeated,
  acceptedWindows: assessment.acceptedWindows,
  rejected: [...assessment.rejected],
});
