import { Link } from '@tanstack/react-router';
import type { CSSProperties, JSX } from 'react';
import type { AtView } from '#libs/contracts';
import { ShareBar } from '../../parts/share.js';
import { Time } from '../../parts/time.js';
import { showShare, showValue } from '../../words/format.js';

type At = AtView['targets'][number]['configs'][number];

type Target = Pick<AtView['targets'][number], 'target' | 'acknowledged'>;

/** Since when it was so, and by whom: the question that is asked of a difference. */
const Since = ({ since }: { readonly since: At['since'] }): JSX.Element | null =>
  since === undefined ? null : (
    <span className="under small dim wrap" title={since.reason ?? undefined}>
      since <Time at={since.at} /> by {since.actor}
    </span>
  );

const Cell = ({
  at,
  of: { target, acknowledged },
  isChanged,
}: {
  readonly at: At;
  readonly of: Target;
  readonly isChanged: boolean;
}): JSX.Element => {
  const isTried = at.candidate !== null && at.rollout !== null;
  const inside = (
    <>
      <span className="wrap">{target}</span>
      <span className="big" title={showValue(isTried ? at.candidateValue : at.value)}>
        {isTried ? (
          <>
            <span className="dim">r{at.control}→</span>r{at.candidate} {showShare(at.shareBp)}
          </>
        ) : (
          `r${at.control}`
        )}
      </span>
      {isTried ? (
        <ShareBar askedBp={at.shareBp} thereBp={acknowledged && !acknowledged.later ? at.shareBp : 0} />
      ) : (
        <span />
      )}
      <Since since={at.since} />
    </>
  );
  const classes = `cell ${isChanged ? 'changed' : ''}`;
  return at.rollout === null ? (
    <div className={classes}>{inside}</div>
  ) : (
    <Link to="/rollouts/$id" params={{ id: at.rollout }} className={classes}>
      {inside}
    </Link>
  );
};

/** What every target was to serve at a moment: configs by platforms. */
export const AtMatrix = ({
  view,
  changed,
}: {
  readonly view: AtView;
  readonly changed: ReadonlySet<string>;
}): JSX.Element => {
  const platforms = [...new Set(view.targets.map(({ platform }) => platform))].toSorted();
  const configs = [...new Set(view.targets.flatMap((target) => target.configs.map(({ config }) => config)))].toSorted();
  return (
    <div className="panel tight scroll" tabIndex={0} role="region" aria-label="What was served where">
      <table className="grid matrix" style={{ '--platforms': platforms.length } as CSSProperties}>
        <thead>
          <tr>
            <th scope="col">config</th>
            {platforms.map((platform) => (
              <th key={platform} scope="col">
                {platform}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {configs.map((config) => (
            <tr key={config}>
              <th scope="row" className="wrap">
                <Link to="/configs/$key" params={{ key: config }} className="plain">
                  {config}
                </Link>
              </th>
              {platforms.map((platform) => (
                <td key={platform} data-label={platform}>
                  <div className="cells">
                    {view.targets
                      .filter((target) => target.platform === platform)
                      .flatMap((of) => {
                        const at = of.configs.find((each) => each.config === config);
                        return at
                          ? [<Cell key={of.target} at={at} of={of} isChanged={changed.has(`${of.target}/${config}`)} />]
                          : [];
                      })}
                  </div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
};
