import type { JSX } from 'react';
import type { EvidenceView, RolloutView } from '#libs/contracts';
import { useEvidence } from '../../api/queries.js';
import { Loading, Trouble } from '../../parts/states.js';
import { isWorstFirst } from '../../words/evidence.js';
import { SignalTile } from './signal-tile.js';

const Tiles = ({
  evidence,
  rollout,
}: {
  readonly evidence: EvidenceView;
  readonly rollout: RolloutView;
}): JSX.Element => (
  <div className="tiles">
    {evidence.signals.toSorted(isWorstFirst).map((signal) => (
      <SignalTile key={signal.signal} signal={signal} rollout={rollout} />
    ))}
  </div>
);

/** What the verdicts rest on, a tile for each signal, the one that matters most first. */
export const Signals = ({ rollout }: { readonly rollout: RolloutView }): JSX.Element => {
  const { data, error, refetch } = useEvidence(rollout.id);
  return (
    <section className="section" aria-label="Signals">
      <h2>Signals</h2>
      {data ? (
        <Tiles evidence={data} rollout={rollout} />
      ) : error ? (
        <Trouble error={error} again={() => void refetch()} />
      ) : (
        <Loading lines={2} />
      )}
    </section>
  );
};
