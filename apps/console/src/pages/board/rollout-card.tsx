import { Link } from '@tanstack/react-router';
import { memo, type JSX } from 'react';
import type { BoardRollout } from '#libs/contracts';
import { StateMark } from '../../parts/mark.js';
import { Age } from '../../parts/time.js';
import { healthLook, statusLook } from '../../words/status.js';

type Track = BoardRollout['tracks'][number];

const EDGES: Readonly<Record<string, string>> = {
  good: 'edge-good',
  bad: 'edge-bad',
  warn: 'edge-warn',
  moving: 'edge-moving',
};

const dotOf = (track: Track, index: number, isBack: boolean): string => {
  const isGone = track.status === 'taken-back' || isBack;
  if (index < track.passed) return isGone ? 'gone' : 'done';
  if (index > track.passed || (track.status !== 'in-stage' && track.status !== 'taken-back')) return '';
  return isGone ? 'gone' : 'now';
};

const whereOf = ({ status, stage }: Track, isBack: boolean): string => {
  if (isBack && (status === 'in-stage' || status === 'passed'))
    return `taken back${stage === null ? '' : ` at ${stage}`}`;
  if (status === 'in-stage') return stage ?? '';
  if (status === 'passed') return 'all stages';
  if (status === 'taken-back') return 'taken back';
  return status === 'waiting' ? 'waits' : 'not reached';
};

/** How far a track has come: a box for each stage, and the same in words. */
const TrackLine = ({ track, isBack }: { readonly track: Track; readonly isBack: boolean }): JSX.Element => (
  <span className="track-line">
    <b className="wrap">{track.name}</b>
    <span className="dots" aria-hidden="true">
      {Array.from({ length: track.stages }, (_, index) => (
        <i key={index} className={dotOf(track, index, isBack)} />
      ))}
    </span>
    <span className="dim">{whereOf(track, isBack)}</span>
  </span>
);

const isOver = ({ endedAt }: BoardRollout): boolean => endedAt !== null;

const sameCard = (a: { rollout: BoardRollout }, b: { rollout: BoardRollout }): boolean => a.rollout === b.rollout;

const Waits = ({ waitingFor: [first, ...others] }: Pick<BoardRollout, 'waitingFor'>): JSX.Element | null =>
  first === undefined ? null : (
    <span className="wrap small">
      <span className="dim">waits for:</span> {first}
      {others.length > 0 ? <span className="dim"> and {others.length} more</span> : null}
    </span>
  );

const Why = ({ rollout }: { readonly rollout: BoardRollout }): JSX.Element | null => {
  const { held, health, sentence, waitingFor } = rollout;
  if (held !== null)
    return (
      <span className="wrap">
        <b>{held.by === 'person' ? 'Paused' : 'Held'}:</b> {held.reason}
      </span>
    );
  return (
    <>
      {health === 'harm' && sentence !== null ? <span className="wrap bad">{sentence}</span> : null}
      <Waits waitingFor={waitingFor} />
    </>
  );
};

/** One rollout, to be read from afar: what, how it stands, how far it is, and what it waits for. */
export const RolloutCard = memo(({ rollout }: { readonly rollout: BoardRollout }): JSX.Element => {
  const look = statusLook(rollout);
  const isBack = rollout.status === 'rolling-back' || rollout.status === 'rolled-back';
  return (
    <Link to="/rollouts/$id" params={{ id: rollout.id }} className={`card ${EDGES[look.tone] ?? ''}`} data-stop>
      <span className="row between">
        <span className="title wrap">
          {rollout.config} <span className="dim">r{rollout.revision}</span>
        </span>
        <StateMark look={look} />
      </span>
      <span className="track-lines small">
        {rollout.tracks.map((track) => (
          <TrackLine key={track.name} track={track} isBack={isBack} />
        ))}
      </span>
      <Why rollout={rollout} />
      <span className="row between small dim last">
        <span>
          {isOver(rollout) ? 'ended ' : 'started '}
          <Age at={rollout.endedAt ?? rollout.startedAt} suffix=" ago" />
          {isOver(rollout) ? '' : ` by ${rollout.startedBy}`}
        </span>
        {isOver(rollout) ? null : <StateMark look={healthLook(rollout.health)} isPill={false} />}
      </span>
    </Link>
  );
}, sameCard);
RolloutCard.displayName = 'RolloutCard';
