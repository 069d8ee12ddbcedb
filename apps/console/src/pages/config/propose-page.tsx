import { Alert, Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useEffect, useState, type JSX } from 'react';
import { diffJson, type ConfigView } from '#libs/contracts';
import { RefusedError, wordsOf } from '../../api/problem.js';
import { useConfig } from '../../api/queries.js';
import { useSession } from '../../api/session.js';
import { DiffTable } from '../../parts/diff.js';
import { Empty, Read } from '../../parts/states.js';
import { isReason, ReasonField, useSubmit } from '../../parts/submit.js';
import { manifestOf, valueFaults } from '../../words/manifest.js';
import { ValueEditor } from './value-editor.js';

type Value = Readonly<Record<string, unknown>>;

const QUIET_MS = 350;

/** The value once nobody has typed for a moment. */
const useSettled = <T,>(value: T): T => {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), QUIET_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
};

const Checked = ({
  error,
  isChecking,
  isSame,
  sameAs,
}: {
  error: unknown;
  isChecking: boolean;
  isSame: boolean;
  sameAs: number | undefined;
}): JSX.Element => {
  if (isSame) return <p className="dim">Nothing is changed yet.</p>;
  if (error) {
    const faults = error instanceof RefusedError ? (error.problem.errors ?? []) : [];
    return (
      <Alert color="red" variant="outline" title="It does not fit" role="alert">
        {faults.length > 0 ? (
          <ul style={{ margin: 0, paddingLeft: 18 }}>
            {faults.map(({ pointer, detail }) => (
              <li key={pointer + detail}>{detail}</li>
            ))}
          </ul>
        ) : (
          wordsOf(error)
        )}
      </Alert>
    );
  }
  if (isChecking) return <p className="dim">Checking…</p>;
  return (
    <p className="good" role="status">
      ✓ It fits the schema.{sameAs === undefined ? '' : ` The value is that of r${sameAs} again.`}
    </p>
  );
};

const Form = ({ config }: { readonly config: ConfigView }): JSX.Element => {
  const { api } = useSession();
  const client = useQueryClient();
  const navigate = useNavigate();
  const newest = config.revisions.at(-1);
  const [value, setValue] = useState<Value | undefined>((newest?.value ?? {}) as Value);
  const [reason, setReason] = useState('');
  const { busy, error: refused, run } = useSubmit();
  const settled = useSettled(value);
  const changes = value === undefined ? [] : diffJson(newest?.value, value);
  const isSame = value !== undefined && changes.length === 0;
  const check = useQuery({
    queryKey: ['check', config.key, config.revisions.length, JSON.stringify(settled)],
    queryFn: () => api.apply(manifestOf(config, settled ?? {}), true),
    enabled: settled !== undefined && !isSame,
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const isChecking = check.isFetching || settled !== value;
  const isReady = value !== undefined && !isSame && check.isSuccess && !isChecking && isReason(reason);
  const next = config.revisions.length + 1;

  const propose = async (): Promise<void> => {
    const { results } = await api.apply(manifestOf(config, value ?? {}), false, reason.trim());
    await client.invalidateQueries({ queryKey: ['config', config.key] });
    const revision = results[0]?.revision ?? next;
    await navigate({ to: '/configs/$key/start', params: { key: config.key }, search: { revision, plan: undefined } });
  };

  return (
    <form
      className="two"
      onSubmit={(event) => {
        event.preventDefault();
        if (isReady) run(propose);
      }}
    >
      <div className="panel stack">
        <h2>The value of r{next}</h2>
        <ValueEditor schema={config.schema} value={value ?? {}} faults={valueFaults(check.error)} onChange={setValue} />
      </div>
      <div className="panel stack">
        <h2>What changes</h2>
        {isSame ? null : <DiffTable changes={changes} before={`r${newest?.revision ?? 0}`} after={`r${next}`} />}
        <Checked
          error={check.error && !isChecking ? check.error : undefined}
          isChecking={isChecking}
          isSame={isSame}
          sameAs={check.data?.results[0]?.sameAs}
        />
        <ReasonField value={reason} onChange={setReason} />
        {refused === undefined ? null : (
          <Alert color="red" variant="outline" role="alert" title="Not proposed">
            {wordsOf(refused)}
          </Alert>
        )}
        <Button type="submit" disabled={!isReady} loading={busy}>
          Propose r{next}
        </Button>
        <p className="small dim">Proposing moves no traffic. The next page says what a rollout of it would do.</p>
      </div>
    </form>
  );
};

/** A new revision: a form by the schema or JSON, checked by the controller while it is written. */
export const ProposePage = (): JSX.Element => {
  const { key } = useParams({ from: '/configs/$key/propose' });
  const { mayAct, who } = useSession();
  const config = useConfig(key);
  if (!mayAct)
    return (
      <Empty title="You may not propose changes">
        {who.subject} is a {who.role}; this needs the role operator.{' '}
        <Link to="/configs/$key" params={{ key }}>
          To {key}
        </Link>
      </Empty>
    );
  return (
    <Read of={config}>
      {(read) => (
        <div className="stack">
          <title>{`Propose a change of ${key} · Headgate`}</title>
          <h1 className="wrap">
            Propose a change of{' '}
            <Link to="/configs/$key" params={{ key }}>
              {key}
            </Link>
          </h1>
          <Form config={read} />
        </div>
      )}
    </Read>
  );
};
