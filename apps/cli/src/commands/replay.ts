import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CliError, messageOf, usageError } from '../errors.js';
import { EXIT } from '../exit-codes.js';
import type { Invocation } from '../invocation.js';
import { replayScript } from '../replay/index.js';
import { integer } from './arguments.js';

interface ReplayFlags {
  readonly html?: string;
  readonly seed?: number;
  readonly assert?: boolean;
}

const textOf = async (file: string, { terminal }: Invocation): Promise<string> => {
  if (file === '-') return terminal.readInput();
  try {
    return readFileSync(resolve(terminal.cwd, file), 'utf8');
  } catch (error) {
    throw usageError(`${file} cannot be read: ${messageOf(error)}`);
  }
};

const write = (file: string, page: string, { terminal }: Invocation): void => {
  try {
    writeFileSync(resolve(terminal.cwd, file), page);
  } catch (error) {
    throw usageError(`${file} cannot be written: ${messageOf(error)}`, { next: 'name a file in a folder that exists' });
  }
};

/** replay: needs no controller. */
export const addReplayCommand = (program: Command, invocation: Invocation): void => {
  program
    .command('replay <file>')
    .summary('what Headgate would have done with a scripted history; needs no controller')
    .description(
      'Runs a scripted history (changes, traffic, faults) through the deciders and the gate on a virtual clock and reports what ' +
        'Headgate would have done beside what really happened. The same script and seed give the same report.',
    )
    .option('--html <file>', 'also write the report as one self-contained page with charts')
    .option('--seed <number>', 'another run of chance than the one of the script', integer(0, 4_294_967_295))
    .option('--assert', 'end with exit code 3 unless the expectations of the script are met')
    .action(async (file: string, flags: ReplayFlags) => {
      const played = replayScript(file, await textOf(file, invocation), flags.seed);
      if (flags.html !== undefined) {
        write(flags.html, played.page(), invocation);
        invocation.note(`the page is ${flags.html}`);
      }
      invocation.print({ data: played.data, text: played.text, names: played.names });
      if (flags.assert !== true || played.missed.length === 0) return;
      throw new CliError(`${played.missed.length} expectations of ${file} are not met`, EXIT.rolledBack, {
        details: played.missed,
        next: 'see which change went another way in the report above',
      });
    });
};
