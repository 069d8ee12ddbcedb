import { Link } from '@tanstack/react-router';
import type { JSX, ReactNode } from 'react';
import type { EventView } from '#libs/contracts';
import { useBoard } from '../api/queries.js';
import { eventLook } from '../words/status.js';
import { Shape } from './mark.js';
import { Time } from './time.js';

const isPerson = ({ actor }: EventView): boolean => actor.kind !== 'automation';

/** Who did it and why; the controller itself is named only where nothing else is. */
const WhoAndWhy = ({ event }: { readonly event: EventView }): JSX.Element | null =>
  isPerson(event) || event.reason !== null ? (
    <span className="dim small wrap">
      {isPerson(event) ? (
        <>
          by{' '}
          <Link to="/history" search={{ actor: event.actor.name }} className="plain">
            <b>{event.actor.name}</b>
          </Link>
        </>
      ) : null}
      {isPerson(event) && event.reason !== null ? ': ' : null}
      {event.reason === null ? null : <q>{event.reason}</q>}
    </span>
  ) : null;

/** The change that an event belongs to. */
export const rolloutOf = ({ stream, data }: EventView): string | undefined => {
  if (stream.startsWith('rollout-')) return stream.slice('rollout-'.length);
  const named = typeof data === 'object' && data !== null && 'rollout' in data ? data.rollout : undefined;
  return typeof named === 'string' ? named : undefined;
};

/** Which change an event belongs to, where its words do not say it. */
const Subject = ({ event }: { readonly event: EventView }): JSX.Element | null => {
  const board = useBoard().data;
  const id = rolloutOf(event);
  if (id === undefined) return null;
  const known = [...(board?.running ?? []), ...(board?.ended ?? [])].find((rollout) => rollout.id === id);
  if (known && event.summary.startsWith(`${known.config} r${known.revision} `)) return null;
  return (
    <>
      <Link to="/rollouts/$id" params={{ id }} className="plain small mark pill calm">
        {known ? `${known.config} r${known.revision}` : `rollout …${id.slice(-6)}`}
      </Link>{' '}
    </>
  );
};

type Props = {
  readonly event: EventView;
  /** Whether it says which change it belongs to; in the log of one change that is clear. */
  readonly hasSubject?: boolean;
  /** Whether its words lead to all that is recorded of it. */
  readonly isLink?: boolean;
  /** The day that stands above it. */
  readonly day?: string | undefined;
  readonly children?: ReactNode;
};

/** One event: when, what, who and why. */
export const EventLine = ({ event, hasSubject = false, isLink = true, day, children }: Props): JSX.Element => {
  const { tone, mark } = eventLook(event);
  return (
    <li>
      <span className="when dim small">
        <Time at={event.occurredAt} day={day ?? ''} />
      </span>
      <span className={tone}>
        <Shape mark={mark} />
      </span>
      <span className="wrap">
        {hasSubject ? <Subject event={event} /> : null}
        {isLink ? (
          <Link
            to="/history"
            search={{ event: event.eventId }}
            className="plain"
            title={`#${event.position} ${event.type}`}
          >
            {event.summary}
          </Link>
        ) : (
          event.summary
        )}{' '}
        <WhoAndWhy event={event} />
      </span>
      {children}
    </li>
  );
};
