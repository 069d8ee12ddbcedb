import { Link } from '@tanstack/react-router';
import type { JSX, ReactNode } from 'react';
import type { EventView } from '#libs/contracts';
import { eventLook } from '../words/status.js';
import { Shape } from './mark.js';
import { Time } from './time.js';

const isPerson = ({ actor }: EventView): boolean => actor.kind !== 'automation';

/** Who did it and why; the controller itself is named only where nothing else is. */
export const WhoAndWhy = ({ event }: { readonly event: EventView }): JSX.Element | null =>
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
      {event.reason === null ? null : <q>{event.reason}</q>}
    </span>
  ) : null;

/** One event in a log: when, what, who and why. */
export const EventLine = ({ event, more }: { readonly event: EventView; readonly more?: ReactNode }): JSX.Element => {
  const { tone, mark } = eventLook(event.type);
  return (
    <li>
      <span className="when dim small">
        <Time at={event.occurredAt} />
      </span>
      <span className={tone}>
        <Shape mark={mark} />
      </span>
      <span className="wrap">
        <Link
          to="/history"
          search={{ event: event.eventId }}
          className="plain"
          title={`#${event.position} ${event.type}`}
        >
          {event.summary}
        </Link>{' '}
        <WhoAndWhy event={event} />
      </span>
      {more}
    </li>
  );
};
