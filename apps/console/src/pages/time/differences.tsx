import type { JSX } from 'react';
import type { ConfigAt, Difference } from '#libs/contracts';
import { DiffTable } from '../../parts/diff.js';
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

type Props = { readonly differences: readonly Difference[]; readonly before: number; readonly after: number };

/** What differs between two moments, with the fields that most traffic saw change. */
export const Differences = ({ differences, before, after }: Props): JSX.Element => (
  <section className="panel stack" aria-label="Differences">
    <h2>
      From #{before} to #{after}
    </h2>
    {differences.length === 0 ? <p className="dim">Every target was to serve the same at both moments.</p> : null}
    {grouped(differences).map(({ of, places }) => (
      <div key={`${places.join()}/${of.config}`}>
        <div className="row">
          <b>{of.config}</b>
          <span>
            {words(of.before)} → {words(of.after)}
          </span>
          <span className="dim wrap">on {places.join(', ')}</span>
        </div>
        {of.before === null || of.changes.length === 0 ? null : (
          <DiffTable changes={of.changes} before={`#${before}`} after={`#${after}`} />
        )}
      </div>
    ))}
  </section>
);
