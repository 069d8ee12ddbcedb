import type { Command } from 'commander';
import { compareMoments, compareTwoPlatforms, compareTwoTargets, type Difference } from '#libs/contracts';
import type { AtView } from '#libs/contracts';
import type { AtQuery } from '../client.js';
import { usageError } from '../errors.js';
import type { Invocation } from '../invocation.js';
import { checkNamed } from '../named.js';
import { renderAt, renderDifferences } from '../render/at.js';
import { renderExposed } from '../render/exposed.js';
import { renderOpenChanges } from '../render/open-changes.js';
import { resolveRollout } from '../resolve.js';
import { parseMoment } from '../time.js';
import { integer } from './arguments.js';

interface Place {
  readonly target?: string;
  readonly platform?: string;
  readonly config?: string;
}

interface AtFlags extends Place {
  readonly asKnownAt?: string | true;
  readonly instances?: boolean;
  readonly values?: boolean;
}

const viewAt = (invocation: Invocation, text: string, more: Partial<AtQuery> = {}): Promise<AtView> =>
  invocation.client.at({ ...parseMoment(text, invocation.terminal.now()), ...more });

const placeOf = ({ target, platform, config }: Place): Place => ({
  ...(target === undefined ? {} : { target }),
  ...(platform === undefined ? {} : { platform }),
  ...(config === undefined ? {} : { config }),
});

/** The time up to which things count as known; that of the moment itself where the option has no value. */
const knownOf = async (
  { client, terminal }: Invocation,
  time: string,
  flag: string | true | undefined,
): Promise<Partial<AtQuery>> => {
  if (flag === undefined) return {};
  const moment = parseMoment(flag === true ? time : flag, terminal.now());
  if ('time' in moment) return { asKnownAt: moment.time };
  const [event] = (await client.events({}, { after: moment.position - 1, limit: 1 })).items;
  if (event) return { asKnownAt: event.recordedAt };
  throw usageError(`there is no event #${moment.position}`, { next: 'give a time, or a position of the log' });
};

const addAt = (program: Command, invocation: Invocation): void => {
  program
    .command('at <time>')
    .summary('what was asked of each target at a moment, and what had arrived')
    .description(
      'Shows which revision of each config every target was asked to serve at a moment (a time, `10m` for ago, `now`, or a position such as #1042), whether that was delivered and acknowledged, and how drains stood. By default with all that came to be known since; --as-known-at leaves out what was recorded later.',
    )
    .option('--target <name>', 'only this target')
    .option('--platform <name>', 'only this platform')
    .option('--config <name>', 'only this config')
    .option('--as-known-at [time]', 'only what was recorded up to this time (by default the moment itself)')
    .option('--instances', 'also each instance by itself')
    .option('--values', 'also print the documents')
    .action(async (time: string, flags: AtFlags) => {
      const known = await knownOf(invocation, time, flags.asKnownAt);
      const instances = flags.instances ? ({ instances: 'true' } as const) : {};
      const view = await viewAt(invocation, time, { ...placeOf(flags), ...known, ...instances });
      if (view.targets.length === 0) await checkNamed(invocation.client, { target: flags.target });
      invocation.print({
        data: view,
        text: (look) => renderAt(view, flags.values ?? false, look),
        names: view.targets.map((one) => `target/${one.target}`),
      });
    });
};

const momentsOf = (times: readonly string[]): readonly [string, string] => {
  const [before, after = 'now', ...more] = times;
  if (before !== undefined && more.length === 0) return [before, after];
  throw usageError('diff needs two times, --targets A B, or --platforms A B', {
    next: 'for example: headgate diff 1h now',
  });
};

const pairOf = (names: readonly string[], what: 'targets' | 'platforms'): readonly [string, string] => {
  const [a, b, ...more] = names.flatMap((text) => text.split(','));
  if (a !== undefined && b !== undefined && more.length === 0) return [a, b];
  throw usageError(`--${what} takes two ${what}`, { next: `for example: headgate diff --${what} A B` });
};

interface DiffFlags {
  readonly targets?: readonly string[];
  readonly platforms?: readonly string[];
  readonly config?: string;
  readonly at: string;
}

const PAIRS = {
  targets: { compare: compareTwoTargets, nameOf: (target: AtView['targets'][number]) => target.target },
  platforms: { compare: compareTwoPlatforms, nameOf: (target: AtView['targets'][number]) => target.platform },
} as const;

const compareByFlags = async (
  invocation: Invocation,
  times: readonly string[],
  flags: DiffFlags,
): Promise<readonly Difference[]> => {
  const place = placeOf(flags.config === undefined ? {} : { config: flags.config });
  const what = flags.targets === undefined ? 'platforms' : 'targets';
  const names = flags[what];
  if (names === undefined) {
    const [before, after] = momentsOf(times);
    return compareMoments(await viewAt(invocation, before, place), await viewAt(invocation, after, place));
  }
  if (times.length > 0)
    throw usageError(`give two times or --${what} A B, not both`, { next: 'name the moment with --at TIME' });
  const [a, b] = pairOf(names, what);
  const view = await viewAt(invocation, flags.at, place);
  const { compare, nameOf } = PAIRS[what];
  const known = [...new Set(view.targets.map(nameOf))];
  const missing = [a, b].filter((name) => !known.includes(name));
  if (missing.length === 0) return compare(view, a, b);
  const one = what.slice(0, -1);
  throw usageError(`no ${one} ${missing.join(` and no ${one} `)} at that moment`, {
    details: [`${what}: ${known.join(', ') || 'none'}`],
  });
};

const addDiff = (program: Command, invocation: Invocation): void => {
  program
    .command('diff [times...]')
    .summary('what differs between two moments, two targets, or two platforms')
    .description(
      'Compares what was asked of the targets at two moments (the second is `now` by default), or of two targets or platforms at one moment; says since when, by which rollout, by whom and why.',
    )
    .option('--targets <names...>', 'compare two targets instead')
    .option('--platforms <names...>', 'compare two platforms instead')
    .option('--config <name>', 'only this config')
    .option('--at <time>', 'with --targets or --platforms: the moment', 'now')
    .action(async (times: readonly string[], flags: DiffFlags) => {
      const differences = await compareByFlags(invocation, times, flags);
      invocation.print({
        data: { items: differences },
        text: (look) => renderDifferences(differences, look),
        names: differences.map(({ where, config }) => `${where}/${config}`),
      });
    });
};

interface OpenFlags extends Place {
  readonly at: string;
  readonly lookBack: number;
}

const addOpen = (program: Command, invocation: Invocation): void => {
  program
    .command('open')
    .summary('which changes were open on a slice: in flight, watched, or lately ended')
    .description(
      'Lists the rollouts that were in flight or watched at a moment, or had ended lately before it, newest first, each as it was then. The first thing to ask in an incident.',
    )
    .option('--at <time>', 'the moment: a time, 10m (ago), or now', 'now')
    .option('--target <name>', 'only on this target')
    .option('--platform <name>', 'only on this platform')
    .option('--config <name>', 'only of this config')
    .option('--look-back <hours>', 'also those that ended so many hours before', integer(0, 8_784), 72)
    .action(async (flags: OpenFlags) => {
      const moment = parseMoment(flags.at, invocation.terminal.now());
      if ('position' in moment)
        throw usageError('--at takes a time here', { next: 'for example: headgate open --at 2h' });
      const open = await invocation.client.openChanges({
        ...placeOf(flags),
        ...(flags.at === 'now' ? {} : { at: moment.time }),
        lookBackHours: flags.lookBack,
      });
      invocation.print({
        data: open,
        text: (look) => renderOpenChanges(open, look),
        names: open.items.map(({ rollout }) => `rollout/${rollout}`),
      });
      if (open.more) invocation.note('there are more; name a target, a platform or a config');
    });
};

interface ExposedFlags {
  readonly config?: string;
  readonly revision?: number;
  readonly exact?: boolean;
  readonly reason?: string;
}

const exposedTo = async (invocation: Invocation, reference: string | undefined, flags: ExposedFlags) => {
  const { config, revision } = flags;
  if (reference !== undefined && config === undefined && revision === undefined)
    return { rollout: (await resolveRollout(invocation.client, reference, 'read')).id };
  if (reference === undefined && config !== undefined && revision !== undefined) return { config, revision };
  throw usageError('exposed takes a rollout, or --config and --revision', {
    next: 'for example: headgate exposed --config router.context --revision 3',
  });
};

const addExposed = (program: Command, invocation: Invocation): void => {
  program
    .command('exposed [rollout]')
    .summary('who was exposed to a change: requests and units')
    .description(
      'Shows how many requests and distinct units a rollout (or all rollouts of a revision) exposed to its candidate, by platform, target, model and hour. Counts of few units are shown as <5; --exact shows them to an investigator and records it.',
    )
    .option('--config <name>', 'with --revision, instead of a rollout')
    .option('--revision <number>', 'all rollouts of this revision', integer(1))
    .option('--exact', 'counts of few units as well; takes the role investigator')
    .option('--reason <text>', 'why exact counts are needed; it stays in the log for ever')
    .action(async (reference: string | undefined, flags: ExposedFlags) => {
      const of = await exposedTo(invocation, reference, flags);
      const exact = flags.exact ?? false;
      const reason = exact ? await invocation.reason(flags.reason, 'read exact counts') : undefined;
      const view = await invocation.client.exposed(of, { exact, reason });
      invocation.print({
        data: view,
        text: (look) => renderExposed(view, look),
        names: view.targets.map(({ target }) => `target/${target}`),
      });
    });
};

/** at, diff, open, exposed. */
export const addPastCommands = (program: Command, invocation: Invocation): void => {
  addAt(program, invocation);
  addDiff(program, invocation);
  addOpen(program, invocation);
  addExposed(program, invocation);
};
