import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { JSX } from 'react';
import { useSession } from '../../api/session.js';
import { EventLine } from '../../parts/event-line.js';
import { Read } from '../../parts/states.js';
import { showDay } from '../../words/format.js';

/** What happened to one rollout, newest first; it grows by itself. */
export const Log = ({ rollout }: { readonly rollout: string }): JSX.Element => {
  const { api } = useSession();
  const log = useQuery({
    queryKey: ['log', rollout],
    queryFn: () => api.events({ rollout, order: 'newest', limit: 60 }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const newest = log.data?.items[0];
  const day = newest && showDay(newest.occurredAt);
  return (
    <section className="panel section" aria-label="Log">
      <div className="row between">
        <h2>
          Log <span className="small dim">{day}</span>
        </h2>
        <Link to="/history" search={{ rollout }} className="small">
          all of it
        </Link>
      </div>
      <Read of={log} lines={2}>
        {({ items }) => (
          <div
            role="log"
            aria-live="off"
            aria-label="Events, newest first"
            style={{ maxHeight: 620, overflowY: 'auto' }}
            tabIndex={0}
          >
            <ol className="log">
              {items.map((event) => (
                <EventLine key={event.position} event={event} day={day} />
              ))}
            </ol>
          </div>
        )}
      </Read>
    </section>
  );
};
