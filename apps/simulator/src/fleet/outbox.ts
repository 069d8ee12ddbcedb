import { randomUUID } from 'node:crypto';
import { OutcomeReceipt, type OutcomeWindow } from '#libs/contracts';
import type { Connection } from './connection.js';

export type OutboxStats = {
  /** Batches that the controller took, and how many of them it had already. */
  sent: number;
  repeated: number;
  /** Attempts that failed and are made again. */
  retries: number;
  /** Batches given up because the buffer was full. */
  dropped: number;
  /** Batches that the controller will never take, with its last words. */
  refused: number;
  /** Single items that it refused. */
  rejectedItems: number;
  lastProblem: string | null;
};

export type OutboxOptions = {
  readonly connection: Connection;
  readonly target: string;
  readonly instance: string;
  /** Most windows kept; the oldest batch goes first. */
  readonly capacity: number;
  readonly onSent: (windows: readonly OutcomeWindow[]) => void;
};

/** Batches on their way to the controller, in order, each repeated with its own id until it is taken. */
export type Outbox = {
  readonly push: (windows: readonly OutcomeWindow[]) => void;
  readonly waiting: () => number;
  /** Gives what waits one more chance, at most this long, and stops. */
  readonly close: (ms: number) => Promise<void>;
  readonly stats: Readonly<OutboxStats>;
};

type Batch = { readonly id: string; windows: OutcomeWindow[]; attempted: boolean };

const MOST_WINDOWS = 100;
const MOST_ITEMS = 5_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;

const itemsIn = (windows: readonly OutcomeWindow[]): number =>
  windows.reduce((sum, { bad, values }) => sum + bad.length + values.length, 0);
const windowsIn = (batches: readonly Batch[]): number => batches.reduce((sum, { windows }) => sum + windows.length, 0);
const mayComeBack = (status: number): boolean => status >= 500 || [401, 403, 408, 425, 429].includes(status);

const noStats = (): OutboxStats => ({
  sent: 0,
  repeated: 0,
  retries: 0,
  dropped: 0,
  refused: 0,
  rejectedItems: 0,
  lastProblem: null,
});

const json = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const readReceipt = (text: string, stats: OutboxStats): void => {
  const receipt = OutcomeReceipt.safeParse(json(text));
  if (!receipt.success) {
    stats.lastProblem = `POST /v1/outcomes was taken, but its receipt cannot be read: ${text.slice(0, 200)}`;
    return;
  }
  if (receipt.data.repeated) stats.repeated += 1;
  stats.rejectedItems += receipt.data.rejected.length;
  const [first] = receipt.data.rejected;
  if (first) stats.lastProblem = `${first.pointer}: ${first.detail}`;
};

/** True when the batch is done with, for better or worse. */
const attempt = async (batch: Batch, options: OutboxOptions, stats: OutboxStats): Promise<boolean> => {
  const { connection, target, instance, onSent } = options;
  const call = `POST /v1/outcomes of ${target}/${instance}`;
  batch.attempted = true;
  const body = JSON.stringify({ batch: batch.id, target, instance, windows: batch.windows });
  try {
    const { status, text } = await connection.call({ method: 'POST', path: '/v1/outcomes', body });
    if (status >= 200 && status < 300) {
      stats.sent += 1;
      readReceipt(text, stats);
      onSent(batch.windows);
      return true;
    }
    stats.lastProblem = `${call} answered ${status}: ${text.slice(0, 300)}`;
    if (mayComeBack(status)) return false;
    stats.refused += 1;
    return true;
  } catch (error) {
    stats.lastProblem = `${call} failed: ${error instanceof Error ? error.message : String(error)}`;
    return false;
  }
};

export const createOutbox = (options: OutboxOptions): Outbox => {
  const queue: Batch[] = [];
  const stats = noStats();
  // A batch is a part of the buffer, so that a full buffer loses a part and not all.
  const mostWindows = Math.max(1, Math.min(MOST_WINDOWS, Math.floor(options.capacity / 4)));
  let busy = false;
  let closed = false;
  let pause = FIRST_PAUSE_MS;
  let timer: NodeJS.Timeout | undefined;

  const work = async (): Promise<void> => {
    if (busy || timer !== undefined) return;
    busy = true;
    for (let batch = queue[0]; batch !== undefined; batch = queue[0]) {
      if (!(await attempt(batch, options, stats))) {
        stats.retries += 1;
        if (!closed) {
          timer = setTimeout(() => {
            timer = undefined;
            void work();
          }, pause);
        }
        pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
        break;
      }
      pause = FIRST_PAUSE_MS;
      if (queue[0] === batch) queue.shift();
    }
    busy = false;
  };

  const push = (windows: readonly OutcomeWindow[]): void => {
    if (windows.length === 0 || closed) return;
    const last = queue.at(-1);
    // A batch that was tried keeps its content: the controller may have taken it already.
    if (
      last &&
      !last.attempted &&
      last.windows.length + windows.length <= mostWindows &&
      itemsIn(last.windows) + itemsIn(windows) <= MOST_ITEMS
    ) {
      last.windows = [...last.windows, ...windows];
    } else {
      queue.push({ id: randomUUID(), windows: [...windows], attempted: false });
    }
    while (queue.length > 1 && windowsIn(queue) > options.capacity) {
      queue.shift();
      stats.dropped += 1;
    }
    void work();
  };

  const close = async (ms: number): Promise<void> => {
    closed = true;
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    const deadline = Date.now() + ms;
    void work();
    while (busy && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    stats.dropped += queue.length;
    queue.length = 0;
  };

  return { push, waiting: () => queue.length, close, stats };
};
