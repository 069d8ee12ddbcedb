import type { JSX } from 'react';
import type { EvidenceView, RolloutView, TargetView } from '#libs/contracts';
import { useTargets } from '../../api/queries.js';
import { StateMark } from '../../parts/mark.js';
import { ShareBar } from '../../parts/share.js';
import { Silent } from '../../parts/silent.js';
import { Age, Time } from '../../parts/time.js';
import { arrivalOf, exposureWords } from '../../words/delivery.js';
import { plural, showDuration, showShare } from '../../words/format.js';
import { trackLook, type Look } from '../../words/status.js';

type Track = RolloutView['tracks'][number];
type Stage = Track['stages'][number];
type Target = RolloutView['targets'][number];

const STAGES: Readonly<Record<'passed' | 'now' | 'waiting' | 'gone' | 'skipped' | 'never', Look>> = {
  passed: { tone: 'good', mark: 'check', words: 'passed' },
  skipped: { tone: 'warn', mark: 'swap', words: 'promoted by hand' },
  now: { tone: 'moving', mark: 'play', words: 'now' },
  waiting: { tone: 'calm', mark: 'ring', words: 'to come' },
  gone: { tone: 'bad', mark: 'back', words: 'taken back here' },
  never: { tone: 'calm', mark: 'dash', words: 'not reached' },
};

const stageLook = (stage: Stage, isWithdrawn: boolean): Look => {
  if (stage.status === 'passed') return stage.skipped ? STAGES.skipped : STAGES.passed;
  if (isWithdrawn) return stage.status === 'in-stage' ? STAGES.gone : STAGES.never;
  return stage.status === 'in-stage' ? STAGES.now : STAGES.waiting;
};

const StageBox = ({ stage, isWithdrawn }: { readonly stage: Stage; readonly isWithdrawn: boolean }): JSX.Element => {
  const look = stageLook(stage, isWithdrawn);
  const serves = exposureWords(stage.name, stage.exposureBp);
  const isNow = look === STAGES.now;
  const kind = isNow ? 'now' : look === STAGES.gone ? 'gone' : '';
  return (
    <li className={`stage ${kind}`} aria-current={isNow ? 'step' : undefined}>
      <span className="row between" style={{ gap: 4 }}>
        <span className="big">{stage.name}</span>
        <StateMark look={look} isPill={false} />
      </span>
      {serves === undefined ? null : <span className="small dim">{serves}</span>}
      <span className="small dim">
        {stage.bakedMs === null || isWithdrawn
          ? `bake ${showDuration(stage.bakeMs)}`
          : `baked ${showDuration(stage.bakedMs)} of ${showDuration(stage.bakeMs)}`}
      </span>
      {stage.enteredAt === null ? null : (
        <span className="small dim">
          {stage.passedAt === null ? (
            <>
              since <Time at={stage.enteredAt} />
            </>
          ) : (
            `took ${showDuration(Date.parse(stage.passedAt) - Date.parse(stage.enteredAt))}`
          )}
        </span>
      )}
    </li>
  );
};

const TargetRow = ({
  target,
  known,
}: {
  readonly target: Target;
  readonly known: TargetView | undefined;
}): JSX.Element => {
  const arrival = arrivalOf(target, known);
  const tone = target.purpose === 'rollback' ? 'bad' : target.purpose === 'settle' ? 'good' : 'moving';
  const { live, acknowledged } = arrival;
  return (
    <tr>
      <th scope="row" className="wrap">
        {target.target}
      </th>
      <td className="number" data-label="asked for">
        {target.purpose === null ? '–' : showShare(arrival.askedBp)}
      </td>
      <td className="number" data-label="delivered">
        {arrival.deliveredBp === null ? '–' : showShare(arrival.deliveredBp)}
      </td>
      <td className="number" data-label="acknowledged">
        {live === null || acknowledged === null || target.purpose === null
          ? '–'
          : `${acknowledged} of ${plural(live, 'instance')}`}
      </td>
      <td style={{ minWidth: 120 }}>
        <ShareBar askedBp={arrival.askedBp} thereBp={arrival.isThere ? arrival.askedBp : 0} tone={tone} />
        <span className={`small ${target.error === null ? 'dim' : 'bad'} wrap`}>{target.error ?? arrival.words}</span>
        <Silent names={target.silent} known={known}>
          the stage waits for it.
        </Silent>
      </td>
    </tr>
  );
};

const restWords = (targets: readonly Target[], isWithdrawn: boolean): string => {
  if (targets.some(({ purpose }) => purpose === 'rollback')) return 'taken back, as the way back above says';
  return isWithdrawn ? 'never exposed' : 'not exposed yet';
};

const TrackPart = ({
  track,
  rollout,
  targets,
  known,
}: {
  readonly track: Track;
  readonly rollout: RolloutView;
  readonly targets: readonly Target[];
  readonly known: readonly TargetView[];
}): JSX.Element => {
  const isWithdrawn =
    rollout.status === 'rolling-back' ||
    rollout.status === 'rolled-back' ||
    track.status === 'taken-back' ||
    track.status === 'not-reached';
  const entered = track.stages.find(({ name }) => name === track.stage)?.enteredAt ?? null;
  return (
    <div className="track section">
      <div className="row">
        <h3>{track.name}</h3>
        <StateMark look={trackLook(isWithdrawn && track.status === 'in-stage' ? 'taken-back' : track.status)} />
        {entered === null || track.status !== 'in-stage' || isWithdrawn ? null : (
          <span className="dim small">
            for <Age at={entered} />
          </span>
        )}
      </div>
      <ol className="stages" aria-label={`Stages of ${track.name}`}>
        {track.stages.map((stage) => (
          <StageBox key={stage.name} stage={stage} isWithdrawn={isWithdrawn} />
        ))}
      </ol>
      {targets.every(({ purpose }) => purpose === null || purpose === 'rollback') ? (
        <span className="small dim wrap">
          {targets.map(({ target }) => target).join(', ')}: {restWords(targets, isWithdrawn)}
        </span>
      ) : (
        <div className="scroll" tabIndex={0} role="region" aria-label={`Targets of ${track.name}`}>
          <table className="grid flows">
            <thead>
              <tr>
                <th scope="col">target</th>
                <th scope="col" className="number">
                  asked for
                </th>
                <th scope="col" className="number">
                  delivered
                </th>
                <th scope="col" className="number">
                  acknowledged
                </th>
                <th scope="col">there</th>
              </tr>
            </thead>
            <tbody>
              {targets.map((target) => (
                <TargetRow
                  key={target.target}
                  target={target}
                  known={known.find((each) => each.target === target.target)}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
};

export type Pools = EvidenceView['signals'][number]['pools'];

/** The same change on every platform: how far it is, and how far what was asked for has come. */
export const Tracks = ({ rollout }: { readonly rollout: RolloutView }): JSX.Element => {
  const known = useTargets().data ?? [];
  const placed = new Set<string>();
  return (
    <section className="panel stack" aria-label="Tracks">
      <h2>Tracks</h2>
      {rollout.tracks.map((track) => {
        const own = rollout.targets.filter(({ target }) => track.targets.includes(target));
        for (const { target } of own) placed.add(target);
        return <TrackPart key={track.name} track={track} rollout={rollout} targets={own} known={known} />;
      })}
    </section>
  );
};
