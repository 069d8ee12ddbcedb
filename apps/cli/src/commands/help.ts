import type { Command } from 'commander';
import { usageError } from '../errors.js';
import { EXIT_MEANINGS } from '../exit-codes.js';
import type { Invocation } from '../invocation.js';

/** The text of `headgate help exit-codes`. */
export const exitCodesText = (): string =>
  `Exit codes\n\n${EXIT_MEANINGS.map(([code, meaning]) => `${String(code).padStart(5)}  ${meaning}`).join('\n')}\n`;

/** `help`, `help VERB…`, `help exit-codes`. */
export const addHelpCommand = (program: Command, invocation: Invocation): void => {
  program
    .command('help [topic...]')
    .summary('help on a command, or on exit-codes')
    .description('Shows help on a command, or on `exit-codes`.')
    .action((topics: readonly string[]) => {
      if (topics.length === 1 && topics[0] === 'exit-codes') {
        invocation.terminal.out(exitCodesText());
        return;
      }
      let command = program;
      for (const topic of topics) {
        const next = command.commands.find((one) => one.name() === topic);
        if (!next) throw usageError(`there is no command "${topics.join(' ')}"`, { next: 'see: headgate help' });
        command = next;
      }
      invocation.terminal.out(command.helpInformation());
    });
};
