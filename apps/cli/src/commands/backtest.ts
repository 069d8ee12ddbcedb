import type { Command } from 'commander';
import { PlanManifest } from '#libs/contracts';
import { CliError, usageError } from '../errors.js';
import { EXIT } from '../exit-codes.js';
import type { Invocation } from '../invocation.js';
import { readManifests } from '../manifest-files.js';
import { backtested, isNewStop, type Backtested, type JudgingPlan } from '../recompute/index.js';
import { renderBacktest } from '../render/backtest.js';
import { orUndefined } from '../resolve.js';
import { parseMoment } from '../time.js';

interface BacktestFlags {
  readonly plan: string;
  readonly name?: string;
  readonly since: string;
  readonly config?: string;
}

/** The plan of a file that may hold other manifests as well. Throws a usage error where there is none, or several. */
const planOf = async ({ plan: file, name }: BacktestFlags, invocation: Invocation): Promise<JudgingPlan> => {
  const manifests = await readManifests([file], invocation.terminal);
  const plans = manifests.filter(({ value }) => (value as { kind?: unknown } | null)?.kind === 'Plan');
  const parsed = plans.map(({ value, place }) => {
    const result = PlanManifest.safeParse(value);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    const pointer = `/${(issue?.path ?? []).map(String).join('/')}`;
    throw usageError('the plan is wrong', { details: [`${place(pointer)}: ${issue?.message ?? 'it does not fit'}`] });
  });
  const meant = name === undefined ? parsed : parsed.filter(({ metadata }) => metadata.name === name);
  const [only] = meant;
  if (only !== undefined && meant.length === 1) return only.spec;
  const names = parsed.map(({ metadata }) => metadata.name).join(', ');
  throw usageError(meant.length === 0 ? `${file} has no such plan` : `${file} has several plans`, {
    details: names === '' ? ['it holds no manifest of kind Plan'] : [`plans: ${names}`],
    next: 'say which: --name NAME',
  });
};

const sinceOf = async (text: string, invocation: Invocation): Promise<number> => {
  const moment = parseMoment(text, invocation.terminal.now());
  if ('position' in moment) return moment.position;
  return (await orUndefined(invocation.client.at(moment)))?.position ?? 0;
};

const summaryOf = (all: readonly Backtested[]): string => {
  const stopped = all.filter(({ stopped: real }) => real !== null);
  const found = stopped.filter(({ wouldStop }) => wouldStop !== null);
  const fresh = all.filter(isNewStop);
  return (
    `${all.length} rollouts: of ${stopped.length} that were stopped the plan stops ${found.length}, ` +
    `and of those that went on ${fresh.length}`
  );
};

/** backtest */
export const addBacktestCommand = (program: Command, invocation: Invocation): void => {
  program
    .command('backtest')
    .summary('what a plan would have stopped of past rollouts')
    .description(
      'Judges the recorded evidence of past rollouts by the alpha, harm, weights and signals of a plan in a file, on this ' +
        'machine, and shows what it would have stopped, when, in which stages and on what, beside what really happened. ' +
        'Nothing is written. Evidence ends where a rollout really ended, and stages are those it had.',
    )
    .requiredOption('--plan <file>', 'a file with the plan (YAML or JSON)')
    .option('--name <plan>', 'which plan, where the file has several')
    .option('--since <time>', 'rollouts that were started after this time: 90d, 2025-08-29T14:00, #1042', '90d')
    .option('--config <name>', 'only rollouts of this config')
    .action(async (flags: BacktestFlags) => {
      const plan = await planOf(flags, invocation);
      const after = await sinceOf(flags.since, invocation);
      const all = await backtested(invocation.client, plan, { after, config: flags.config }, (done, of) => {
        if (done % 20 === 0) invocation.note(`${done} of ${of} rollouts`);
      });
      if (all.length === 0)
        throw new CliError(`no rollout was started since ${flags.since}`, EXIT.usage, {
          next: 'go further back with --since, or leave --config out',
        });
      invocation.print({
        data: { items: all },
        text: (look) => renderBacktest(all, look),
        names: all.map(({ rollout }) => `rollout/${rollout}`),
      });
      invocation.note(summaryOf(all));
    });
};
