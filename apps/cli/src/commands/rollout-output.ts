import type { Command } from 'commander';
import type { RolloutView } from '#libs/contracts';
import { usageError } from '../errors.js';
import type { Answer, Invocation } from '../invocation.js';
import { renderRollout } from '../render/rollouts.js';
import { watchRollout } from '../watch.js';
import { duration } from './arguments.js';

/** A rollout in full, in whatever format is asked for. */
export const answerOf = (rollout: RolloutView): Answer => ({
  data: rollout,
  text: (look) => renderRollout(rollout, look),
  names: [`rollout/${rollout.id}`],
});

/** What `watch`, and every verb with `--watch`, may be told. */
export interface WatchFlags {
  readonly timeout?: number;
  readonly failOnHold?: boolean;
  readonly after?: number;
}

/** Throws a usage error for `-o name`, which says nothing while watching. */
export const noNames = (invocation: Invocation): void => {
  if (invocation.format === 'name')
    throw usageError('-o name does not fit watching', { next: 'use -o json for one event per line' });
};

export const watchFlags = (command: Command): Command =>
  command
    .option('--timeout <duration>', 'stop watching after this time with exit code 4; the rollout goes on', duration)
    .option('--fail-on-hold', 'stop with exit code 5 when it is held until a person acts');

/** Prints a rollout that was begun, or follows it to its end. */
export const begun = async (
  invocation: Invocation,
  rollout: RolloutView,
  flags: WatchFlags & { readonly watch?: boolean },
): Promise<void> => {
  if (flags.watch) {
    invocation.note(`started rollout ${rollout.id} of ${rollout.config} r${rollout.revision}; Ctrl-C only detaches`);
    invocation.exitCode = await watchRollout(invocation, rollout, {
      timeoutMs: flags.timeout,
      failOnHold: flags.failOnHold ?? false,
    });
    return;
  }
  invocation.print(answerOf(rollout));
  invocation.note(`follow it with: headgate watch ${rollout.id}`);
};
