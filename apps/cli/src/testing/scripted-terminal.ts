import type { Terminal } from '../terminal.js';

/** A terminal for specs: it keeps what was written and gives prepared answers. */
export interface ScriptedTerminal extends Terminal {
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly questions: readonly string[];
  /** Ctrl-C. */
  readonly interrupt: () => void;
}

interface Script {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly tty?: boolean;
  readonly input?: string;
  readonly answers?: readonly string[];
  readonly columns?: number;
}

/** No terminal (a pipe) unless `tty`; colours are off; the time is 2025-08-29 12:15 UTC. */
export const scriptedTerminal = (script: Script = {}): ScriptedTerminal => {
  const out: string[] = [];
  const err: string[] = [];
  const questions: string[] = [];
  const listeners = new Set<() => void>();
  const answers = [...(script.answers ?? [])];
  const tty = script.tty ?? false;
  return {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    inIsTty: tty,
    outIsTty: tty,
    errIsTty: tty,
    columns: script.columns ?? (tty ? 120 : undefined),
    env: { NO_COLOR: '1', ...script.env },
    cwd: script.cwd ?? '/nowhere',
    zone: 'UTC',
    now: () => Date.parse('2025-08-29T12:15:00.000Z'),
    readInput: () => Promise.resolve(script.input ?? ''),
    ask: (question) => {
      questions.push(question);
      const answer = answers.shift();
      return answer === undefined ? Promise.reject(new Error('no answer was prepared')) : Promise.resolve(answer);
    },
    onInterrupt: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stdout: () => out.join(''),
    stderr: () => err.join(''),
    questions,
    interrupt: () => {
      for (const listener of listeners) listener();
    },
  };
};
