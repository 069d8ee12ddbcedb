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

const terminal: Terminal = {
  out: (data) => process.stdout.write(data),
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

/** A reader that has seen enough (`headgate history | head`) is no failure. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.unexpected);
});

const exitCode = await runCli(process.argv.slice(2), terminal);
// Sockets that are kept open would keep the process; what was written is flushed first.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
