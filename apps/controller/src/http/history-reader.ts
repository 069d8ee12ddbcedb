import {
  actorSubject,
  configSubject,
  eventView,
  rolloutSubject,
  targetSubject,
  type LiveView,
  type Past,
  type PastKeeper,
} from '#libs/application';
import type { EventList, EventView } from '#libs/contracts';
import type { EventStore, RecordedEvent } from '#libs/kernel';
import type { z } from 'zod';
import { matchesFilter, type EventFilter } from './event-filter.js';

const PAGE = 1_000;
/** Events that are looked through for one page where only words or types tell; the cursor goes on from there. */
const MOST_READ = 50_000;
/** Of those that are found by what they tell of, most fit: so many more than were asked for are read at once. */
const FOUND_AT_ONCE = 200;

/** Controllers write under this name, as automation, and of that nothing is noted by name. */
const AUTOMATION = 'headgate';

export type HistoryAsked = EventFilter & {
  readonly after?: number | undefined;
  readonly cursor?: number | undefined;
  readonly limit: number;
  readonly order: 'oldest' | 'newest';
};

/** Positions that are read, both ends excluded. */
type Bounds = { readonly after: number; readonly before: number };

/** What is noted of events by which these can be found; undefined where only the log itself tells. */
const subjectsOf = (filter: EventFilter, view: LiveView): readonly string[] | undefined => {
  const { rollout, config, target, platform, actor, stream } = filter;
  if (rollout !== undefined) return [rolloutSubject(rollout)];
  if (config !== undefined) return [configSubject(config)];
  if (target !== undefined) return [targetSubject(target)];
  const streamed = /^(rollout|config|target)-(.+)$/.exec(stream ?? '');
  if (streamed) return [`${streamed[1]}/${streamed[2]}`];
  if (actor !== undefined && actor !== AUTOMATION) return [actorSubject(actor)];
  if (platform === undefined) return undefined;
  return [...view.fleet.targets.values()]
    .filter((known) => known.platform === platform)
    .map((known) => targetSubject(known.target));
};

/** Pages of the log, by what its events tell of where that can be looked up. */
export class HistoryReader {
  readonly #store: EventStore;
  readonly #view: LiveView;
  readonly #past: Past;
  readonly #keeper: PastKeeper;

  constructor(
    store: EventStore,
    view: LiveView,
    { past, keeper }: { readonly past: Past; readonly keeper: PastKeeper },
  ) {
    this.#store = store;
    this.#view = view;
    this.#past = past;
    this.#keeper = keeper;
  }

  async page(asked: HistoryAsked): Promise<z.output<typeof EventList>> {
    const bounds = await this.#bounds(asked);
    const subjects = subjectsOf(asked, this.#view);
    if (subjects !== undefined) await this.#keeper.reached(this.#view.position);
    const items: EventView[] = [];
    let { after, before } = bounds;
    for (let read = 0; read < MOST_READ && before - 1 > after;) {
      const page = await this.#read(asked, subjects, { after, before });
      for (const event of page.events) {
        if (asked.order === 'newest') before = event.position;
        else after = event.position;
        if (matchesFilter(event, asked, this.#view)) items.push(eventView(event));
        if (items.length === asked.limit) return { items, nextCursor: cursorOf(asked, { after, before }) };
      }
      if (page.isLast) return { items, nextCursor: null };
      read += page.events.length;
    }
    return { items, nextCursor: cursorOf(asked, { after, before }) };
  }

  async #bounds({ after, cursor, order, since, until }: HistoryAsked): Promise<Bounds> {
    const head = await this.#store.head();
    // What is recorded in the very millisecond of `since` is in, in that of `until` it is not.
    const before = (time: string): Promise<number> => this.#past.positionAt(Date.parse(time) - 1);
    const starts = [after ?? 0, ...(order === 'oldest' ? [cursor ?? 0] : [])];
    const ends = [head + 1, ...(order === 'newest' && cursor !== undefined ? [cursor] : [])];
    if (since !== undefined) starts.push(await before(since));
    if (until !== undefined) ends.push((await before(until)) + 1);
    return { after: Math.max(...starts), before: Math.min(...ends) };
  }

  async #read(
    { order, limit }: HistoryAsked,
    subjects: readonly string[] | undefined,
    { after, before }: Bounds,
  ): Promise<{ readonly events: readonly RecordedEvent[]; readonly isLast: boolean }> {
    const inOrder = (events: readonly RecordedEvent[]) => (order === 'newest' ? events.toReversed() : events);
    if (subjects !== undefined) {
      const most = Math.min(PAGE, Math.max(limit, FOUND_AT_ONCE));
      const positions = await this.#past.mentioned({ subjects, after, before, order, limit: most });
      return { events: inOrder(await this.#store.readPositions(positions)), isLast: positions.length < most };
    }
    const from = order === 'newest' ? Math.max(after, before - 1 - PAGE) : after;
    const events = await this.#store.readAll({ after: from, limit: Math.min(PAGE, before - 1 - from) });
    return { events: inOrder(events), isLast: events.length === 0 };
  }
}

/** Null where nothing lies between the two any more. */
const cursorOf = ({ order }: HistoryAsked, { after, before }: Bounds): string | null => {
  if (before - 1 <= after) return null;
  return String(order === 'newest' ? before : after);
};
