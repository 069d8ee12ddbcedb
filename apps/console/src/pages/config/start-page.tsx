import { Button, NativeSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useState, type JSX } from 'react';
import { diffJson, type ConfigView, type PlanPreview } from '#libs/contracts';
import { useConfig, useConfigs } from '../../api/queries.js';
import { useSession } from '../../api/session.js';
import { DiffTable } from '../../parts/diff.js';
import { Shape } from '../../parts/mark.js';
import { Empty, Loading, Read, Trouble } from '../../parts/states.js';
import { isReason, ReasonField, useSubmit } from '../../parts/submit.js';
import { exposureWords } from '../../words/delivery.js';
import { showDuration, showRatio, showShare } from '../../words/format.js';

const EMERGENCY = 'emergency';

type Stage = PlanPreview['stages'][number];

/** Nothing was served there lately, so nothing can be told. */
const isSilent = ({ limitedBy }: Stage): boolean => limitedBy === 'no traffic';

const predicted = (stage: Stage): JSX.Element => {
  if (isSilent(stage)) return <b>not known</b>;
  return stage.predictedMs === null ? <b className="bad">never</b> : <b>{showDuration(stage.predictedMs)}</b>;
};

const smallest = ({ signals }: Stage): string => {
  const seen = signals.flatMap(({ signal, known, smallestHarm }) => {
    if (!known) return [`${signal} not known yet`];
    return smallestHarm === null ? [] : [`${signal} ${showRatio(smallestHarm)}`];
  });
  return seen.length === 0 ? 'only what should never be seen' : seen.join(', ');
};

const Preview = ({ preview }: { readonly preview: PlanPreview }): JSX.Element => (
  <div className="stack">
    <p className="sentence">
      With the traffic of the last {showDuration(preview.traffic.spanMs)} it would take{' '}
      {preview.totalMs === null ? (
        <b className="bad">
          {preview.stages.some(isSilent) ? 'nobody knows how long: there was none' : 'for ever: a stage never ends'}
        </b>
      ) : (
        <b>{showDuration(preview.totalMs)}</b>
      )}{' '}
      until it settles, of which {showDuration(preview.watch.watchMs)} in the watch against a holdback of{' '}
      {showShare(preview.watch.holdbackBp)}.
    </p>
    {preview.warnings.length === 0 ? null : (
      <ul className="warn" style={{ margin: 0, listStyle: 'none', padding: 0 }}>
        {preview.warnings.map((warning) => (
          <li key={warning} className="row wrap" style={{ flexWrap: 'nowrap', alignItems: 'baseline' }}>
            <Shape mark="cross" /> {warning}
          </li>
        ))}
      </ul>
    )}
    <div className="scroll" tabIndex={0} role="region" aria-label="Stages">
      <table className="grid flows">
        <thead>
          <tr>
            <th scope="col">track</th>
            <th scope="col" className="number">
              stage
            </th>
            <th scope="col" className="number">
              predicted
            </th>
            <th scope="col">waits longest for</th>
            <th scope="col">smallest harm that it will see (4 times of 5)</th>
          </tr>
        </thead>
        <tbody>
          {preview.stages.map((stage) => (
            <tr key={`${stage.track}/${stage.stage}`}>
              <th scope="row">{stage.track}</th>
              <td className="number" data-label="stage">
                {stage.stage}
                <div className="small dim">{exposureWords(stage.stage, stage.exposureBp)}</div>
              </td>
              <td className="number" data-label="predicted">
                {predicted(stage)}
              </td>
              <td className="wrap" data-label="waits longest for">
                {stage.limitedBy}
              </td>
              <td className="wrap" data-label="smallest harm that it will see">
                {smallest(stage)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  </div>
);

type Choice = { readonly revision: number; readonly plan: string };

const Start = ({ config, revision, plan }: Choice & { readonly config: ConfigView }): JSX.Element => {
  const { api } = useSession();
  const navigate = useNavigate();
  const [reason, setReason] = useState('');
  const [vetoReason, setVetoReason] = useState('');
  const { busy, error, run } = useSubmit();
  const isVetoed = config.revisions.find((each) => each.revision === revision)?.vetoed ?? false;
  const isReady = isReason(reason) && (!isVetoed || isReason(vetoReason));
  const start = async (): Promise<void> => {
    const veto = isVetoed ? { vetoReason: vetoReason.trim() } : {};
    const { id } = await api.start({ config: config.key, revision, plan, reason: reason.trim(), ...veto });
    await navigate({ to: '/rollouts/$id', params: { id } });
  };
  return (
    <form
      className="panel stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (isReady) run(start);
      }}
    >
      <h2>Start</h2>
      <p className="small dim">
        The first stage is asked for at once. Everything after it waits for its evidence, and it is taken back by itself
        where harm is shown.
      </p>
      {isVetoed ? (
        <ReasonField
          label="Why it may be tried again"
          description={`r${revision} was rolled back before.`}
          value={vetoReason}
          onChange={setVetoReason}
        />
      ) : null}
      <ReasonField value={reason} onChange={setReason} />
      {error === undefined ? null : <Trouble error={error} />}
      <Button type="submit" disabled={!isReady} loading={busy}>
        Start the rollout of r{revision}
      </Button>
    </form>
  );
};

const Whole = ({ config, plans }: { readonly config: ConfigView; readonly plans: readonly string[] }): JSX.Element => {
  const { api, mayAct, who } = useSession();
  const search = useSearch({ from: '/configs/$key/start' });
  const navigate = useNavigate({ from: '/configs/$key/start' });
  const revision = search.revision ?? config.revisions.length;
  const plan = search.plan ?? plans[0] ?? EMERGENCY;
  const value = config.revisions.find((each) => each.revision === revision)?.value;
  const live = Math.max(1, ...Object.values(config.live).filter((each) => each !== revision));
  const preview = useQuery({
    queryKey: ['preview', config.key, revision, plan],
    queryFn: () => api.preview({ config: config.key, revision, plan }),
    retry: false,
    staleTime: 10_000,
  });
  return (
    <div className="two">
      <div className="panel stack">
        <NativeSelect
          label="Plan"
          data={[
            ...plans,
            ...(plans.includes(EMERGENCY)
              ? []
              : [{ value: EMERGENCY, label: 'emergency: without stages, recorded as a bypass' }]),
          ]}
          value={plan}
          onChange={(event) => void navigate({ search: { revision, plan: event.currentTarget.value } })}
          style={{ maxWidth: 420 }}
        />
        {preview.data ? <Preview preview={preview.data} /> : null}
        {preview.error ? <Trouble error={preview.error} again={() => void preview.refetch()} /> : null}
        {preview.isPending ? <Loading lines={2} /> : null}
      </div>
      <div className="stack">
        <section className="panel section" aria-label="What changes">
          <h2>What changes</h2>
          <DiffTable
            changes={diffJson(config.revisions.find((each) => each.revision === live)?.value, value)}
            before={`r${live}, live`}
            after={`r${revision}`}
          />
        </section>
        {mayAct ? (
          <Start config={config} revision={revision} plan={plan} />
        ) : (
          <p className="dim">
            {who.subject} is a {who.role}; starting needs the role operator.
          </p>
        )}
      </div>
    </div>
  );
};

/** What a rollout of a revision would do and how long each stage would take, before it is started. */
export const StartPage = (): JSX.Element => {
  const { key } = useParams({ from: '/configs/$key/start' });
  const { revision } = useSearch({ from: '/configs/$key/start' });
  const config = useConfig(key);
  const configs = useConfigs();
  return (
    <Read of={config}>
      {(read) => (
        <div className="stack">
          <title>{`Roll ${key} out · Headgate`}</title>
          <h1 className="wrap">
            Roll r{revision ?? read.revisions.length} of{' '}
            <Link to="/configs/$key" params={{ key }}>
              {key}
            </Link>{' '}
            out
          </h1>
          {read.revisions.some((each) => each.revision === (revision ?? read.revisions.length)) ? (
            <Read of={configs}>
              {(all) => (
                <Whole
                  config={read}
                  plans={all.filter(({ kind }) => kind === 'plan').map((plan) => plan.key.replace(/^plan\//, ''))}
                />
              )}
            </Read>
          ) : (
            <Empty title={`There is no revision r${revision ?? 0}`} />
          )}
        </div>
      )}
    </Read>
  );
};
