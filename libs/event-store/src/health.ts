/**
 * How a reader of the log is doing. `retrying`: the last attempt failed and it goes on trying. `stopped`: it met an
 * event it does not know, or its handler failed, or it was told to stop; without a restart nothing more happens.
 */
export type ReaderHealth = {
  readonly name: string;
  readonly state: 'running' | 'retrying' | 'stopped';
  /** The last position that was handled. */
  readonly position: number;
  /** Why it retries or stopped, in words; absent after an ordinary stop. */
  readonly error?: string;
};

export const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));
