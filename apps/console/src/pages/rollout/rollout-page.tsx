import { Link, useParams } from '@tanstack/react-router';
import type { JSX } from 'react';
import type { RolloutView } from '#libs/contracts';
import { useConfig, useRollout } from '../../api/queries.js';
import { StateMark } from '../../parts/mark.js';
import { Read } from '../../parts/states.js';
import { Age, Time } from '../../parts/time.js';
import { showDuration } from '../../words/format.js';
import { statusLook } from '../../words/status.js';
import { Actions } from './actions.js';
import { Exposed } from './exposed.js';
import { Log } from './log.js';
import { OpenBeside } from './open-beside.js';
import { Rollback } from './rollback.js';
import { Signals } from './signals.js';
import { Tracks } from './tracks.js';
import { ValueChanges } from './value-changes.js';

const tookMs = ({ startedAt, endedAt }: RolloutView): number | undefined =>
  endedAt === null ? undefined : Date.parse(endedAt) - Date.parse(startedAt);

const isGoingBack = ({ status, tracks }: RolloutView): boolean =>
  status === 'rolling-back' || status === 'rolled-back' || tracks.some((track) => track.status === 'taken-back');

const Facts = ({ rollout }: { readonly rollout: RolloutView }): JSX.Element => {
  const took = tookMs(rollout);
  return (
    <dl className="facts small">
      <dt>why</dt>
      <dd>{rollout.reason === '' ? 'no reason given' : rollout.reason}</dd>
      <dt>started</dt>
      <dd>
        <Time at={rollout.startedAt} /> (<Age at={rollout.startedAt} suffix=" ago" />) by{' '}
        <Link to="/history" search={{ actor: rollout.startedBy }}>
          {rollout.startedBy}
        </Link>
      </dd>
      {rollout.endedAt === null || took === undefined ? null : (
        <>
          <dt>ended</dt>
          <dd>
            <Time at={rollout.endedAt} /> after {showDuration(took)}
          </dd>
        </>
      )}
      <dt>plan</dt>
      <dd>
        <Link to="/configs/$key" params={{ key: `plan/${rollout.plan}` }}>
          {rollout.plan}
        </Link>
        ; a harmless rollout is taken back with a chance of {Number((rollout.alpha * 100).toPrecision(2))}% at most
      </dd>
      {rollout.bypass === null ? null : (
        <>
          <dt>without stages</dt>
          <dd className="warn">{rollout.bypass}</dd>
        </>
      )}
      {rollout.reverts === null ? null : (
        <>
          <dt>takes back</dt>
          <dd>r{rollout.reverts}</dd>
        </>
      )}
      {rollout.cause === null || isGoingBack(rollout) ? null : (
        <>
          <dt>cause</dt>
          <dd>{rollout.cause}</dd>
        </>
      )}
    </dl>
  );
};

/** What it waits for without its hold, which has a line of its own. */
const waitsOf = ({ waitingFor, held }: RolloutView): readonly string[] =>
  held === null ? waitingFor : waitingFor.filter((what) => !` ${what}`.endsWith(` held: ${held.reason}`));

const Waiting = ({ rollout }: { readonly rollout: RolloutView }): JSX.Element | null => {
  const { held } = rollout;
  const waits = waitsOf(rollout);
  if (held === null && waits.length === 0) return null;
  return (
    <section className="panel section" aria-label="What it waits for">
      {held === null ? null : (
        <div className="row">
          <StateMark look={statusLook({ status: 'staging', held })} />
          <span className="wrap">
            {held.reason}
            {held.until === null ? (
              <span className="dim"> until somebody resumes it</span>
            ) : (
              <span className="dim">
                {' '}
                until <Time at={held.until} />
              </span>
            )}
          </span>
        </div>
      )}
      {waits.length === 0 ? null : (
        <>
          <h2>Waits for</h2>
          <ul style={{ margin: 0, paddingLeft: 20 }} aria-live="polite">
            {waits.map((what) => (
              <li key={what} className="wrap">
                {what}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
};

const Head = ({ rollout }: { readonly rollout: RolloutView }): JSX.Element => {
  const config = useConfig(rollout.config).data;
  const controls = [...new Set(rollout.targets.map(({ control }) => control))].toSorted((a, b) => a - b);
  return (
    <section className="panel stack" aria-label="The rollout">
      <div className="row between">
        <div className="row">
          <h1 className="wrap">
            <Link to="/configs/$key" params={{ key: rollout.config }} className="plain">
              {rollout.config}
            </Link>{' '}
            <span className="dim">{controls.map((control) => `r${control}`).join(', ')} →</span> r{rollout.revision}
          </h1>
          <span style={{ fontSize: '1.2rem' }} data-status={rollout.status}>
            <StateMark look={statusLook(rollout)} />
          </span>
        </div>
        <Actions rollout={rollout} />
      </div>
      <div className="two">
        <Facts rollout={rollout} />
        {config ? <ValueChanges config={config} revision={rollout.revision} control={controls[0] ?? 1} /> : <span />}
      </div>
    </section>
  );
};

const Whole = ({ rollout }: { readonly rollout: RolloutView }): JSX.Element => (
  <div className="stack">
    <title>{`${rollout.config} r${rollout.revision}: ${statusLook(rollout).words} · Headgate`}</title>
    <Head rollout={rollout} />
    {isGoingBack(rollout) ? <Rollback rollout={rollout} /> : null}
    <div className="two">
      <div className="stack">
        <Tracks rollout={rollout} />
        <Exposed rollout={rollout.id} />
      </div>
      <div className="stack">
        <Waiting rollout={rollout} />
        {isGoingBack(rollout) ? <OpenBeside rollout={rollout} /> : null}
        <Log rollout={rollout.id} />
      </div>
    </div>
    <Signals rollout={rollout} />
  </div>
);

/** One change on its way over all platforms. */
export const RolloutPage = (): JSX.Element => {
  const { id } = useParams({ from: '/rollouts/$id' });
  return <Read of={useRollout(id)}>{(rollout) => <Whole rollout={rollout} />}</Read>;
};
