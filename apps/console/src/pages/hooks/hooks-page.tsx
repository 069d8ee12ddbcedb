import type { JSX } from 'react';
import type { HookView } from '#libs/contracts';
import { useHooks } from '../../api/queries.js';
import { useSession } from '../../api/session.js';
import { StateMark } from '../../parts/mark.js';
import { Empty, Read } from '../../parts/states.js';
import { Age, Time } from '../../parts/time.js';
import { behindWords, hookLook } from '../../words/hooks.js';

const Failing = ({ hook: { failingSince, error } }: { readonly hook: HookView }): JSX.Element => {
  if (failingSince === null && error === null) return <span className="dim">nothing</span>;
  return (
    <span className="wrap">
      {error}
      {failingSince === null ? null : (
        <span className="small dim">
          {' '}
          since <Time at={failingSince} /> (<Age at={failingSince} />)
        </span>
      )}
    </span>
  );
};

const Row = ({ hook }: { readonly hook: HookView }): JSX.Element => (
  <tr>
    <th scope="row" className="wrap">
      {hook.url}
      <details className="small" style={{ fontWeight: 400 }}>
        <summary>
          {hook.configs.length === 0 ? 'of all configs' : `of ${hook.configs.join(', ')}`}, {hook.types.length} types of
          events
        </summary>
        <p className="dim wrap">{hook.types.join(', ')}</p>
        <p className="dim wrap">
          id <code>{hook.id}</code>, added <Time at={hook.createdAt} />
        </p>
      </details>
    </th>
    <td data-label="state">
      <StateMark look={hookLook(hook)} />
    </td>
    <td data-label="last delivered">
      {hook.deliveredAt === null ? (
        <span className="dim">nothing yet</span>
      ) : (
        <>
          #{hook.delivered}, <Age at={hook.deliveredAt} suffix=" ago" />
        </>
      )}
    </td>
    <td data-label="behind by">{behindWords(hook) ?? <span className="dim">nothing</span>}</td>
    <td data-label="what is wrong" className={hook.error === null ? '' : 'bad'}>
      <Failing hook={hook} />
    </td>
  </tr>
);

const List = ({ hooks }: { readonly hooks: readonly HookView[] }): JSX.Element =>
  hooks.length === 0 ? (
    <Empty title="No hook yet">Events are sent to nobody.</Empty>
  ) : (
    <div className="panel tight scroll" tabIndex={0} role="region" aria-label="Hooks">
      <table className="grid flows">
        <thead>
          <tr>
            <th scope="col">address</th>
            <th scope="col">state</th>
            <th scope="col">last delivered</th>
            <th scope="col">behind by</th>
            <th scope="col">what is wrong</th>
          </tr>
        </thead>
        <tbody>
          {hooks.map((hook) => (
            <Row key={hook.id} hook={hook} />
          ))}
        </tbody>
      </table>
    </div>
  );

const HowTo = (): JSX.Element => (
  <section className="panel section" aria-label="To change them">
    <h2>To change them</h2>
    <p className="dim">
      On the command line, where the secret that signs events is shown once to who adds a hook, and never on a screen.
    </p>
    <dl className="facts">
      <dt>add one</dt>
      <dd>
        <code>headgate hooks add https://relay.example.com/headgate</code>
      </dd>
      <dt>send again what was given up, or to one that was disabled</dt>
      <dd>
        <code>headgate hooks resume ID</code>
      </dd>
      <dt>remove one</dt>
      <dd>
        <code>headgate hooks remove ID</code>
      </dd>
    </dl>
  </section>
);

/** Where events are sent to, how far, and what is wrong. For admins, as the API has it. */
export const HooksPage = (): JSX.Element => {
  const { who } = useSession();
  const isAdmin = who.role === 'admin';
  const hooks = useHooks(isAdmin);
  return (
    <div className="stack">
      <title>Hooks · Headgate</title>
      <h1>Hooks</h1>
      {isAdmin ? (
        <>
          <Read of={hooks}>{(list) => <List hooks={list} />}</Read>
          <HowTo />
        </>
      ) : (
        <Empty title="You may not see hooks">
          {who.subject} is {who.role === 'investigator' || who.role === 'operator' ? 'an' : 'a'} {who.role}; their
          addresses are for the role admin.
        </Empty>
      )}
    </div>
  );
};
