import type { ResolvedPlan } from '../events/index.js';
import { parityKey, trackOf, type Rollout, type TargetProgress } from './rollout.state.js';

export type Track = ResolvedPlan['tracks'][number];

/** The rollout with one track taken back alone. */
export const withTakenBack = (rollout: Rollout, track: string): Rollout => ({
  ...rollout,
  tracks: { ...rollout.tracks, [track]: { ...trackOf(rollout, track), takenBack: true } },
});

/** Whether this track alone was taken back; when the whole rollout is, its status says so. */
export const isTakenBack = (rollout: Rollout, track: string): boolean => trackOf(rollout, track).takenBack;

const blockedByTrack = (rollout: Rollout, name: string): string | undefined => {
  if (isTakenBack(rollout, name)) return name;
  const track = rollout.plan.tracks.find((each) => each.name === name);
  return track === undefined ? undefined : blockedBy(rollout, track);
};

/** Tracks that this one still waits for: one for a stage of it, others for their parity as far as that is not shown. */
const awaitedBy = (rollout: Rollout, { name, after, parity }: Track): readonly string[] => [
  ...(after === null || trackOf(rollout, after.track).passed.some((passed) => passed.name === after.stage)
    ? []
    : [after.track]),
  ...parity
    .filter((each) => rollout.parities[parityKey({ track: name, ...each })]?.verdict !== 'pass')
    .flatMap(({ between }) => between),
];

/**
 * The track taken back before it came to what this one waits for, itself or through others; so this one never begins.
 */
export const blockedBy = (rollout: Rollout, track: Track): string | undefined => {
  if (trackOf(rollout, track.name).stage >= 0) return undefined;
  for (const awaited of awaitedBy(rollout, track)) {
    const blocking = blockedByTrack(rollout, awaited);
    if (blocking !== undefined) return blocking;
  }
  return undefined;
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

/** Whether the candidate was asked to leave this target, and how that ends there is not recorded yet. */
export const isOnWayBack = (progress: TargetProgress): boolean => isLeaving(progress) && progress.ended === null;

/** Whether nothing of the candidate is left to be taken back here: it never came, or it was read back or given up. */
export const isClear = ({ wanted, readBack, ended }: TargetProgress): boolean =>
  wanted === null || readBack || ended !== null;
