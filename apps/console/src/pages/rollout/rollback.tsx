import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState, type JSX } from 'react';
import type { RolloutView } from '#libs/contracts';
import { useSession } from '../../api/session.js';
import { Shape, StateMark } from '../../parts/mark.js';
import { ReasonDialog } from '../../parts/reason-dialog.js';
import { Time } from '../../parts/time.js';
import { wayBack } from '../../words/delivery.js';
import { plural } from '../../words/format.js';

type Target = RolloutView['targets'][number];

const TargetBack = ({
  target,
  onAbandon,
}: {
  readonly target: Target;
  readonly onAbandon: (() => void) | undefined;
}): JSX.Element => (
  <tr>
    <th scope="row" className="wrap">
      {target.target}
    </th>
    <td>
      <ol className="row" style={{ listStyle: 'none', margin: 0, padding: 0 }}>
        {wayBack(target).map(({ words, isDone }) => (
          <li key={words} className={`mark small ${isDone ? 'good' : 'calm'}`} style={{ whiteSpace: 'normal' }}>
            <Shape mark={isDone ? 'check' : 'ring'} />
            {isDone ? words : `not ${words} yet`}
          </li>
        ))}
      </ol>
      {target.error === null ? null : <span className="bad small wrap">{target.error}</span>}
    </td>
    <td className="number">{`r${target.control}`}</td>
    <td>
      {onAbandon ? (
        <Button size="compact-sm" variant="default" onClick={onAbandon}>
          Give up on it
        </Button>
      ) : null}
    </td>
  </tr>
);

const Violations = ({ rollout }: { readonly rollout: RolloutView }): JSX.Element | null =>
  rollout.violations.length === 0 ? null : (
    <ul style={{ margin: 0, paddingLeft: 20 }}>
      {rollout.violations.map(({ signal, target, model, instance, request, reporter, at }) => (
        <li key={signal} className="wrap">
          First seen: <b>{signal}</b> on {target}, {model}, instance {instance}
          {request === null ? '' : `, request ${request}`}, reported by {reporter} at <Time at={at} />
        </li>
      ))}
    </ul>
  );

const whyOf = ({ verdicts, cause }: RolloutView): string | undefined =>
  verdicts.find(({ verdict, shadow }) => verdict === 'fail' && !shadow)?.sentence ?? cause ?? undefined;

/** A rollback on its way: why, and how far each target is. It opens by itself. */
export const Rollback = ({ rollout }: { readonly rollout: RolloutView }): JSX.Element => {
  const { api, mayAct } = useSession();
  const client = useQueryClient();
  const [given, setGiven] = useState<string>();
  const leaving = rollout.targets.filter(({ purpose }) => purpose === 'rollback');
  const left = leaving.filter(({ ended }) => ended === null).length;
  const readBack = leaving.filter((target) => target.readBack).length;
  const isOver = rollout.endedAt !== null;
  const abandon = async (target: string, reason: string): Promise<void> => {
    client.setQueryData(['rollout', rollout.id], await api.steer(rollout.id, 'abandon', { target, reason }));
  };
  return (
    <section className={`panel stack ${isOver ? '' : 'alarm'}`} aria-label="Rollback">
      <div className="row">
        <StateMark look={{ tone: 'bad', mark: 'back', words: isOver ? 'Taken back' : 'Being taken back' }} />
        <span className="dim" aria-live="polite">
          {`${readBack} of ${plural(leaving.length, 'target')} read back, ${leaving.length - left} done with their drain`}
        </span>
      </div>
      {whyOf(rollout) === undefined ? null : <p className="sentence wrap">{whyOf(rollout)}</p>}
      <Violations rollout={rollout} />
      <div className="scroll" tabIndex={0} role="region" aria-label="Way back of each target">
        <table className="grid">
          <thead>
            <tr>
              <th scope="col">target</th>
              <th scope="col">way back</th>
              <th scope="col" className="number">
                back to
              </th>
              <th scope="col">
                <span className="skip">Action</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {leaving.map((target) => (
              <TargetBack
                key={target.target}
                target={target}
                onAbandon={mayAct && target.ended === null && !isOver ? () => setGiven(target.target) : undefined}
              />
            ))}
          </tbody>
        </table>
      </div>
      {given === undefined ? null : (
        <ReasonDialog
          title={`Give up on ${given}`}
          consequence={`Headgate stops trying to take r${rollout.revision} back from ${given} and to see it drained. Other targets go on. What is served there stays unknown, and the record says so.`}
          verb="Give up on it"
          isGrave
          onClose={() => setGiven(undefined)}
          onDo={(reason) => abandon(given, reason)}
        />
      )}
    </section>
  );
};
