import { Button, Slider, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useMemo, useState, type JSX } from 'react';
import { compareMoments, type AtView, type EventView } from '#libs/contracts';
import { useAt, useBoard } from '../../api/queries.js';
import { useSession } from '../../api/session.js';
import { wordsOf } from '../../api/problem.js';
import { useKeys } from '../../app/keys.js';
import { Shape } from '../../parts/mark.js';
import { Empty, Loading, Read, Trouble } from '../../parts/states.js';
import { Time } from '../../parts/time.js';
import { eventLook } from '../../words/status.js';
import { AtMatrix } from './at-matrix.js';
import { Differences } from './differences.js';

/** What people remember a moment by. */
const LANDMARKS = 'RolloutStarted,RollbackStarted,RolledBack,RolloutSettled,RolloutSuperseded';
const MOST_MARKS = 200;
const STEP_MS = 650;
const REST_MS = 90;

const useSettled = (value: number): number => {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), REST_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
};

const Marks = ({
  head,
  marks,
  onGo,
}: {
  readonly head: number;
  readonly marks: readonly EventView[];
  readonly onGo: (at: number) => void;
}): JSX.Element => (
  <div className="ticks" aria-hidden="true">
    {marks.map((event) => {
      const { tone, mark } = eventLook(event);
      return (
        <span
          key={event.position}
          className={tone}
          style={{ left: `${(event.position / Math.max(1, head)) * 100}%`, cursor: 'pointer' }}
          title={`#${event.position} ${event.summary}`}
          onClick={() => onGo(event.position)}
        >
          <Shape mark={mark} />
        </span>
      );
    })}
  </div>
);

/** What was the last to be recorded at a position. */
const LastEvent = ({ position }: { readonly position: number }): JSX.Element => {
  const { api } = useSession();
  const { data } = useQuery({
    queryKey: ['event-at', position],
    queryFn: () => api.events({ after: position - 1, limit: 1 }),
    enabled: position > 0,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: (before) => before,
  });
  const event = data?.items[0];
  if (!event) return <span className="dim">before the first event</span>;
  const { tone, mark } = eventLook(event);
  return (
    <span className="row" style={{ flexWrap: 'nowrap', alignItems: 'baseline' }}>
      <span className={tone}>
        <Shape mark={mark} />
      </span>
      <Link to="/history" search={{ event: event.eventId }} className="plain wrap">
        {event.summary}
      </Link>
    </span>
  );
};

const Jump = ({ onGo }: { readonly onGo: (position: number) => void }): JSX.Element => {
  const { api } = useSession();
  const [error, setError] = useState<string>();
  const go = (text: string): void => {
    if (text === '' || Number.isNaN(Date.parse(text))) return;
    setError(undefined);
    api.at({ time: new Date(text).toISOString() }).then(
      ({ position }) => onGo(position),
      (refused: unknown) => setError(wordsOf(refused)),
    );
  };
  return (
    <TextInput
      type="datetime-local"
      step={1}
      label="Go to a time"
      error={error}
      onChange={(event) => go(event.currentTarget.value)}
    />
  );
};

type Controls = {
  readonly head: number;
  readonly at: number;
  readonly against: number | undefined;
  readonly onGo: (at: number) => void;
  readonly onAgainst: (against: number | undefined) => void;
};

const Player = ({ head, at, onGo }: Pick<Controls, 'head' | 'at' | 'onGo'>): JSX.Element => {
  const [isPlaying, setPlaying] = useState(false);
  useEffect(() => {
    if (!isPlaying) return undefined;
    if (at >= head) return setPlaying(false);
    const timer = setTimeout(() => onGo(at + 1), STEP_MS);
    return () => clearTimeout(timer);
  }, [isPlaying, at, head, onGo]);
  const keys = useMemo(
    () => ({
      ArrowLeft: () => onGo(Math.max(0, at - 1)),
      ArrowRight: () => onGo(Math.min(head, at + 1)),
    }),
    [at, head, onGo],
  );
  useKeys(keys);
  return (
    <span className="row">
      <Button
        variant="default"
        onClick={() => onGo(Math.max(0, at - 1))}
        disabled={at === 0}
        aria-label="One event back"
      >
        ←
      </Button>
      <Button
        onClick={() => {
          if (!isPlaying && at >= head) onGo(0);
          setPlaying(!isPlaying);
        }}
      >
        {isPlaying ? 'Stop' : 'Play'}
      </Button>
      <Button
        variant="default"
        onClick={() => onGo(Math.min(head, at + 1))}
        disabled={at >= head}
        aria-label="One event on"
      >
        →
      </Button>
    </span>
  );
};

const Whole = ({
  view,
  before,
  controls,
  marks,
}: {
  readonly view: AtView;
  readonly before: AtView | undefined;
  readonly controls: Controls;
  readonly marks: readonly EventView[];
}): JSX.Element => {
  const { head, at, against, onGo, onAgainst } = controls;
  const differences = before ? compareMoments(before, view) : [];
  return (
    <div className="stack">
      <section className="panel stack" aria-label="Moment">
        <div className="row between">
          <div>
            <span className="big" style={{ fontSize: '1.3rem', fontWeight: 700 }}>
              {view.at === null ? 'The beginning' : <Time at={view.at} />}
            </span>{' '}
            <span className="dim">
              #{at} of {head}
            </span>
            <div>
              <LastEvent position={at} />
            </div>
          </div>
          <span className="row" style={{ alignItems: 'flex-end' }}>
            <Player head={head} at={at} onGo={onGo} />
            <Jump onGo={onGo} />
          </span>
        </div>
        <div>
          <Marks head={head} marks={marks} onGo={onGo} />
          <Slider
            min={0}
            max={Math.max(1, head)}
            value={at}
            onChange={onGo}
            label={(value) => `#${value}`}
            thumbProps={{ 'aria-label': 'Position in the history' }}
            thumbLabel="Position in the history"
          />
        </div>
        <div className="row">
          {against === undefined ? (
            <Button variant="default" onClick={() => onAgainst(at)}>
              Compare others with this moment
            </Button>
          ) : (
            <>
              <span>
                compared with #{against}
                {before?.at ? (
                  <>
                    {' '}
                    (<Time at={before.at} />)
                  </>
                ) : null}
              </span>
              <Button variant="default" onClick={() => onAgainst(undefined)}>
                Stop comparing
              </Button>
            </>
          )}
        </div>
      </section>
      {against === undefined || !before ? null : <Differences differences={differences} before={against} after={at} />}
      {view.targets.length === 0 ? (
        <Empty title="No target was known then" />
      ) : (
        <AtMatrix view={view} changed={new Set(differences.map(({ where, config }) => `${where}/${config}`))} />
      )}
    </div>
  );
};

/** The fleet as it was at any moment, and what differs between two. */
export const TimePage = (): JSX.Element => {
  const { at, against } = useSearch({ from: '/time' });
  const navigate = useNavigate({ from: '/time' });
  const { api } = useSession();
  const board = useBoard();
  const head = board.data?.position ?? 0;
  const wanted = Math.min(at ?? head, head);
  const settled = useSettled(wanted);
  const view = useAt(board.data ? settled : undefined);
  const before = useAt(board.data && against !== undefined ? Math.min(against, head) : undefined);
  const marks = useQuery({
    queryKey: ['landmarks'],
    queryFn: () => api.events({ type: LANDMARKS, order: 'newest', limit: MOST_MARKS }),
    staleTime: 30_000,
  });
  const [go] = useState(
    () => (position: number) => void navigate({ search: (old) => ({ ...old, at: position }), replace: true }),
  );
  const compare = (position: number | undefined): void =>
    void navigate({ search: (old) => ({ ...old, against: position }) });
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
              before={against === undefined ? undefined : before.data}
              controls={{ head, at: wanted, against, onGo: go, onAgainst: compare }}
              marks={marks.data?.items ?? []}
            />
          )}
        </Read>
      ) : null}
    </div>
  );
};
