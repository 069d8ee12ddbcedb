import { Link } from '@tanstack/react-router';
import type { JSX } from 'react';
import type { OpenChange, RolloutView } from '#libs/contracts';
import { useOpenChanges } from '../../api/queries.js';
import { Read } from '../../parts/states.js';
import { Time } from '../../parts/time.js';
import { plural } from '../../words/format.js';
import { exposuresIn } from '../../words/open.js';
import { statusWords } from '../../words/status.js';

/** When harm was shown, or when it ended by a decision. */
const momentOf = ({ verdicts, endedAt }: RolloutView): string | undefined =>
  verdicts.find(({ verdict, shadow }) => verdict === 'fail' && !shadow)?.at ?? endedAt ?? undefined;

const sharedWith = (rollout: RolloutView, change: OpenChange): OpenChange['exposures'] =>
  change.exposures.filter((exposure) => rollout.targets.some(({ target }) => target === exposure.target));

const Other = ({ change, rollout }: { readonly change: OpenChange; readonly rollout: RolloutView }): JSX.Element => {
  const shared = sharedWith(rollout, change);
  return (
    <li className="wrap">
      <Link to="/rollouts/$id" params={{ id: change.rollout }}>
        {change.config} r{change.revision}
      </Link>{' '}
      {statusWords(change.status, change.held !== null)}{' '}
      {change.endedAt === null ? (
        <>
          since <Time at={change.startedAt} />
        </>
      ) : (
        <>
          at <Time at={change.endedAt} />
        </>
      )}{' '}
      by {change.actor}:{' '}
      <span className="dim">{shared.length === 0 ? 'on none of these targets' : exposuresIn(shared)}</span>
    </li>
  );
};

const MOST = 8;

/** Which other changes could have caused the same: in flight, watched, or ended in the three days before. */
export const OpenBeside = ({ rollout }: { readonly rollout: RolloutView }): JSX.Element => {
  const at = momentOf(rollout);
  const open = useOpenChanges({ at });
  return (
    <section className="panel section" aria-label="Open beside it">
      <h2>Open beside it</h2>
      <Read of={open} lines={2}>
        {({ items, more }) => {
          const others = items
            .filter((change) => change.rollout !== rollout.id)
            .toSorted((a, b) => sharedWith(rollout, b).length - sharedWith(rollout, a).length);
          if (others.length === 0)
            return (
              <p className="dim">No other change was in flight, watched, or had ended in the three days before.</p>
            );
          const rest = others.length - MOST;
          return (
            <>
              <ul className="small" style={{ margin: 0, paddingLeft: 18 }}>
                {others.slice(0, MOST).map((change) => (
                  <Other key={change.rollout} change={change} rollout={rollout} />
                ))}
              </ul>
              {rest > 0 || more ? (
                <span className="small dim">
                  {rest > 0 ? `${plural(rest, 'change')} more; ` : ''}
                  <code>headgate open --at {at}</code> lists all.
                </span>
              ) : null}
            </>
          );
        }}
      </Read>
    </section>
  );
};
