import type { Command } from 'commander';
import { compareMoments, compareTwoTargets, EVENT_TYPES, type Difference } from '#libs/contracts';
import type { AtView, EventView } from '#libs/contracts';
import type { EventFilter, HeadgateClient } from '../client.js';
import { usageError } from '../errors.js';
import { plain } from '../format.js';
import { checkNamed } from '../named.js';
import { nearTo } from '../near.js';
import { renderAt, renderDifferences } from '../render/at.js';
import { renderHistory } from '../render/events.js';
import { orUndefined, resolveRollout } from '../resolve.js';
import type { Invocation } from '../invocation.js';
import { parseMoment } from '../time.js';
import { integer } from './arguments.js';

interface HistoryFlags {
  readonly rollout?: string;
  readonly config?: string;
  readonly target?: string;
  readonly type?: string;
  readonly stream?: string;
  readonly since?: string;
  readonly limit: number;
}

/** The position of the last event at a moment; 0 where the controller cannot say, so that nothing is left out. */
const positionAt = async (client: HeadgateClient, text: string, now: number): Promise<number> => {
  const moment = parseMoment(text, now);
  if ('position' in moment) return moment.position;
  return (await orUndefined(client.at(moment)))?.position ?? 0;
};

/** The log is read forwards and the newest are wanted: without filters the place to begin can be computed, since no position is left out. */
const startOf = async (
  client: HeadgateClient,
  filter: EventFilter,
  flags: HistoryFlags,
  now: number,
): Promise<number> => {
  if (flags.since !== undefined) return positionAt(client, flags.since, now);
  if (Object.values(filter).some((value) => value !== undefined)) return 0;
  return Math.max(0, (await positionAt(client, 'now', now)) - flags.limit);
};

const newest = async (
  events: AsyncIterable<EventView>,
  limit: number,
): Promise<{ kept: EventView[]; dropped: number }> => {
  const kept: EventView[] = [];
  let dropped = 0;
  for await (const event of events) {
    kept.push(event);
    if (kept.length > limit * 2) dropped += kept.splice(0, kept.length - limit).length;
  }
  dropped += kept.splice(0, Math.max(0, kept.length - limit)).length;
  return { kept, dropped };
};

/** A type that no event has would find nothing, which reads as if nothing had happened. */
const checkType = (type: string): void => {
  if (EVENT_TYPES.includes(type)) return;
  const near = nearTo(type, EVENT_TYPES);
  throw usageError(`no event has the type "${plain(type)}"`, {
    details: [near.length > 0 ? `did you mean ${near.join(', ')}?` : `types: ${EVENT_TYPES.join(', ')}`],
  });
};

const addHistory = (program: Command, invocation: Invocation): void => {
  program
    .command('history')
    .summary('who changed what, when and why')
    .description('Shows the newest events of the log, oldest first; all filters that are given must fit.')
    .option('--rollout <rollout>', 'only this rollout (id, unique beginning, or config)')
    .option('--config <name>', 'only this config')
    .option('--target <name>', 'only this target')
    .option('--type <type>', 'only events of this type, such as RolloutStarted')
    .option('--stream <stream>', 'only this stream, such as target-api-tpu')
    .option('--since <time>', 'only after this time: 10m, 2025-08-29T14:00, or a position such as #1042')
    .option('--limit <number>', 'at most so many, the newest', integer(1, 10_000), 50)
    .action(async (flags: HistoryFlags) => {
      if (flags.type !== undefined) checkType(flags.type);
      const { client } = invocation;
      const rollout =
        flags.rollout === undefined ? undefined : (await resolveRollout(client, flags.rollout, 'read')).id;
      const { config, target, type, stream } = flags;
      const filter: EventFilter = { rollout, config, target, type, stream };
      const after = await startOf(client, filter, flags, invocation.terminal.now());
      const { kept, dropped } = await newest(client.allEvents(filter, after), flags.limit);
      if (kept.length === 0) await checkNamed(client, filter);
      invocation.print({
        data: { items: kept, nextCursor: kept.length === 0 ? null : String(kept.at(-1)?.position) },
        text: (look) => renderHistory(kept, look),
        names: kept.map((event) => `event/${event.position}`),
      });
      if (kept.length === 0) invocation.note('no events fit');
      else if (dropped > 0) invocation.note(`${dropped} older events fit too; raise --limit or narrow the filters`);
    });
};

interface Place {
  readonly target?: string;
  readonly platform?: string;
}

const viewAt = (invocation: Invocation, text: string, place: Place = {}): Promise<AtView> =>
  invocation.client.at({ ...parseMoment(text, invocation.terminal.now()), ...place });

const addAt = (program: Command, invocation: Invocation): void => {
  program
    .command('at <time>')
    .summary('what was asked of each target at a moment')
    .description(
      'Shows which revision of each config every target was asked to serve at a moment: a time, `10m` (ago), `now`, or a position such as #1042.',
    )
    .option('--target <name>', 'only this target')
    .option('--platform <name>', 'only this platform')
    .option('--values', 'also print the documents')
    .action(async (time: string, flags: Place & { values?: boolean }) => {
      const { target, platform, values = false } = flags;
      const view = await viewAt(invocation, time, {
        ...(target === undefined ? {} : { target }),
        ...(platform === undefined ? {} : { platform }),
      });
      if (view.targets.length === 0) await checkNamed(invocation.client, { target });
      invocation.print({
        data: view,
        text: (look) => renderAt(view, values, look),
        names: view.targets.map((one) => `target/${one.target}`),
      });
    });
};

const momentsOf = (times: readonly string[]): readonly [string, string] => {
  const [before, after = 'now', ...more] = times;
  if (before !== undefined && more.length === 0) return [before, after];
  throw usageError('diff needs two times, or --targets A B', { next: 'for example: headgate diff 1h now' });
};

const pairOf = (targets: readonly string[]): readonly [string, string] => {
  const [a, b, ...more] = targets.flatMap((text) => text.split(','));
  if (a !== undefined && b !== undefined && more.length === 0) return [a, b];
  throw usageError('--targets takes two targets', { next: 'for example: headgate diff --targets api-tpu api-gpu' });
};

interface DiffFlags extends Place {
  readonly targets?: readonly string[];
  readonly at: string;
}

const compareByFlags = async (
  invocation: Invocation,
  times: readonly string[],
  flags: DiffFlags,
): Promise<readonly Difference[]> => {
  if (flags.targets === undefined) {
    const [before, after] = momentsOf(times);
    return compareMoments(await viewAt(invocation, before), await viewAt(invocation, after));
  }
  if (times.length > 0)
    throw usageError('give two times or --targets A B, not both', { next: 'name the moment with --at TIME' });
  const [a, b] = pairOf(flags.targets);
  const view = await viewAt(invocation, flags.at);
  const missing = [a, b].filter((name) => !view.targets.some((target) => target.target === name));
  if (missing.length > 0) {
    const known = view.targets.map((target) => target.target).join(', ') || 'none';
    throw usageError(`no target ${missing.join(' and no target ')} at that moment`, { details: [`targets: ${known}`] });
  }
  return compareTwoTargets(view, a, b);
};

const addDiff = (program: Command, invocation: Invocation): void => {
  program
    .command('diff [times...]')
    .summary('what differs between two moments, or two targets')
    .description(
      'Compares what was asked of the targets at two moments (the second is `now` by default), or of two targets at one moment.',
    )
    .option('--targets <names...>', 'compare two targets instead')
    .option('--at <time>', 'with --targets: the moment', 'now')
    .action(async (times: readonly string[], flags: DiffFlags) => {
      const differences = await compareByFlags(invocation, times, flags);
      invocation.print({
        data: { items: differences },
        text: (look) => renderDifferences(differences, look),
        names: differences.map(({ where, config }) => `${where}/${config}`),
      });
    });
};

/** history, at, diff. */
export const addHistoryCommands = (program: Command, invocation: Invocation): void => {
  addHistory(program, invocation);
  addAt(program, invocation);
  addDiff(program, invocation);
};
