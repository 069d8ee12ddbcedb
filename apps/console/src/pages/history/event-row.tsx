import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState, type JSX } from 'react';
import type { EventView } from '#libs/contracts';
import type { HistorySearch } from '../../app/search.js';
import { Json } from '../../parts/diff.js';
import { EventLine, rolloutOf } from '../../parts/event-line.js';
import { showType, showUtc } from '../../words/format.js';
import { Proof } from './proof.js';

const subjectOf = ({ stream }: EventView): JSX.Element | null => {
  const [, kind, name = ''] = /^(rollout|config|target)-(.+)$/.exec(stream) ?? [];
  if (kind === 'rollout')
    return (
      <Link to="/rollouts/$id" params={{ id: name }}>
        the rollout
      </Link>
    );
  if (kind === 'config')
    return (
      <Link to="/configs/$key" params={{ key: name }}>
        the config
      </Link>
    );
  return kind === 'target' ? (
    <Link to="/history" search={{ target: name }}>
      all of {name}
    </Link>
  ) : null;
};

/** The question whose answer is all of the change, or of the config, that an event belongs to. */
const wholeOf = (event: EventView): HistorySearch | undefined => {
  const rollout = rolloutOf(event);
  if (rollout !== undefined) return { rollout };
  return event.stream.startsWith('config-') ? { config: event.stream.slice('config-'.length) } : undefined;
};

const Details = ({ event }: { readonly event: EventView }): JSX.Element => {
  const whole = wholeOf(event);
  return (
    <div className="stack" style={{ gridColumn: '1 / -1' }}>
      <dl className="facts small">
        <dt>what</dt>
        <dd>
          {showType(event.type)}, event {event.version} of <code>{event.stream}</code>, position #{event.position}
        </dd>
        <dt>who</dt>
        <dd>
          <Link to="/history" search={{ actor: event.actor.name }}>
            {event.actor.name}
          </Link>{' '}
          ({event.actor.kind})
        </dd>
        <dt>why</dt>
        <dd>{event.reason ?? 'no reason given'}</dd>
        <dt>when</dt>
        <dd>
          {showUtc(event.occurredAt)}; recorded {showUtc(event.recordedAt)}
        </dd>
        <dt>cause</dt>
        <dd>
          {event.causationId === null ? null : (
            <>
              <Link to="/history" search={{ event: event.causationId }}>
                what caused it
              </Link>
              ,{' '}
            </>
          )}
          <Link to="/history" search={{ correlation: event.correlationId, as: 'tree' }}>
            all that came with it
          </Link>
          ,{' '}
          <Link to="/history" search={{ event: event.eventId, as: 'tree' }}>
            what it set off
          </Link>
        </dd>
        <dt>see</dt>
        <dd className="row">
          {subjectOf(event)}
          {whole === undefined ? null : (
            <Link to="/history" search={{ ...whole, as: 'tree' }}>
              what set off what in it
            </Link>
          )}
          <Link to="/time" search={{ at: event.position }}>
            the fleet right after it, and what was open
          </Link>
        </dd>
      </dl>
      <Proof event={event} />
      <Json value={event.data} />
    </div>
  );
};

/** One event in words; opened, all that is recorded of it and what it hangs together with. */
export const EventRow = ({
  event,
  day,
  isFirstOpen,
}: {
  readonly event: EventView;
  /** The day that stands above it. */
  readonly day: string;
  readonly isFirstOpen: boolean;
}): JSX.Element => {
  const [isOpen, setOpen] = useState(isFirstOpen);
  return (
    <EventLine event={event} day={day} hasSubject isLink={false}>
      <Button
        size="compact-xs"
        variant="subtle"
        aria-expanded={isOpen}
        aria-label={`Details of #${event.position}`}
        data-stop
        onClick={() => setOpen(!isOpen)}
      >
        #{event.position}
      </Button>
      {isOpen ? <Details event={event} /> : null}
    </EventLine>
  );
};
