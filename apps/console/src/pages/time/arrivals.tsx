import type { CSSProperties, JSX } from 'react';
import type { AtView } from '#libs/contracts';
import { Time } from '../../parts/time.js';
import { plural } from '../../words/format.js';

type TargetAt = AtView['targets'][number];

const Sight = ({ sight, what }: { readonly sight: TargetAt['delivered']; readonly what: string }): JSX.Element => {
  if (!sight) return <span className="dim">nothing heard of it</span>;
  return (
    <span className={sight.later ? 'warn' : ''}>
      {what} {sight.later ? 'only later, at' : 'at'} <Time at={sight.at} />
    </span>
  );
};

const Arrived = ({ target }: { readonly target: TargetAt | undefined }): JSX.Element => {
  if (target === undefined) return <span className="dim">not registered</span>;
  if (target.generation === 0) return <span className="dim">nothing was asked for yet</span>;
  const { acknowledged } = target;
  const by = acknowledged ? ` by ${plural(acknowledged.instances, 'instance')}` : '';
  return (
    <span className="section" style={{ gap: 2 }}>
      <span>
        <Sight sight={target.delivered} what="delivered" />
      </span>
      <span>
        <Sight sight={acknowledged} what={`acknowledged${by}`} />
      </span>
    </span>
  );
};

const Drains = ({ target }: { readonly target: TargetAt }): JSX.Element | null => {
  const drains = target.configs.flatMap(({ config, drain }) => (drain ? [{ config, drain }] : []));
  return drains.length === 0 ? null : (
    <ul className="small" style={{ margin: 0, paddingLeft: 18 }}>
      {drains.map(({ config, drain }) => (
        <li key={config} className={drain.later ? 'warn wrap' : 'wrap'}>
          {config}: {drain.later ? 'only later ' : ''}
          {drain.state} <Time at={drain.at} />
        </li>
      ))}
    </ul>
  );
};

/** Whether what was asked for had arrived: as all that is known today says, and as it was known at the moment itself. */
export const Arrivals = ({
  today,
  then,
}: {
  readonly today: AtView;
  readonly then: AtView | undefined;
}): JSX.Element => (
  <section className="panel section" aria-label="Whether it had arrived">
    <h2>Whether it had arrived</h2>
    <div className="scroll" tabIndex={0} role="region" aria-label="Arrival by target">
      <table className="grid matrix" style={{ '--platforms': 2 } as CSSProperties}>
        <thead>
          <tr>
            <th scope="col">target</th>
            <th scope="col">as it is known today</th>
            <th scope="col">as it was known then</th>
          </tr>
        </thead>
        <tbody>
          {today.targets.map((target) => {
            const known = then?.targets.find((each) => each.target === target.target);
            return (
              <tr key={target.target}>
                <th scope="row" className="wrap">
                  {target.target}
                  <div className="small dim" style={{ fontWeight: 400 }}>
                    generation {target.generation}
                  </div>
                </th>
                <td data-label="as it is known today">
                  <Arrived target={target} />
                  <Drains target={target} />
                </td>
                <td data-label="as it was known then">
                  {then === undefined ? (
                    <span className="dim">…</span>
                  ) : (
                    <>
                      <Arrived target={known} />
                      {known ? <Drains target={known} /> : null}
                    </>
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  </section>
);
