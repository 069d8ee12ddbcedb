import { createInterface } from 'node:readline/promises';
import { text } from 'node:stream/consumers';
import { InterruptedError } from './errors.js';
import { EXIT } from './exit-codes.js';
import { runCli } from './program.js';
import type { Terminal } from './terminal.js';

const ask = (question: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    const interrupted = () => {
      lines.close();
      process.stderr.write('\n');
      reject(new InterruptedError('interrupted'));
    };
    lines.once('SIGINT', interrupted);
    lines.once('close', interrupted);
    lines.question(question).then((answer) => {
      lines.off('close', interrupted);
      lines.close();
      resolve(answer);
    }, reject);
  });

const onInterrupt = (listener: () => void): (() => void) => {
  process.on('SIGINT', listener);
  return () => process.off('SIGINT', listener);
};

let lost: NodeJS.ErrnoException | undefined;
const lose = (error?: Error | null): void => {
  lost ??= error ?? undefined;
};

/** A reader that has seen enough (`headgate history | head`) is no failure; a full disk is. */
const end = (exitCode: number): void => {
  if (lost === undefined || lost.code === 'EPIPE') return process.exit(lost === undefined ? exitCode : EXIT.ok);
  const next = 'what was asked for may be done: look before you ask again; a secret that was to be shown is lost';
  process.stderr.write(`error: the output could not be written: ${lost.message}\nnext: ${next}\n`, () =>
    process.exit(EXIT.unexpected),
  );
};

const terminal: Terminal = {
  out: (data) => process.stdout.write(data, lose),
  err: (data) => process.stderr.write(data),
  inIsTty: process.stdin.isTTY,
  outIsTty: process.stdout.isTTY,
  errIsTty: process.stderr.isTTY,
  columns: process.stdout.columns,
  env: process.env,
  cwd: process.cwd(),
  zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  now: Date.now,
  readInput: () => text(process.stdin),
  ask,
  onInterrupt,
};

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  lose(error);
  end(EXIT.unexpected);
});

const exitCode = await runCli(process.argv.slice(2), terminal);
// Sockets that are kept open would keep the process; what was written is flushed first.
process.stdout.write('', () => process.stderr.write('', () => end(exitCode)));
