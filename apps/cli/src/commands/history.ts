import type { Command } from 'commander';
import { EVENT_TYPES } from '#libs/contracts';
import type { EventView } from '#libs/contracts';
import type { EventFilter } from '../client.js';
import { usageError } from '../errors.js';
import { plain } from '../format.js';
import { checkNamed } from '../named.js';
import { nearTo } from '../near.js';
import { renderHistory, renderTree } from '../render/events.js';
import { resolveRollout } from '../resolve.js';
import type { Invocation } from '../invocation.js';
import { parseMoment } from '../time.js';
import { integer } from './arguments.js';

interface HistoryFlags {
  readonly rollout?: string;
  readonly config?: string;
  readonly target?: string;
  readonly platform?: string;
  readonly actor?: string;
  readonly type?: string;
  readonly stream?: string;
  readonly search?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: number;
  readonly tree?: boolean;
}

const USUALLY = 50;

/** A type that no event has would find nothing, which reads as if nothing had happened. */
const checkType = (type: string): void => {
  if (EVENT_TYPES.includes(type)) return;
  const near = nearTo(type, EVENT_TYPES);
  throw usageError(`no event has the type "${plain(type)}"`, {
    details: [near.length > 0 ? `did you mean ${near.join(', ')}?` : `types: ${EVENT_TYPES.join(', ')}`],
  });
};

type Asked = { readonly filter: EventFilter; readonly after: number | undefined };

const askedFor = async ({ client, terminal }: Invocation, flags: HistoryFlags): Promise<Asked> => {
  if (flags.type !== undefined) for (const type of flags.type.split(',')) checkType(type);
  const rollout = flags.rollout === undefined ? undefined : (await resolveRollout(client, flags.rollout, 'read')).id;
  const since = flags.since === undefined ? undefined : parseMoment(flags.since, terminal.now());
  const until = flags.until === undefined ? undefined : parseMoment(flags.until, terminal.now());
  if (until && 'position' in until) throw usageError('--until takes a time', { next: 'for example: --until 1h' });
  const { config, target, platform, actor, type, stream, search: q } = flags;
  return {
    filter: {
      rollout,
      config,
      target,
      platform,
      actor,
      type,
      stream,
      q,
      since: since && 'time' in since ? since.time : undefined,
      until: until?.time,
    },
    after: since && 'position' in since ? since.position : undefined,
  };
};

/** The newest that fit, oldest first, and whether there are older ones. */
const newest = async (
  events: AsyncIterable<EventView>,
  limit: number,
): Promise<{ readonly kept: readonly EventView[]; readonly isMore: boolean }> => {
  const kept: EventView[] = [];
  for await (const event of events) {
    if (kept.length === limit) return { kept: kept.toReversed(), isMore: true };
    kept.push(event);
  }
  return { kept: kept.toReversed(), isMore: false };
};

/** Every event that fits, as it comes: as many as there are, without holding them. */
const stream = async (invocation: Invocation, { filter, after }: Asked, limit: number): Promise<void> => {
  let count = 0;
  for await (const event of invocation.client.allEvents(filter, after)) {
    if (count === limit) break;
    invocation.terminal.out(`${JSON.stringify(event)}\n`);
    count += 1;
  }
};

const show = async (invocation: Invocation, flags: HistoryFlags): Promise<void> => {
  const asked = await askedFor(invocation, flags);
  if (invocation.format === 'ndjson') return stream(invocation, asked, flags.limit ?? Number.POSITIVE_INFINITY);
  const { kept, isMore } = await newest(
    invocation.client.newestEvents(asked.filter, asked.after),
    flags.limit ?? USUALLY,
  );
  if (kept.length === 0) await checkNamed(invocation.client, asked.filter);
  invocation.print({
    data: { items: kept, nextCursor: kept.length === 0 ? null : String(kept.at(-1)?.position) },
    text: (look) => (flags.tree ? renderTree(kept, look) : renderHistory(kept, look)),
    names: kept.map((event) => `event/${event.position}`),
  });
  if (kept.length === 0) invocation.note('no events fit');
  else if (isMore)
    invocation.note('older events fit too; raise --limit, narrow the filters, or take them all: -o ndjson');
};

/** history */
export const addHistoryCommand = (program: Command, invocation: Invocation): void => {
  program
    .command('history')
    .summary('who changed what, when and why')
    .description(
      'Shows the newest events of the log, oldest first; all filters that are given must fit. With -o ndjson all that fit, one a line, as they come.',
    )
    .option('--rollout <rollout>', 'only this rollout (id, unique beginning, or config)')
    .option('--config <name>', 'only this config')
    .option('--target <name>', 'only this target')
    .option('--platform <name>', 'only targets of this platform')
    .option('--actor <name>', 'only what this person or token did')
    .option('--type <types>', 'only events of these types, such as RolloutStarted,RolloutSettled')
    .option('--stream <stream>', 'only this stream, such as target-api-tpu')
    .option('--search <words>', 'only where the summary, the reason or the name has these words')
    .option('--since <time>', 'only from this time on: 10m, 2025-08-29T14:00, or after a position such as #1042')
    .option('--until <time>', 'only before this time')
    .option('--limit <number>', `at most so many, the newest (${USUALLY})`, integer(1, 1_000_000))
    .option('--tree', 'what set off what')
    .action((flags: HistoryFlags) => show(invocation, flags));
};
