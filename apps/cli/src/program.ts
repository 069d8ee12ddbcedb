import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, Option } from 'commander';
import { z } from 'zod';
import { addBacktestCommand } from './commands/backtest.js';
import { addEmulatorCommand } from './commands/emulator.js';
import { addExplainCommand } from './commands/explain.js';
import { addHelpCommand } from './commands/help.js';
import { addHistoryCommand } from './commands/history.js';
import { addHookCommands } from './commands/hooks.js';
import { addLogCommands } from './commands/log.js';
import { addManifestCommands } from './commands/manifests.js';
import { addPackCommand } from './commands/pack.js';
import { addPastCommands } from './commands/past.js';
import { addReplayCommand } from './commands/replay.js';
import { addRolloutCommands } from './commands/rollouts.js';
import { addSourcesCommand } from './commands/sources.js';
import { addTakeBackCommands } from './commands/take-back.js';
import { addTokenCommands } from './commands/tokens.js';
import { addMigrateCommand, addSealCommand, addVerifyCommand } from './commands/verify.js';
import { EXIT } from './exit-codes.js';
import type { ExitCode } from './exit-codes.js';
import { failureOf, renderFailure } from './failures.js';
import { FORMATS, Invocation } from './invocation.js';
import type { Terminal } from './terminal.js';

const PackageFile = z.object({ name: z.literal('headgate'), version: z.string() });

/** The version in package.json, which stands at different heights above the source and the built file. */
const readVersion = (): string => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    const parsed = existsSync(file) ? PackageFile.safeParse(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
    if (parsed?.success) return parsed.data.version;
  }
  return 'unknown';
};

const AFTER_HELP = `
Rollouts are named by id, by a unique beginning of one, or by their config.
The controller and the token come from the flags, then HEADGATE_URL and HEADGATE_TOKEN, then .headgate/ in this folder.
Exit codes: headgate help exit-codes`;

/** The whole command line. */
export const buildProgram = (invocation: Invocation): Command => {
  const { terminal } = invocation;
  const program = new Command('headgate')
    .description('Staged rollouts of config changes, gated by live quality signals.')
    .version(readVersion(), '-V, --version', 'print the version')
    .helpCommand(false)
    .option('--url <url>', 'the controller (env HEADGATE_URL)')
    .option('--token-file <file>', 'a file that holds the token (env HEADGATE_TOKEN holds the token itself)')
    .addOption(new Option('-o, --output <format>', 'how data is printed').choices(FORMATS))
    .option('--no-color', 'no colours (env NO_COLOR)')
    .option('-y, --yes', 'answer yes to questions')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: () => undefined,
      getOutHelpWidth: () => terminal.columns ?? 100,
      getErrHelpWidth: () => terminal.columns ?? 100,
    })
    .exitOverride()
    .addHelpText('after', AFTER_HELP)
    .hook('preAction', (_, command) => invocation.begin(command));
  addManifestCommands(program, invocation);
  addRolloutCommands(program, invocation);
  addTakeBackCommands(program, invocation);
  addHistoryCommand(program, invocation);
  addPastCommands(program, invocation);
  addExplainCommand(program, invocation);
  addSourcesCommand(program, invocation);
  addBacktestCommand(program, invocation);
  addReplayCommand(program, invocation);
  addEmulatorCommand(program, invocation);
  addLogCommands(program, invocation);
  addPackCommand(program, invocation);
  addVerifyCommand(program, invocation);
  addSealCommand(program, invocation);
  addMigrateCommand(program, invocation);
  addTokenCommands(program, invocation);
  addHookCommands(program, invocation);
  addHelpCommand(program, invocation);
  return program;
};

/** Runs one command line and gives its exit code. Never throws: whatever goes wrong is shown on stderr. */
export const runCli = async (args: readonly string[], terminal: Terminal): Promise<ExitCode> => {
  const invocation = new Invocation(terminal);
  try {
    const program = buildProgram(invocation);
    if (args.length === 0) {
      terminal.err(program.helpInformation());
      return EXIT.usage;
    }
    await program.parseAsync([...args], { from: 'user' });
    return invocation.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    const failure = failureOf(error, invocation.settings);
    terminal.err(renderFailure(failure, invocation.errorLook));
    return failure.exitCode;
  }
};
