import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { JSX } from 'react';
import type { OpenChange, RolloutView } from '#libs/contracts';
import { useSession } from '../../api/session.js';
import { Read } from '../../parts/states.js';
import { Time } from '../../parts/time.js';
import { plural, showShare } from '../../words/format.js';
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
      {statusWords(change.status, change.held !== null)}, by {change.actor} since <Time at={change.startedAt} />
      {change.endedAt === null ? '' : ', ended before'}
      <span className="dim">
        {shared.length === 0
          ? ': on none of these targets'
          : `: ${shared.map(({ target, shareBp }) => `${target} ${showShare(shareBp)}`).join(', ')}`}
      </span>
    </li>
  );
};

const MOST = 8;

/** Which other changes could have caused the same: in flight, watched, or ended in the three days before. */
export const OpenBeside = ({ rollout }: { readonly rollout: RolloutView }): JSX.Element => {
  const { api } = useSession();
  const at = momentOf(rollout);
  const open = useQuery({
    queryKey: ['open', at],
    queryFn: () => api.openChanges(at === undefined ? {} : { at }),
    staleTime: Number.POSITIVE_INFINITY,
  });
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
