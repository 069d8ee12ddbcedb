import { useQuery } from '@tanstack/react-query';
import type { JSX } from 'react';
import type { ExposedView, UnitCount } from '#libs/contracts';
import { useSession } from '../../api/session.js';
import { Read } from '../../parts/states.js';
import { showCount, showUnits } from '../../words/format.js';

type Row = { readonly name: string; readonly requests: number; readonly units: UnitCount };

const Counts = ({ title, rows }: { readonly title: string; readonly rows: readonly Row[] }): JSX.Element => (
  <div className="scroll" tabIndex={0} role="region" aria-label={`Exposed by ${title}`}>
    <table className="grid small">
      <thead>
        <tr>
          <th scope="col">{title}</th>
          <th scope="col" className="number">
            requests
          </th>
          <th scope="col" className="number">
            units
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ name, requests, units }) => (
          <tr key={name}>
            <th scope="row" className="wrap">
              {name}
            </th>
            <td className="number">{showCount(requests)}</td>
            <td className="number">{showUnits(units)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);

const Whole = ({ view }: { readonly view: ExposedView }): JSX.Element =>
  view.total.requests === 0 ? (
    <p className="dim">Nothing was served with r{view.revision} yet, as far as outcomes say.</p>
  ) : (
    <>
      <p className="sentence">
        {showUnits(view.total.units)} units in {showCount(view.total.requests)} requests
      </p>
      <Counts title="platform" rows={view.platforms.map((row) => ({ ...row, name: row.platform }))} />
      <details>
        <summary className="small">By target and by model</summary>
        <Counts title="target" rows={view.targets.map((row) => ({ ...row, name: row.target }))} />
        <Counts title="model" rows={view.models.map((row) => ({ ...row, name: row.model }))} />
      </details>
      {view.notes.map((note) => (
        <p key={note} className="small dim wrap">
          {note}
        </p>
      ))}
    </>
  );

/** The blast radius: how many units got answers of the candidate, and where. */
export const Exposed = ({ rollout }: { readonly rollout: string }): JSX.Element => {
  const { api } = useSession();
  const exposed = useQuery({
    queryKey: ['exposed', rollout],
    queryFn: () => api.exposed(rollout),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <section className="panel section" aria-label="Who was exposed">
      <h2>Who was exposed</h2>
      <Read of={exposed} lines={2}>
        {(view) => <Whole view={view} />}
      </Read>
    </section>
  );
};
