import type { ResolvedPlan } from '../events/index.js';
import { trackOf, type Rollout, type TargetProgress } from './rollout.state.js';

export type Track = ResolvedPlan['tracks'][number];

/** The rollout with one track taken back alone. */
export const withTakenBack = (rollout: Rollout, track: string): Rollout => ({
  ...rollout,
  tracks: { ...rollout.tracks, [track]: { ...trackOf(rollout, track), takenBack: true } },
});

/** Whether this track alone was taken back; when the whole rollout is, its status says so. */
export const isTakenBack = (rollout: Rollout, track: string): boolean => trackOf(rollout, track).takenBack;

/** The track taken back before a stage passed that this one waits for, itself or through others; so it never begins. */
export const blockedBy = (rollout: Rollout, track: Track): string | undefined => {
  if (track.after === null || trackOf(rollout, track.name).stage >= 0) return undefined;
  const { track: awaited, stage } = track.after;
  if (trackOf(rollout, awaited).passed.some(({ name }) => name === stage)) return undefined;
  if (isTakenBack(rollout, awaited)) return awaited;
  const other = rollout.plan.tracks.find(({ name }) => name === awaited);
  return other === undefined ? undefined : blockedBy(rollout, other);
};

export const isNotReached = (rollout: Rollout, track: Track): boolean => blockedBy(rollout, track) !== undefined;

/** Tracks that go on: neither taken back by themselves nor never to be reached. */
export const liveTracks = (rollout: Rollout): readonly Track[] =>
  rollout.plan.tracks.filter((track) => !isTakenBack(rollout, track.name) && !isNotReached(rollout, track));

export const targetsOf = (tracks: readonly Track[]): readonly string[] =>
  tracks.flatMap(({ targets }) => targets.map(({ target }) => target));

/** Targets on which the candidate stays if nothing else happens. */
export const liveTargets = (rollout: Rollout): readonly string[] => targetsOf(liveTracks(rollout));

/** Whether the candidate was asked to leave this target. */
export const isLeaving = ({ wanted }: TargetProgress): boolean => wanted?.purpose === 'rollback';

/** Whether nothing of the candidate is left to be taken back here: it never came, or it was read back or given up. */
export const isClear = ({ wanted, readBack, ended }: TargetProgress): boolean =>
  wanted === null || readBack || ended !== null;
