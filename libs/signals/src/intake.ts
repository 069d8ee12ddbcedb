import { hash } from 'node:crypto';
import type { OutcomeBatch, OutcomeReceipt } from '#libs/contracts';

/** Who sent a batch: the name of its token, never the secret. */
export type Reporter = { readonly token: string };

/** Too much waits for the database: the sender keeps what it has and sends it again, outcomes under the same id. */
export class IntakeBusyError extends Error {
  override readonly name = 'IntakeBusyError';
  constructor(
    readonly waiting: number,
    what = 'outcomes',
  ) {
    super(
      `${waiting} ${what} already wait to be written: send this again in a few seconds, a batch under the same id.`,
    );
  }
}

/** The batch cannot be taken because the intake is being stopped. */
export class IntakeClosedError extends Error {
  override readonly name = 'IntakeClosedError';
  constructor() {
    super('The intake is being stopped: send this batch again, under the same id, to a controller that runs.');
  }
}

/** What stands for the content of a batch: sent again it is the same. */
export const digestOfBatch = ({ target, instance, windows }: OutcomeBatch): string =>
  hash('sha256', JSON.stringify([target, instance, windows]));

/** A batch id that stands for something else already: this content was not counted. */
export const otherContent = (batch: string): OutcomeReceipt['rejected'][number] => ({
  pointer: '/batch',
  code: 'batch-id-reused',
  detail: `Batch ${batch} was counted before with another content: send this one under an id of its own.`,
});

/** The way in for outcomes. */
export abstract class OutcomeIntake {
  /**
   * Counts a batch once, however often it arrives. Each wrong item is refused by itself, the rest is durable when the
   * answer comes. `now` is in epoch milliseconds. Throws `IntakeBusyError` or `IntakeClosedError`, and what the
   * database throws: then nothing of the batch was counted and it may be sent again.
   */
  abstract submit(batch: OutcomeBatch, reporter: Reporter, now: number): Promise<OutcomeReceipt>;
  /** Takes no more, and comes back when everything taken is answered. */
  abstract close(): Promise<void>;
}
