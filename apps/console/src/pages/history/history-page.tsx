import { Button, SegmentedControl } from '@mantine/core';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useState, type JSX } from 'react';
import { treeOf, type EventView } from '#libs/contracts';
import type { EventQuery } from '../../api/client.js';
import { useLive } from '../../api/live.js';
import { useSession } from '../../api/session.js';
import type { HistorySearch } from '../../app/search.js';
import { Empty, Loading, Trouble } from '../../parts/states.js';
import { plural, showDay } from '../../words/format.js';
import { EventRow } from './event-row.js';
import { Export } from './export.js';
import { Filters } from './filters.js';
import { Seal } from './proof.js';
import { Tree } from './tree.js';

const PAGE = 60;

/** A day of the viewer's zone as moments. */
const momentsOf = ({ since, until, ...rest }: Omit<HistorySearch, 'as'>): EventQuery => ({
  ...rest,
  ...(since === undefined ? {} : { since: new Date(`${since}T00:00:00`).toISOString() }),
  ...(until === undefined ? {} : { until: new Date(Date.parse(`${until}T00:00:00`) + 86_400_000).toISOString() }),
});

const byDay = (events: readonly EventView[]): readonly (readonly [string, readonly EventView[]])[] => {
  const days = new Map<string, EventView[]>();
  for (const event of events) {
    const day = showDay(event.occurredAt);
    days.set(day, [...(days.get(day) ?? []), event]);
  }
  return [...days];
};

/** How many events have come since the list was read; it does not move under who reads it. */
const useNewer = (key: string): readonly [number, () => void] => {
  const { onEvent } = useLive();
  const [count, setCount] = useState(0);
  useEffect(() => setCount(0), [key]);
  useEffect(() => onEvent(() => setCount((before) => before + 1)), [onEvent]);
  return [count, () => setCount(0)];
};

const Days = ({
  events,
  openId,
}: {
  readonly events: readonly EventView[];
  readonly openId: string | undefined;
}): JSX.Element => (
  <>
    {byDay(events).map(([day, items]) => (
      <section key={day} className="panel section" aria-label={day}>
        <h2>
          {new Date(`${day}T12:00:00`).toLocaleDateString(undefined, {
            weekday: 'long',
            year: 'numeric',
            month: 'long',
            day: 'numeric',
          })}
        </h2>
        <ol className="log long">
          {items.map((event) => (
            <EventRow key={event.position} event={event} day={day} isFirstOpen={event.eventId === openId} />
          ))}
        </ol>
      </section>
    ))}
  </>
);

/** Who changed what, when and why: the log, newest first, with an address for every question. */
export const HistoryPage = (): JSX.Element => {
  const search = useSearch({ from: '/history' });
  const navigate = useNavigate({ from: '/history' });
  const { api } = useSession();
  const { as, ...asked } = search;
  const query = momentsOf(asked);
  const key = JSON.stringify(query);
  const [newer, forget] = useNewer(key);
  const log = useInfiniteQuery({
    queryKey: ['history', key],
    queryFn: ({ pageParam }) => api.events({ ...query, order: 'newest', limit: PAGE, cursor: pageParam }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
    // What was opened stays open while the question is made narrower.
    placeholderData: keepPreviousData,
  });
  const events = log.data?.pages.flatMap(({ items }) => items) ?? [];
  const isFiltered = Object.values(asked).some((value) => value !== undefined);
  return (
    <div className="stack">
      <title>History · Headgate</title>
      <div className="row between">
        <h1>History</h1>
        <Export query={query} />
      </div>
      <Filters search={asked} onChange={(next) => void navigate({ search: { ...next, as } })} />
      <div className="row between">
        <SegmentedControl
          aria-label="How to show it"
          data={[
            { value: 'list', label: 'Newest first' },
            { value: 'tree', label: 'What set off what' },
          ]}
          value={as === 'tree' ? 'tree' : 'list'}
          onChange={(next) => void navigate({ search: { ...asked, as: next === 'tree' ? 'tree' : undefined } })}
        />
        <Seal />
      </div>
      {newer > 0 ? (
        <Button
          variant="light"
          onClick={() => {
            forget();
            void log.refetch();
          }}
        >
          {plural(newer, 'event')} since: show
        </Button>
      ) : null}
      {log.isPending ? <Loading /> : null}
      {log.error && events.length === 0 ? <Trouble error={log.error} again={() => void log.refetch()} /> : null}
      {log.data && events.length === 0 && !log.hasNextPage ? (
        <Empty title={isFiltered ? 'Nothing fits' : 'Nothing has happened yet'}>
          {isFiltered ? (
            <Link to="/history" search={{}}>
              See everything
            </Link>
          ) : (
            'The first manifest that is applied is the first event.'
          )}
        </Empty>
      ) : null}
      {as === 'tree' ? <Tree roots={treeOf(events.toReversed())} /> : <Days events={events} openId={search.event} />}
      {log.hasNextPage ? (
        <Button variant="default" loading={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
          Older
        </Button>
      ) : null}
    </div>
  );
};
