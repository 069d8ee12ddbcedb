import { NativeSelect, Tabs } from '@mantine/core';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import type { JSX } from 'react';
import { diffJson, type ConfigView } from '#libs/contracts';
import { useConfig, useRolloutsOf, useTargets } from '../../api/queries.js';
import { useSession } from '../../api/session.js';
import { DiffTable, Json } from '../../parts/diff.js';
import { LinkButton } from '../../parts/link-button.js';
import { StateMark } from '../../parts/mark.js';
import { Read } from '../../parts/states.js';
import { Time } from '../../parts/time.js';
import { showShare } from '../../words/format.js';
import { statusLook } from '../../words/status.js';

type Revision = ConfigView['revisions'][number];

const SERVED = new Set(['quality', 'weights', 'switch']);

const RevisionRow = ({
  revision,
  config,
  isOn,
}: {
  readonly revision: Revision;
  readonly config: ConfigView;
  readonly isOn: boolean;
}): JSX.Element => {
  const liveOn = Object.entries(config.live).flatMap(([target, live]) => (live === revision.revision ? [target] : []));
  return (
    <li className={isOn ? 'stage now' : 'stage'} style={{ flexDirection: 'column' }}>
      <span className="row">
        <Link
          to="/configs/$key"
          params={{ key: config.key }}
          search={{ revision: revision.revision, against: undefined }}
          aria-current={isOn ? 'true' : undefined}
          activeProps={{}}
          data-stop
        >
          <b>r{revision.revision}</b>
        </Link>
        {revision.baseline ? <span className="mark pill calm small">baseline</span> : null}
        {liveOn.length > 0 ? (
          <StateMark look={{ tone: 'good', mark: 'check', words: `live on ${liveOn.length}` }} />
        ) : null}
        {revision.vetoed ? <StateMark look={{ tone: 'bad', mark: 'back', words: 'was rolled back' }} /> : null}
      </span>
      <span className="small dim wrap">
        {revision.author}, {revision.at === '' ? '' : <Time at={revision.at} />}
      </span>
      <span className="small wrap">{revision.reason ?? 'no reason given'}</span>
    </li>
  );
};

const Chosen = ({ config }: { readonly config: ConfigView }): JSX.Element => {
  const { revision, against } = useSearch({ from: '/configs/$key' });
  const navigate = useNavigate();
  const { mayAct } = useSession();
  const newest = config.revisions.length;
  const wanted = config.revisions.find((each) => each.revision === (revision ?? newest));
  if (!wanted) return <p>There is no revision r{revision}.</p>;
  const others = config.revisions.filter((each) => each !== wanted);
  const base = others.find((each) => each.revision === (against ?? wanted.revision - 1));
  return (
    <div className="stack">
      <div className="row between">
        <h2>
          r{wanted.revision}
          {base ? ` against r${base.revision}` : ''}
        </h2>
        <span className="row">
          {others.length === 0 ? null : (
            <NativeSelect
              aria-label="Against"
              size="xs"
              value={base?.revision ?? ''}
              data={[
                ...(base ? [] : [{ value: '', label: 'against nothing' }]),
                ...others.map((each) => ({ value: String(each.revision), label: `against r${each.revision}` })),
              ]}
              onChange={(event) =>
                void navigate({
                  to: '/configs/$key',
                  params: { key: config.key },
                  search: { revision: wanted.revision, against: Number(event.currentTarget.value) },
                })
              }
            />
          )}
          {mayAct && SERVED.has(config.kind) && !config.retired ? (
            <LinkButton
              to="/configs/$key/start"
              params={{ key: config.key }}
              search={{ revision: wanted.revision, plan: undefined }}
              variant="default"
              size="compact-sm"
            >
              Roll r{wanted.revision} out
            </LinkButton>
          ) : null}
        </span>
      </div>
      {base ? (
        <DiffTable
          changes={diffJson(base.value, wanted.value)}
          before={`r${base.revision}`}
          after={`r${wanted.revision}`}
        />
      ) : null}
      <Tabs defaultValue="value">
        <Tabs.List>
          <Tabs.Tab value="value">Value</Tabs.Tab>
          {config.schema === null ? null : <Tabs.Tab value="schema">Schema</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="value" pt="sm">
          <Json value={wanted.value} />
        </Tabs.Panel>
        {config.schema === null ? null : (
          <Tabs.Panel value="schema" pt="sm">
            <Json value={config.schema} />
          </Tabs.Panel>
        )}
      </Tabs>
      <p className="small dim mono wrap">digest {wanted.digest}</p>
    </div>
  );
};

const WhoHasWhat = ({ config }: { readonly config: ConfigView }): JSX.Element => {
  const targets = useTargets().data ?? [];
  const rows = targets.flatMap(({ target, platform, live }) => {
    const own = live.find((each) => each.config === config.key);
    return own ? [{ target, platform, ...own }] : [];
  });
  return (
    <section className="panel section" aria-label="Who has what">
      <h2>Who has what</h2>
      {rows.length === 0 ? <p className="dim">No target serves it.</p> : null}
      <div className="scroll" tabIndex={0} role="region" aria-label="Revisions by target">
        <table className="grid">
          <tbody>
            {rows.map(({ target, platform, control, candidate, shareBp, rollout }) => (
              <tr key={target}>
                <th scope="row" className="wrap">
                  {target} <span className="dim small">{platform}</span>
                </th>
                <td>
                  {candidate === null || rollout === null ? (
                    <>r{control}</>
                  ) : (
                    <Link to="/rollouts/$id" params={{ id: rollout }}>
                      r{candidate} for {showShare(shareBp)}, else r{control}
                    </Link>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
};

const Rollouts = ({ config }: { readonly config: string }): JSX.Element => {
  const rollouts = useRolloutsOf(config).data ?? [];
  return (
    <section className="panel section" aria-label="Rollouts">
      <div className="row between">
        <h2>Rollouts</h2>
        <Link to="/history" search={{ config }} className="small">
          history
        </Link>
      </div>
      {rollouts.length === 0 ? <p className="dim">None yet.</p> : null}
      <ul className="log">
        {rollouts.map((rollout) => (
          <li key={rollout.id} style={{ display: 'flex', flexWrap: 'wrap', gap: 10 }}>
            <Link to="/rollouts/$id" params={{ id: rollout.id }} data-stop>
              r{rollout.revision}
            </Link>
            <StateMark look={statusLook(rollout)} />
            <span className="small dim">
              <Time at={rollout.startedAt} /> by {rollout.startedBy}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
};

const Whole = ({ config }: { readonly config: ConfigView }): JSX.Element => {
  const { mayAct } = useSession();
  const { revision } = useSearch({ from: '/configs/$key' });
  const isServed = SERVED.has(config.kind);
  return (
    <div className="stack">
      <title>{`${config.key} · Headgate`}</title>
      <div className="row between">
        <div>
          <h1 className="wrap">{config.key}</h1>
          <p className="dim" style={{ margin: 0 }}>
            {config.description ?? `A config of kind ${config.kind}.`}{' '}
            {config.assignment === null || !isServed ? '' : `Assigned by ${config.assignment}.`}{' '}
            {config.retired ? 'Retired.' : ''}
          </p>
        </div>
        {mayAct && isServed && !config.retired ? (
          <LinkButton to="/configs/$key/propose" params={{ key: config.key }}>
            Propose a change
          </LinkButton>
        ) : null}
      </div>
      <div className="two">
        <div className="panel">
          <Chosen config={config} />
        </div>
        <div className="stack">
          <section className="panel section" aria-label="Revisions">
            <h2>Revisions</h2>
            <ol className="section" style={{ listStyle: 'none', margin: 0, padding: 0 }}>
              {config.revisions.toReversed().map((each) => (
                <RevisionRow
                  key={each.revision}
                  revision={each}
                  config={config}
                  isOn={each.revision === (revision ?? config.revisions.length)}
                />
              ))}
            </ol>
          </section>
          {isServed ? <WhoHasWhat config={config} /> : null}
          {isServed ? <Rollouts config={config.key} /> : null}
        </div>
      </div>
    </div>
  );
};

/** One config: its revisions with what they change, and who has which. */
export const ConfigPage = (): JSX.Element => {
  const { key } = useParams({ from: '/configs/$key' });
  return <Read of={useConfig(key)}>{(config) => <Whole config={config} />}</Read>;
};
