import { NativeSelect } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { JSX } from 'react';
import type { AtView, OpenChange, OpenChanges as Changes } from '#libs/contracts';
import { useOpenChanges } from '../../api/queries.js';
import type { TimeSearch } from '../../app/search.js';
import { Read } from '../../parts/states.js';
import { Time } from '../../parts/time.js';
import { exposuresIn } from '../../words/open.js';
import { statusWords } from '../../words/status.js';

const DEFAULT_HOURS = 72;
const HOURS = [
  { value: '0', label: 'none that had ended' },
  { value: '1', label: 'the last hour' },
  { value: '24', label: 'the last day' },
  { value: String(DEFAULT_HOURS), label: 'the last 3 days' },
  { value: '336', label: 'the last 2 weeks' },
];

const Row = ({ change }: { readonly change: OpenChange }): JSX.Element => (
  <tr>
    <th scope="row" className="wrap">
      <Link to="/rollouts/$id" params={{ id: change.rollout }} data-stop>
        {change.config} r{change.revision}
      </Link>
    </th>
    <td data-label="then">
      {statusWords(change.status, change.held !== null)}
      {change.endedAt === null ? null : (
        <>
          {' '}
          at <Time at={change.endedAt} />
        </>
      )}
      {change.held === null ? null : <span className="dim">: {change.held.reason}</span>}
    </td>
    <td data-label="asked for then" className="wrap">
      {exposuresIn(change.exposures) || <span className="dim">nothing there</span>}
    </td>
    <td data-label="started">
      <Time at={change.startedAt} /> by {change.actor}
    </td>
    <td data-label="why" className="wrap">
      {change.reverts === null ? '' : `takes back r${change.reverts}: `}
      {change.bypass === null ? '' : 'without stages: '}
      {change.reason ?? 'no reason given'}
    </td>
  </tr>
);

const Found = ({ changes: { items, more } }: { readonly changes: Changes }): JSX.Element =>
  items.length === 0 ? (
    <p className="dim">No change of this slice was in flight, watched, or had ended in that time.</p>
  ) : (
    <>
      <div className="scroll" tabIndex={0} role="region" aria-label="Changes that were open">
        <table className="grid flows">
          <thead>
            <tr>
              <th scope="col">change</th>
              <th scope="col">then</th>
              <th scope="col">asked for then</th>
              <th scope="col">started</th>
              <th scope="col">why</th>
            </tr>
          </thead>
          <tbody>
            {items.map((change) => (
              <Row key={change.rollout} change={change} />
            ))}
          </tbody>
        </table>
      </div>
      {more ? <span className="small dim">There are more: ask for a smaller slice or for fewer hours.</span> : null}
    </>
  );

type Props = {
  /** The moment; undefined: now. */
  readonly at: string | undefined;
  readonly view: AtView;
  readonly search: TimeSearch;
  readonly onChange: (part: TimeSearch) => void;
};

/** Where an incident starts: what was in flight, watched, or lately ended on a slice at the moment. */
export const OpenThen = ({ at, view, search, onChange }: Props): JSX.Element => {
  const { platform, target, config, hours = DEFAULT_HOURS } = search;
  const open = useOpenChanges({ at, platform, target, config, lookBackHours: hours });
  const unique = (names: readonly string[], chosen: string | undefined): string[] =>
    [...new Set([...names, ...(chosen === undefined ? [] : [chosen])])].toSorted();
  const choice = (label: string, name: 'platform' | 'target' | 'config', names: readonly string[]): JSX.Element => (
    <NativeSelect
      label={label}
      value={search[name] ?? ''}
      data={[{ label: 'any', value: '' }, ...unique(names, search[name])]}
      onChange={(event) => onChange({ [name]: event.currentTarget.value || undefined })}
    />
  );
  return (
    <section className="panel section" aria-label="Open changes">
      <h2>{at === undefined ? 'Open now' : 'Open then'}</h2>
      <p className="small dim">
        What was in flight, watched, or had lately ended at this moment: whatever went wrong, it is most likely one of
        these.
      </p>
      <div className="row filters" style={{ alignItems: 'flex-end' }}>
        {choice(
          'On platform',
          'platform',
          view.targets.map((each) => each.platform),
        )}
        {choice(
          'On target',
          'target',
          view.targets.map((each) => each.target),
        )}
        {choice(
          'Of config',
          'config',
          view.targets.flatMap((each) => each.configs.map((known) => known.config)),
        )}
        <NativeSelect
          label="Ended in"
          value={String(hours)}
          data={HOURS.some(({ value }) => value === String(hours)) ? HOURS : [...HOURS, `${hours}`]}
          onChange={(event) => {
            const chosen = Number(event.currentTarget.value);
            onChange({ hours: chosen === DEFAULT_HOURS ? undefined : chosen });
          }}
        />
      </div>
      <Read of={open} lines={2}>
        {(changes) => <Found changes={changes} />}
      </Read>
    </section>
  );
};
