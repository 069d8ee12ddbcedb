import { SegmentedControl, Slider } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useState, type JSX } from 'react';
import type { AtView, EventView } from '#libs/contracts';
import { useAt, useBoard } from '../../api/queries.js';
import { useSession } from '../../api/session.js';
import type { TimeSearch } from '../../app/search.js';
import { Empty, Loading, Read, Trouble } from '../../parts/states.js';
import { Time } from '../../parts/time.js';
import { Arrivals } from './arrivals.js';
import { AtMatrix } from './at-matrix.js';
import { betweenMoments, Compare } from './compare.js';
import { OpenThen } from './open-changes.js';
import { Jump, LastEvent, Marks, Player } from './moment.js';

/** What people remember a moment by. */
const LANDMARKS = 'RolloutStarted,RollbackStarted,RolledBack,RolloutSettled,RolloutSuperseded';
const MOST_MARKS = 200;
const REST_MS = 90;

const useSettled = (value: number): number => {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), REST_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
};

type Controls = {
  readonly head: number;
  readonly at: number;
  readonly search: TimeSearch;
  readonly onChange: (part: TimeSearch) => void;
};

const Moment = ({
  time,
  controls: { head, at, search, onChange },
  marks,
}: {
  readonly time: string | null;
  readonly controls: Controls;
  readonly marks: readonly EventView[];
}): JSX.Element => {
  const [go] = useState(() => (position: number) => onChange({ at: position }));
  return (
    <section className="panel stack" aria-label="Moment">
      <div className="row between">
        <div>
          <span className="big" style={{ fontSize: '1.3rem', fontWeight: 700 }}>
            {time === null ? 'The beginning' : <Time at={time} />}
          </span>{' '}
          <span className="dim">
            #{at} of {head}
          </span>
          <div>
            <LastEvent position={at} />
          </div>
        </div>
        <span className="row" style={{ alignItems: 'flex-end' }}>
          <Player head={head} at={at} onGo={go} />
          <Jump onGo={go} />
        </span>
      </div>
      <div>
        <Marks head={head} marks={marks} onGo={go} />
        <Slider
          min={0}
          max={Math.max(1, head)}
          value={at}
          onChange={go}
          label={(value) => `#${value}`}
          thumbProps={{ 'aria-label': 'Position in the history' }}
          thumbLabel="Position in the history"
        />
      </div>
      <SegmentedControl
        aria-label="What counts"
        data={[
          { value: 'today', label: 'as it was' },
          { value: 'then', label: 'as it was known then' },
        ]}
        value={search.known ?? 'today'}
        onChange={(value) => onChange({ known: value === 'then' ? 'then' : undefined })}
        style={{ alignSelf: 'flex-start' }}
      />
      <p className="small dim">
        {search.known === 'then'
          ? 'Only what had been recorded by then counts: this is what somebody could have known.'
          : 'All that is known today counts, also what was recorded later about that moment.'}
      </p>
    </section>
  );
};

const Whole = ({
  view: today,
  controls,
  marks,
}: {
  readonly view: AtView;
  readonly controls: Controls;
  readonly marks: readonly EventView[];
}): JSX.Element => {
  const { head, search } = controls;
  const then = useAt(today.at === null ? undefined : today.position, today.at ?? undefined);
  const known = then.isPlaceholderData ? undefined : then.data;
  const view = search.known === 'then' ? (known ?? today) : today;
  const { against } = search;
  const before = useAt(against === undefined ? undefined : Math.min(against, head)).data;
  const compared = against === undefined ? undefined : before;
  const changed = new Set(betweenMoments(compared, view).map(({ where, config }) => `${where}/${config}`));
  return (
    <div className="stack">
      <Moment time={today.at} controls={controls} marks={marks} />
      <OpenThen
        at={controls.at >= head ? undefined : (today.at ?? undefined)}
        view={today}
        search={search}
        onChange={controls.onChange}
      />
      {view.targets.length === 0 ? (
        <Empty title="No target was known then" />
      ) : (
        <>
          <AtMatrix view={view} changed={changed} />
          <Arrivals today={today} then={known} />
        </>
      )}
      <Compare view={view} before={compared} at={controls.at} search={search} onChange={controls.onChange} />
    </div>
  );
};

/** The fleet as it was, or as it was known, at any moment; and what differs between two moments or two platforms. */
export const TimePage = (): JSX.Element => {
  const search = useSearch({ from: '/time' });
  const navigate = useNavigate({ from: '/time' });
  const { api } = useSession();
  const board = useBoard();
  const head = board.data?.position ?? 0;
  const wanted = Math.min(search.at ?? head, head);
  const settled = useSettled(wanted);
  const view = useAt(board.data ? settled : undefined);
  const marks = useQuery({
    queryKey: ['landmarks'],
    queryFn: () => api.events({ type: LANDMARKS, order: 'newest', limit: MOST_MARKS }),
    staleTime: 30_000,
  });
  const [change] = useState(
    () =>
      (part: TimeSearch): void =>
        void navigate({ search: (old) => ({ ...old, ...part }), replace: part.at !== undefined }),
  );
  return (
    <div className="stack">
      <title>Time travel · Headgate</title>
      <h1>Time travel</h1>
      {board.error && !board.data ? <Trouble error={board.error} again={() => void board.refetch()} /> : null}
      {board.isPending ? <Loading /> : null}
      {board.data ? (
        <Read of={view}>
          {(read) => (
            <Whole
              view={read}
              controls={{ head, at: wanted, search, onChange: change }}
              marks={marks.data?.items ?? []}
            />
          )}
        </Read>
      ) : null}
    </div>
  );
};
