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

type Props = { readonly differences: readonly Difference[]; readonly before: number; readonly after: number };

/** What differs between two moments, target by target, with the fields that most traffic saw change. */
export const Differences = ({ differences, before, after }: Props): JSX.Element => (
  <section className="panel section" aria-label="Differences">
    <h2>
      From #{before} to #{after}
    </h2>
    {differences.length === 0 ? <p className="dim">Every target was to serve the same at both moments.</p> : null}
    {differences.map((difference) => (
      <div key={`${difference.where}/${difference.config}`}>
        <div className="row">
          <b className="wrap">
            {difference.config} on {difference.where}
          </b>
          <span>
            {words(difference.before)} → {words(difference.after)}
          </span>
        </div>
        {difference.changes.length === 0 ? null : (
          <DiffTable changes={difference.changes} before={`#${before}`} after={`#${after}`} />
        )}
      </div>
    ))}
  </section>
);
