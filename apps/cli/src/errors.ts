import { EXIT } from './exit-codes.js';
import type { ExitCode } from './exit-codes.js';

interface Particulars {
  /** Lines that belong to the message, such as the places in files. */
  readonly details?: readonly string[];
  /** What to do now. */
  readonly next?: string;
}

/** A failure that is ready to be shown: what happened, where, what to do next, and the exit code. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly details: readonly string[];
  readonly next: string | undefined;

  constructor(
    message: string,
    readonly exitCode: ExitCode,
    particulars: Particulars = {},
  ) {
    super(message);
    this.details = particulars.details ?? [];
    this.next = particulars.next;
  }
}

/** The command line or a file is wrong: exit code 2. */
export const usageError = (message: string, particulars?: Particulars): CliError =>
  new CliError(message, EXIT.usage, particulars);

/** Ctrl-C at a prompt. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/** The text of anything that was thrown. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
