/** All that the commands know of the world outside; `main.ts` gives the real one, specs give their own. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly inIsTty: boolean;
  readonly outIsTty: boolean;
  readonly errIsTty: boolean;
  /** Undefined when stdout is no terminal. */
  readonly columns: number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** IANA time zone in which times are shown. */
  readonly zone: string;
  readonly now: () => number;
  readonly readInput: () => Promise<string>;
  /** Asks on stderr and reads one line; rejects with `InterruptedError` on Ctrl-C. Only called when `inIsTty`. */
  readonly ask: (question: string) => Promise<string>;
  /** Calls back on Ctrl-C until the returned function is called. */
  readonly onInterrupt: (listener: () => void) => () => void;
}
