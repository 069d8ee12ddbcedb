import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { FaultScript, startEmulator, type FaultStep } from '#libs/emulators';
import { messageOf, usageError } from '../errors.js';
import type { Invocation } from '../invocation.js';
import { integer } from './arguments.js';

const scriptOf = (file: string, cwd: string): readonly FaultStep[] => {
  try {
    return FaultScript.parse(JSON.parse(readFileSync(resolve(cwd, file), 'utf8')));
  } catch (error) {
    throw usageError(`${file} is no script of faults: ${messageOf(error)}`);
  }
};

/** emulator: needs no controller. */
export const addEmulatorCommand = (program: Command, invocation: Invocation): void => {
  const { terminal } = invocation;
  program
    .command('emulator')
    .summary('emulate the metrics and config stores of the clouds on this machine; needs no controller')
    .description(
      'Serves CloudWatch, Cloud Monitoring, AppConfig, Parameter Manager and Vertex endpoints, as far as Headgate and the fleets ' +
        'use them, from memory and on this machine only, until Ctrl-C. A script of faults says what goes wrong.',
    )
    .option('--port <number>', 'port to listen on; 0 takes any that is free', integer(0, 65_535), 7_072)
    .option('--faults <file>', 'JSON: what goes wrong from the start')
    .option(
      '--poll-second <ms>',
      'how long a second between two polls of AppConfig lasts, for fleets that are played in fast motion',
      integer(1, 1_000),
      1_000,
    )
    .action(async (flags: { port: number; faults?: string; pollSecond: number }) => {
      const script = flags.faults === undefined ? [] : scriptOf(flags.faults, terminal.cwd);
      const emulator = await startEmulator({ port: flags.port }).catch((error: unknown) => {
        throw usageError(`the emulator cannot listen on port ${flags.port}: ${messageOf(error)}`, {
          next: 'choose another with --port',
        });
      });
      emulator.play(script);
      emulator.stores.pollSecondMs = flags.pollSecond;
      invocation.print({ data: { url: emulator.url }, text: () => emulator.url, names: [emulator.url] });
      invocation.note(
        'emulates the metrics and config stores of the clouds; Ctrl-C ends it, and what it holds is gone then',
      );
      await new Promise<void>((done) => {
        const quiet = terminal.onInterrupt(() => {
          quiet();
          done();
        });
      });
      await emulator.close();
    });
};
