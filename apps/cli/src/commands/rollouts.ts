import type { Command } from 'commander';
import { Option } from 'commander';
import { RolloutStatus } from '#libs/contracts';
import type { RolloutView } from '#libs/contracts';
import type { RolloutCommand } from '../client.js';
import { plain, showTime } from '../format.js';
import { renderRollout, renderRollouts } from '../render/rollouts.js';
import { checkNamed } from '../named.js';
import { resolveRollout } from '../resolve.js';
import type { Invocation } from '../invocation.js';
import { watchRollout } from '../watch.js';
import { duration, integer } from './arguments.js';
import { answerOf, begun, noNames, watchFlags } from './rollout-output.js';
import type { WatchFlags } from './rollout-output.js';

const addStart = (program: Command, invocation: Invocation): void => {
  const start = program
    .command('start <config>')
    .summary('start a rollout of a config by a plan')
    .description('Starts a rollout of the newest revision of a config (or of --revision) by a plan.')
    .requiredOption('--plan <name>', 'the plan to go by')
    .option('--reason <text>', 'why; stays in the log for ever')
    .option('--revision <number>', 'which revision; by default the newest', integer(1))
    .option('--veto-reason <text>', 'why a revision that was rolled back may be tried again')
    .option('--watch', 'follow it until it ends, like `headgate watch`');
  interface StartFlags extends WatchFlags {
    readonly plan: string;
    readonly reason?: string;
    readonly revision?: number;
    readonly vetoReason?: string;
    readonly watch?: boolean;
  }
  watchFlags(start).action(async (config: string, flags: StartFlags) => {
    if (flags.watch) noNames(invocation);
    const reason = await invocation.reason(flags.reason, `start a rollout of ${config}`);
    const { plan, revision, vetoReason } = flags;
    const what = { config, plan, ...(revision === undefined ? {} : { revision }) };
    // What stands in the way of a start is said by the start itself.
    const preview = await invocation.client.preview(what).catch(() => undefined);
    const rollout = await invocation.client.start({
      ...what,
      reason,
      ...(vetoReason === undefined ? {} : { vetoReason }),
    });
    // Why it may be tried again has just been said.
    const warnings = (preview?.warnings ?? []).filter(
      (each) => vetoReason === undefined || !each.includes('--veto-reason'),
    );
    for (const warning of warnings) invocation.note(`warning: ${warning}`);
    await begun(invocation, rollout, flags);
  });
};

/** Whatever a rollout says of itself, its targets may serve something older. */
const noteUndelivered = async (invocation: Invocation): Promise<void> => {
  const targets = await invocation.client.targets().catch(() => []);
  for (const { target, undelivered } of targets)
    if (undelivered !== null)
      invocation.note(
        `nothing can be delivered to target ${plain(target)} since ${showTime(undelivered.since, invocation.look.zone)}: ${plain(undelivered.error)}`,
      );
};

const addStatus = (program: Command, invocation: Invocation): void => {
  program
    .command('status [rollout]')
    .summary('list rollouts, or show one in full')
    .description('Lists rollouts, or shows one in full: stages, targets, verdicts, and what it waits for.')
    .addOption(new Option('--status <status>', 'only rollouts in this status').choices(RolloutStatus.options))
    .option('--config <name>', 'only rollouts of this config')
    .option('--limit <number>', 'at most so many', integer(1, 500), 20)
    .action(
      async (reference: string | undefined, flags: { status?: RolloutStatus; config?: string; limit: number }) => {
        if (reference !== undefined) {
          invocation.print(answerOf(await resolveRollout(invocation.client, reference, 'read')));
          return;
        }
        const list = await invocation.client.rollouts(
          { status: flags.status, config: flags.config },
          { limit: flags.limit },
        );
        if (list.items.length === 0) await checkNamed(invocation.client, { config: flags.config });
        invocation.print({
          data: list,
          text: (look) => renderRollouts(list.items, look),
          names: list.items.map(({ id }) => `rollout/${id}`),
        });
        await noteUndelivered(invocation);
        if (list.items.length === 0)
          invocation.note('no rollouts fit; start one with: headgate start CONFIG --plan PLAN --reason "…"');
        else if (list.nextCursor !== null) invocation.note(`there are more; raise --limit ${flags.limit}`);
      },
    );
};

const addWatch = (program: Command, invocation: Invocation): void => {
  const watch = program
    .command('watch <rollout>')
    .summary('follow a rollout until it ends')
    .description(
      'Follows a rollout and prints only changes: lines for people in a terminal, one JSON event per line when piped or with ' +
        '-o json. Lost connections mend themselves and no event is left out. Ends when the rollout ends; Ctrl-C only detaches.',
    )
    .option('--after <position>', 'begin after this position (0: the first event) instead of now', integer(0));
  watchFlags(watch).action(async (reference: string, flags: WatchFlags) => {
    noNames(invocation);
    const rollout = await resolveRollout(invocation.client, reference, 'read');
    const isShown = invocation.terminal.outIsTty && invocation.format !== 'json' && invocation.format !== 'yaml';
    if (isShown) {
      invocation.terminal.out(`${renderRollout(rollout, invocation.look)}\n\n`);
    }
    invocation.exitCode = await watchRollout(invocation, rollout, {
      isShown,
      after: flags.after,
      timeoutMs: flags.timeout,
      failOnHold: flags.failOnHold ?? false,
    });
  });
};

interface Verb {
  readonly name: RolloutCommand;
  readonly summary: string;
  readonly description: string;
  /** What to do next, given the rollout as it was before and is after, and the reason that was given. */
  readonly done: (after: RolloutView, before: RolloutView, reason: string) => string;
}

/** Of two who take it back, the second one changes nothing. */
const aborted = ({ id, cause }: RolloutView, _before: RolloutView, reason: string): string => {
  const next = `see it through with: headgate watch ${id}`;
  return cause === null || cause === reason
    ? `it is being taken back; ${next}`
    : `it was being taken back already (${plain(cause)}), so nothing changed and your reason is not recorded; ${next}`;
};

/** Only a person's pause ends by a resume: nobody shall wait for one that a policy holds. */
const resumed = (after: RolloutView, before: RolloutView): string => {
  const wasPaused = before.held?.by === 'person';
  if (after.held?.by === 'policy') {
    const what = wasPaused ? 'the pause is over' : 'nothing was paused by a person';
    const next = `it goes on by itself once that is over, or: headgate promote ${after.id}, headgate abort ${after.id}`;
    return `${what}; it is held by a policy: ${plain(after.held.reason)}; ${next}`;
  }
  return `${wasPaused ? '' : 'it was not paused; '}follow it with: headgate watch ${after.id}`;
};

const VERBS: readonly Verb[] = [
  {
    name: 'pause',
    summary: 'stop a rollout from advancing',
    description:
      'Stops all tracks from advancing. Guardrails go on being evaluated, and it is still rolled back when they fail.',
    done: ({ id }) => `it advances no further; let it go on with: headgate resume ${id}`,
  },
  {
    name: 'resume',
    summary: 'let a held rollout go on',
    description: 'Lets a rollout that is held go on.',
    done: resumed,
  },
  {
    name: 'promote',
    summary: 'go on to the next stage without waiting',
    description:
      'Goes on to the next stage on your word. It is recorded under your name as a bypass, never as a verdict. ' +
      'In a terminal it asks first; --yes answers.',
    done: ({ id }) => `recorded as your decision, not as a verdict; follow it with: headgate watch ${id}`,
  },
  {
    name: 'abort',
    summary: 'take a rollout back everywhere',
    description: 'Rolls back at once on all targets. It needs no approval and asks nothing but the reason.',
    done: aborted,
  },
];

/** What the rollout was in when it was looked up: a second click must not skip what comes after. */
const stagesSeen = (rollout: RolloutView): readonly string[] =>
  rollout.status === 'watching'
    ? ['watch']
    : rollout.tracks.flatMap(({ name, status, stage }) => {
        if (status === 'in-stage' && stage !== null) return [`${name}/${stage}`];
        // A track that waits for parity can be promoted by its name; without one nothing but stages is meant.
        return status === 'waiting' && rollout.parity.some(({ track }) => track === name) ? [`${name}/parity`] : [];
      });

interface VerbFlags {
  readonly reason?: string;
  readonly ifVersion?: number;
  readonly track?: string;
  /** In ms. */
  readonly for?: number;
}

const addVerb = (program: Command, invocation: Invocation, verb: Verb): void => {
  const command = program
    .command(`${verb.name} <rollout>`)
    .summary(verb.summary)
    .description(verb.description)
    .option('--reason <text>', 'why; stays in the log for ever')
    .option(
      '--if-version <number>',
      'only if the rollout is still at this version (exit code 6 otherwise)',
      integer(0),
    );
  if (verb.name === 'promote')
    command.option('--track <name>', 'only this track, which may wait for parity; by default all that are in a stage');
  if (verb.name === 'pause') command.option('--for <duration>', 'go on by itself after this time', duration);
  command.action(async (reference: string, flags: VerbFlags) => {
    const rollout = await resolveRollout(invocation.client, reference, 'act');
    const what = `${rollout.config} r${rollout.revision}`;
    const reason = await invocation.reason(flags.reason, `${verb.name} ${what}`);
    if (verb.name === 'promote') await invocation.confirm(`Go on with ${what} without waiting for evidence?`);
    const stages = verb.name === 'promote' ? { stages: [...stagesSeen(rollout)] } : {};
    const until =
      flags.for === undefined ? {} : { until: new Date(invocation.terminal.now() + flags.for).toISOString() };
    const body = { reason, ...stages, ...until, ...(flags.track === undefined ? {} : { track: flags.track }) };
    const after = await invocation.client.command(rollout.id, verb.name, body, { ifVersion: flags.ifVersion });
    invocation.print(answerOf(after));
    invocation.note(verb.done(after, rollout, reason));
  });
};

/** start, status, watch, pause, resume, promote, abort. */
export const addRolloutCommands = (program: Command, invocation: Invocation): void => {
  addStart(program, invocation);
  addStatus(program, invocation);
  addWatch(program, invocation);
  for (const verb of VERBS) addVerb(program, invocation, verb);
};
