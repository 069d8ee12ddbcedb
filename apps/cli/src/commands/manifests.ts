import type { Command } from 'commander';
import { ApplyRequest } from '#libs/contracts';
import { ProblemError } from '../client-errors.js';
import { CliError, usageError } from '../errors.js';
import { exitCodeOf } from '../failures.js';
import { checkManifests, placeInSources } from '../manifest-check.js';
import { readManifests } from '../manifest-files.js';
import type { SourcedManifest } from '../manifest-files.js';
import { manifestName, renderApply, summariseApply } from '../render/changes.js';
import { renderPlan } from '../render/plan.js';
import { publishSchemas } from '../schemas.js';
import type { Invocation } from '../invocation.js';
import { integer, several } from './arguments.js';

const MOST_MANIFESTS = 500;

/** Pointers into the request mean nothing to a person; files and lines do. */
const withPlaces = (error: unknown, manifests: readonly SourcedManifest[]): unknown => {
  if (!(error instanceof ProblemError) || !error.problem.errors?.length) return error;
  const { problem } = error;
  const details = error.problem.errors.map(
    ({ pointer, detail }) => `${placeInSources(pointer, manifests) ?? pointer}: ${detail}`,
  );
  return new CliError(`${problem.detail || problem.title} (${problem.code}, ${problem.status})`, exitCodeOf(problem), {
    details,
    next: 'mend the files and apply again; nothing was written',
  });
};

const checked = async (paths: readonly string[], invocation: Invocation) => {
  const manifests = await readManifests(paths, invocation.terminal);
  const faults = checkManifests(manifests);
  if (faults.length > 0) {
    throw usageError(
      `${faults.length === 1 ? 'one field is' : `${faults.length} fields are`} wrong; nothing was sent`,
      {
        details: faults.map((fault) => `${fault.place}: ${fault.message}`),
      },
    );
  }
  if (manifests.length > MOST_MANIFESTS) {
    throw usageError(`${manifests.length} manifests are too many at once`, {
      next: `apply at most ${MOST_MANIFESTS} at a time`,
    });
  }
  return manifests;
};

interface ApplyFlags {
  readonly filename: readonly string[];
  readonly reason?: string;
  readonly dryRun?: boolean;
}

const addApply = (program: Command, invocation: Invocation): void => {
  program
    .command('apply')
    .summary('bring manifests to the controller')
    .description(
      'Registers or revises what manifests describe (Config, Signal, Target, Plan, Source) and prints what differs. Repeating it ' +
        'changes nothing. It moves no traffic: that takes `headgate start`.',
    )
    .requiredOption(
      '-f, --filename <path>',
      'a file, a folder (with all below it), or - for stdin; may be repeated',
      several,
    )
    .option('--reason <text>', 'why; stays in the log for ever')
    .option('--dry-run', 'show what would change and write nothing')
    .action(async (flags: ApplyFlags) => {
      const manifests = await checked(flags.filename, invocation);
      const body = ApplyRequest.parse({
        manifests: manifests.map(({ value }) => value),
        dryRun: flags.dryRun ?? false,
        ...(flags.reason === undefined ? {} : { reason: flags.reason }),
      });
      const applied = await invocation.client.apply(body).catch((error: unknown) => {
        throw withPlaces(error, manifests);
      });
      invocation.print({
        data: applied,
        text: (look) => renderApply(applied, look),
        names: applied.results.map(manifestName),
      });
      invocation.note(summariseApply(applied));
    });
};

const addPlan = (program: Command, invocation: Invocation): void => {
  program
    .command('plan <config>')
    .summary('show what a rollout would do, and what it could see')
    .description(
      'Shows, without writing anything, the stages of a rollout: exposure, targets, bake, how long each will take with the ' +
        'traffic of today and what it will wait for, and the smallest harm that each signal would see.',
    )
    .requiredOption('--plan <name>', 'the plan to go by')
    .option('--revision <number>', 'which revision; by default the newest', integer(1))
    .action(async (config: string, flags: { plan: string; revision?: number }) => {
      const { plan, revision } = flags;
      const preview = await invocation.client.preview({
        config,
        plan,
        ...(revision === undefined ? {} : { revision }),
      });
      invocation.print({
        data: preview,
        text: (look) => renderPlan(preview, look),
        names: preview.stages.map((stage) => `${stage.track}/${stage.stage}`),
      });
    });
};

const addSchemas = (program: Command, invocation: Invocation): void => {
  program
    .command('schemas <folder>')
    .summary('write the JSON Schemas of manifests, for editors')
    .description(
      'Writes the JSON Schemas of all manifests into a folder; manifest.json fits any kind. Needs no controller.',
    )
    .action((folder: string) => {
      const written = publishSchemas(folder, invocation.terminal.cwd);
      invocation.print({ data: { files: written }, text: () => written.join('\n'), names: written });
      invocation.note('in YAML: # yaml-language-server: $schema=PATH/manifest.json');
    });
};

/** apply, plan, schemas. */
export const addManifestCommands = (program: Command, invocation: Invocation): void => {
  addApply(program, invocation);
  addPlan(program, invocation);
  addSchemas(program, invocation);
};
