import { Link } from '@tanstack/react-router';
import type { JSX } from 'react';
import type { ConfigAt, Difference } from '#libs/contracts';
import { DiffTable } from '../../parts/diff.js';
import { Time } from '../../parts/time.js';
import { showShare } from '../../words/format.js';

const words = (at: ConfigAt | null): string => {
  if (at === null) return 'nothing';
  return at.candidate === null
    ? `r${at.control}`
    : `r${at.candidate} for ${showShare(at.shareBp)}, else r${at.control}`;
};

type Group = { readonly of: Difference; readonly places: readonly string[] };

/** The same difference on several targets is told once. */
const grouped = (differences: readonly Difference[]): readonly Group[] => {
  const groups = new Map<string, Group>();
  for (const difference of differences) {
    const { config, before, after, changes, where } = difference;
    const key = JSON.stringify([config, words(before), words(after), changes]);
    groups.set(key, { of: difference, places: [...(groups.get(key)?.places ?? []), where] });
  }
  return [...groups.values()].toSorted((a, b) => a.of.config.localeCompare(b.of.config));
};

type MadeBy = Difference['madeBy']['after'];

const Maker = ({ made, name }: { readonly made: MadeBy; readonly name: string }): JSX.Element | null =>
  made === null ? null : (
    <li className="wrap">
      {name}: since <Time at={made.at} /> by <b>{made.actor}</b>
      {made.reason === null ? '' : `, ${made.reason}`}
      {made.rollout === null ? null : (
        <>
          {' '}
          <Link to="/rollouts/$id" params={{ id: made.rollout }}>
            the rollout
          </Link>
        </>
      )}
    </li>
  );

type Props = {
  readonly differences: readonly Difference[];
  /** What the two sides are called. */
  readonly before: string;
  readonly after: string;
  readonly none: string;
};

/** What differs between two sides: since when, by whom, and the fields that most traffic sees differ. */
export const Differences = ({ differences, before, after, none }: Props): JSX.Element => (
  <section className="section" aria-label="Differences">
    <h2>
      From {before} to {after}
    </h2>
    {differences.length === 0 ? <p className="dim">{none}</p> : null}
    {grouped(differences).map(({ of, places }) => (
      <div key={`${places.join()}/${of.config}`} className="section">
        <div className="row">
          <b>{of.config}</b>
          <span>
            {words(of.before)} → {words(of.after)}
          </span>
          <span className="dim wrap">on {places.join(', ')}</span>
        </div>
        <ul className="small dim" style={{ margin: 0, paddingLeft: 18 }}>
          <Maker made={of.madeBy.before} name={before} />
          <Maker made={of.madeBy.after} name={after} />
        </ul>
        {of.before === null || of.changes.length === 0 ? null : (
          <DiffTable changes={of.changes} before={before} after={after} />
        )}
      </div>
    ))}
  </section>
);
