import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState, type JSX } from 'react';
import type { RolloutView, TargetView } from '#libs/contracts';
import { useTargets } from '../../api/queries.js';
import { useSession } from '../../api/session.js';
import { Shape, StateMark } from '../../parts/mark.js';
import { ReasonDialog } from '../../parts/reason-dialog.js';
import { Silent } from '../../parts/silent.js';
import { Age, Time } from '../../parts/time.js';
import { backWords, inOrder, leftoverWords, wayBack } from '../../words/delivery.js';
import { showCount } from '../../words/format.js';

type Target = RolloutView['targets'][number];

const Steps = ({ target }: { readonly target: Target }): JSX.Element => (
  <ol className="row steps">
    {wayBack(target).map(({ words, isDone }) => (
      <li key={words} className={`mark small ${isDone ? 'good' : 'calm'}`}>
        <Shape mark={isDone ? 'check' : 'ring'} />
        {isDone ? words : `not ${words} yet`}
      </li>
    ))}
  </ol>
);

/** A delivery that fails, since when and why. */
const Retried = ({ target: { error, failingSince, ended } }: { readonly target: Target }): JSX.Element | null =>
  error === null || ended !== null ? null : (
    <span className="bad small wrap">
      {failingSince === null ? 'tried again' : <Age at={failingSince} prefix="tried again for " />}
      {failingSince === null ? null : (
        <>
          {' '}
          (since <Time at={failingSince} />)
        </>
      )}
      : {error}
    </span>
  );

/** What still came to the withdrawn revision since the target was asked to leave it. */
const StillSeen = ({ target: { wayBack: way } }: { readonly target: Target }): JSX.Element => {
  const { leftover = null, clearedAt = null } = way ?? {};
  if (leftover === null) return <span className="dim">nothing</span>;
  return (
    <>
      <b>{leftoverWords(leftover)}</b>
      <br />
      <span className="small">
        oldest <Time at={leftover.oldestAt} />, newest <Age at={leftover.newestAt} suffix=" ago" />
        {clearedAt === null ? null : (
          <>
            ; clients were told to drop their sessions at <Time at={clearedAt} />
          </>
        )}
      </span>
    </>
  );
};

type BackProps = {
  readonly target: Target;
  readonly known: TargetView | undefined;
  readonly revision: number;
  readonly onAbandon: (() => void) | undefined;
};

const TargetBack = ({ target, known, revision, onAbandon }: BackProps): JSX.Element => (
  <tr>
    <th scope="row" className="wrap">
      {target.wayBack?.place === null || target.wayBack === null ? '' : `${target.wayBack.place}. `}
      {target.target} <span className="dim small nowrap">back to r{target.control}</span>
    </th>
    <td data-label={`had on r${revision}`} className="number">
      {target.wayBack?.requestsPerSecond == null ? '–' : `${showCount(target.wayBack.requestsPerSecond)}/s`}
    </td>
    <td>
      <div className="section" style={{ gap: 4 }}>
        <Steps target={target} />
        <Retried target={target} />
        <Silent names={target.silent} known={known}>
          {`nothing proves that it does not serve r${revision} any more, and the rollback does not wait for it.`}
        </Silent>
      </div>
    </td>
    <td data-label={`seen on r${revision} since`}>
      <StillSeen target={target} />
    </td>
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
  const known = useTargets().data ?? [];
  const why = whyOf(rollout);
  const isOver = rollout.endedAt !== null;
  const abandon = async (target: string, reason: string): Promise<void> => {
    client.setQueryData(['rollout', rollout.id], await api.steer(rollout.id, 'abandon', { target, reason }));
  };
  return (
    <section className={`panel stack ${isOver ? '' : 'alarm'}`} aria-label="Rollback">
      <div className="row">
        <StateMark look={{ tone: 'bad', mark: 'back', words: isOver ? 'Taken back' : 'Being taken back' }} />
        <span className="dim" aria-live="polite">
          {backWords(rollout.targets, rollout.revision)}
        </span>
      </div>
      {why === undefined ? null : <p className="sentence wrap">{why}</p>}
      {rollout.cause === null || rollout.cause === why ? null : <p className="wrap">{rollout.cause}</p>}
      <Violations rollout={rollout} />
      <div className="scroll" tabIndex={0} role="region" aria-label="Way back of each target">
        <table className="grid flows">
          <thead>
            <tr>
              <th scope="col">target, in the order asked</th>
              <th scope="col" className="number">
                had on r{rollout.revision}
              </th>
              <th scope="col">way back</th>
              <th scope="col">seen on r{rollout.revision} since</th>
              <th scope="col">
                <span className="skip">Action</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {inOrder(rollout.targets).map((target) => (
              <TargetBack
                key={target.target}
                target={target}
                known={known.find((each) => each.target === target.target)}
                revision={rollout.revision}
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
