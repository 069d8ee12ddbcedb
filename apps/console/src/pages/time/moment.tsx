import { Button, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useMemo, useState, type JSX } from 'react';
import type { EventView } from '#libs/contracts';
import { wordsOf } from '../../api/problem.js';
import { useSession } from '../../api/session.js';
import { useKeys } from '../../app/keys.js';
import { Shape } from '../../parts/mark.js';
import { eventLook } from '../../words/status.js';

const STEP_MS = 650;

type Go = (position: number) => void;

/** What people remember a moment by, along the slider. Keys and aids have the slider and the history instead. */
export const Marks = ({
  head,
  marks,
  onGo,
}: {
  readonly head: number;
  readonly marks: readonly EventView[];
  readonly onGo: Go;
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
export const LastEvent = ({ position }: { readonly position: number }): JSX.Element => {
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

export const Jump = ({ onGo }: { readonly onGo: Go }): JSX.Element => {
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

/** Event by event, by hand or by itself. */
export const Player = ({
  head,
  at,
  onGo,
}: {
  readonly head: number;
  readonly at: number;
  readonly onGo: Go;
}): JSX.Element => {
  const [isPlaying, setPlaying] = useState(false);
  useEffect(() => {
    if (!isPlaying) return undefined;
    if (at >= head) return setPlaying(false);
    const timer = setTimeout(() => onGo(at + 1), STEP_MS);
    return () => clearTimeout(timer);
  }, [isPlaying, at, head, onGo]);
  const back = (): void => onGo(Math.max(0, at - 1));
  const on = (): void => onGo(Math.min(head, at + 1));
  const keys = useMemo(() => ({ ArrowLeft: back, ArrowRight: on }), [at, head, onGo]);
  useKeys(keys);
  return (
    <span className="row">
      <Button variant="default" onClick={back} disabled={at === 0} aria-label="One event back">
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
      <Button variant="default" onClick={on} disabled={at >= head} aria-label="One event on">
        →
      </Button>
    </span>
  );
};
