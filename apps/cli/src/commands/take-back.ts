import type { Command } from 'commander';
import type { RolloutView } from '#libs/contracts';
import { usageError } from '../errors.js';
import { plain } from '../format.js';
import type { Invocation } from '../invocation.js';
import { resolveRollout } from '../resolve.js';
import { integer } from './arguments.js';
import { answerOf, begun, noNames, watchFlags } from './rollout-output.js';
import type { WatchFlags } from './rollout-output.js';

interface UndoFlags extends WatchFlags {
  readonly reason?: string;
  readonly revision?: number;
  readonly to?: number;
  readonly watch?: boolean;
}

const addUndo = (program: Command, invocation: Invocation): void => {
  const undo = program
    .command('undo <config>')
    .summary('take back a revision that has settled')
    .description(
      'Takes back the revision that is live (or --revision), everywhere at once, as a rollout of its own: without stages, with ' +
        'guardrails on. Where it is not plain what is meant, it lists what settled since and starts nothing.',
    )
    .option('--reason <text>', 'why; stays in the log for ever')
    .option('--revision <number>', 'the revision to take back; by default the one that is live', integer(1))
    .option('--to <number>', 'the revision to go back to; by default what was live before', integer(1))
    .option('--watch', 'follow it until it ends, like `headgate watch`');
  watchFlags(undo).action(async (config: string, flags: UndoFlags) => {
    if (flags.watch) noNames(invocation);
    const { revision, to } = flags;
    const what = revision === undefined ? config : `${config} r${revision}`;
    const reason = await invocation.reason(flags.reason, `undo ${what}`);
    const rollout = await invocation.client.undo(config, {
      reason,
      ...(revision === undefined ? {} : { revision }),
      ...(to === undefined ? {} : { to }),
    });
    await begun(invocation, rollout, flags);
  });
};

/** Said before anything is asked: what is then confirmed can be done. */
const checkTarget = ({ config, revision, targets }: RolloutView, target: string): void => {
  if (targets.some((one) => one.target === target)) return;
  throw usageError(`${plain(target)} is not a target of the rollout of ${config} r${revision}`, {
    details: [`its targets: ${targets.map((one) => one.target).join(', ') || 'none'}`],
  });
};

const ENDED = {
  abandoned: 'was given up before',
  drained: 'has drained',
  acknowledged: 'was taken back, by the word of every instance',
  redelivered: 'was delivered to again by another rollout',
  unconfirmed: 'was taken back as far as anybody can tell',
} as const;

const addAbandon = (program: Command, invocation: Invocation): void => {
  program
    .command('abandon <rollout>')
    .summary('give up a target that a rollback cannot reach')
    .description(
      'Gives up a target that the rollback of a rollout cannot reach, or cannot see drained, so that the rollout can end and ' +
        'another may start. It is recorded under your name. In a terminal it asks first; --yes answers.',
    )
    .requiredOption('--target <name>', 'the target to give up')
    .option('--reason <text>', 'why; stays in the log for ever')
    .action(async (reference: string, flags: { target: string; reason?: string }) => {
      const rollout = await resolveRollout(invocation.client, reference, 'abandon');
      checkTarget(rollout, flags.target);
      const ended = rollout.targets.find(({ target }) => target === flags.target)?.ended ?? null;
      if (ended !== null) {
        invocation.print(answerOf(rollout));
        invocation.note(
          `${plain(flags.target)} ${ENDED[ended]}: there is nothing to give up, and nothing was recorded`,
        );
        return;
      }
      const what = `${flags.target} in the rollback of ${rollout.config} r${rollout.revision}`;
      const reason = await invocation.reason(flags.reason, `abandon ${what}`);
      await invocation.confirm(`Give up ${what}? It may go on serving the withdrawn revision.`);
      const after = await invocation.client.abandon(rollout.id, { target: flags.target, reason });
      invocation.print(answerOf(after));
      invocation.note(`recorded as abandoned by you; delivery to ${flags.target} is tried on all the same`);
    });
};

/** undo, abandon. */
export const addTakeBackCommands = (program: Command, invocation: Invocation): void => {
  addUndo(program, invocation);
  addAbandon(program, invocation);
};
