import type { Command } from 'commander';
import { Option } from 'commander';
import { RolloutStatus } from '#libs/contracts';
import type { RolloutView } from '#libs/contracts';
import type { RolloutCommand } from '../client.js';
import { renderRollout, renderRollouts } from '../render/rollouts.js';
import { resolveRollout } from '../resolve.js';
import type { Answer, Session } from '../session.js';
import { watchRollout } from '../watch.js';
import { usageError } from '../errors.js';
import { duration, integer } from './arguments.js';

const answerOf = (rollout: RolloutView): Answer => ({
  data: rollout,
  text: (look) => renderRollout(rollout, look),
  names: [`rollout/${rollout.id}`],
});

interface WatchFlags {
  readonly timeout?: number;
  readonly failOnHold?: boolean;
  readonly after?: number;
}

const noNames = (session: Session): void => {
  if (session.format === 'name')
    throw usageError('-o name does not fit watching', { next: 'use -o json for one event per line' });
};

const watchFlags = (command: Command): Command =>
  command
    .option('--timeout <duration>', 'stop watching after this time with exit code 4; the rollout goes on', duration)
    .option('--fail-on-hold', 'stop with exit code 5 when it is held until a person acts');

const addStart = (program: Command, session: Session): void => {
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
    if (flags.watch) noNames(session);
    const reason = await session.reason(flags.reason, `start a rollout of ${config}`);
    const { plan, revision, vetoReason } = flags;
    const rollout = await session.client.start({
      config,
      plan,
      reason,
      ...(revision === undefined ? {} : { revision }),
      ...(vetoReason === undefined ? {} : { vetoReason }),
    });
    if (flags.watch) {
      session.note(`started rollout ${rollout.id} of ${rollout.config} r${rollout.revision}; Ctrl-C only detaches`);
      session.exitCode = await watchRollout(session, rollout, {
        timeoutMs: flags.timeout,
        failOnHold: flags.failOnHold ?? false,
      });
      return;
    }
    session.print(answerOf(rollout));
    session.note(`follow it with: headgate watch ${rollout.id}`);
  });
};

const addStatus = (program: Command, session: Session): void => {
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
          session.print(answerOf(await resolveRollout(session.client, reference, 'read')));
          return;
        }
        const list = await session.client.rollouts(
          { status: flags.status, config: flags.config },
          { limit: flags.limit },
        );
        session.print({
          data: list,
          text: (look) => renderRollouts(list.items, look),
          names: list.items.map(({ id }) => `rollout/${id}`),
        });
        if (list.items.length === 0)
          session.note('no rollouts fit; start one with: headgate start CONFIG --plan PLAN --reason "…"');
        else if (list.nextCursor !== null) session.note(`there are more; raise --limit ${flags.limit}`);
      },
    );
};

const addWatch = (program: Command, session: Session): void => {
  const watch = program
    .command('watch <rollout>')
    .summary('follow a rollout until it ends')
    .description(
      'Follows a rollout and prints only changes: lines for people in a terminal, one JSON event per line when piped or with ' +
        '-o json. Lost connections mend themselves and no event is left out. Ends when the rollout ends; Ctrl-C only detaches.',
    )
    .option('--after <position>', 'begin after this position (0: the first event) instead of now', integer(0));
  watchFlags(watch).action(async (reference: string, flags: WatchFlags) => {
    noNames(session);
    const rollout = await resolveRollout(session.client, reference, 'read');
    const isShown = session.terminal.outIsTty && session.format !== 'json' && session.format !== 'yaml';
    if (isShown) {
      session.terminal.out(`${renderRollout(rollout, session.look)}\n\n`);
    }
    session.exitCode = await watchRollout(session, rollout, {
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
  /** What to do next, given the id. */
  readonly done: (id: string) => string;
}

const VERBS: readonly Verb[] = [
  {
    name: 'pause',
    summary: 'stop a rollout from advancing',
    description:
      'Stops all tracks from advancing. Guardrails go on being evaluated, and it is still rolled back when they fail.',
    done: (id) => `it advances no further; let it go on with: headgate resume ${id}`,
  },
  {
    name: 'resume',
    summary: 'let a held rollout go on',
    description: 'Lets a rollout that is held go on.',
    done: (id) => `follow it with: headgate watch ${id}`,
  },
  {
    name: 'promote',
    summary: 'go on to the next stage without waiting',
    description:
      'Goes on to the next stage on your word. It is recorded under your name as a bypass, never as a verdict. ' +
      'In a terminal it asks first; --yes answers.',
    done: (id) => `recorded as your decision, not as a verdict; follow it with: headgate watch ${id}`,
  },
  {
    name: 'abort',
    summary: 'take a rollout back everywhere',
    description: 'Rolls back at once on all targets. It needs no approval and asks nothing but the reason.',
    done: (id) => `it is being taken back; see it through with: headgate watch ${id}`,
  },
];

const addVerb = (program: Command, session: Session, verb: Verb): void => {
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
  if (verb.name === 'promote') command.option('--track <name>', 'only this track; by default all');
  command.action(async (reference: string, flags: { reason?: string; ifVersion?: number; track?: string }) => {
    const rollout = await resolveRollout(session.client, reference, 'act');
    const what = `${rollout.config} r${rollout.revision}`;
    const reason = await session.reason(flags.reason, `${verb.name} ${what}`);
    if (verb.name === 'promote') await session.confirm(`Go on with ${what} without waiting for evidence?`);
    const body = { reason, ...(flags.track === undefined ? {} : { track: flags.track }) };
    const after = await session.client.command(rollout.id, verb.name, body, { ifVersion: flags.ifVersion });
    session.print(answerOf(after));
    session.note(verb.done(rollout.id));
  });
};

/** start, status, watch, pause, resume, promote, abort. */
export const addRolloutCommands = (program: Command, session: Session): void => {
  addStart(program, session);
  addStatus(program, session);
  addWatch(program, session);
  for (const verb of VERBS) addVerb(program, session, verb);
};
