import type {
  DrainOutcome,
  Leftover,
  InstanceDraw,
  RecordedParity,
  RecordedVerdict,
  ResolvedPlan,
} from '../events/index.js';

export type Exposure = {
  /** Position of the event that asked for it: the target's generation. */
  readonly generation: number;
  readonly shareBp: number;
  readonly purpose: 'stage' | 'settle' | 'rollback';
  readonly at: number;
  /** Which instances serve the candidate and which do not, where the lot decides; null otherwise. */
  readonly instances: InstanceDraw | null;
};

export type Assignment = 'unit' | 'request' | 'instance';

/** One target of the rollout. `wanted` is null until its track reaches it. */
export type TargetProgress = {
  readonly control: number;
  readonly wanted: Exposure | null;
  readonly delivered: number;
  /** When the newest delivery succeeded; null before the first. */
  readonly deliveredAt: number | null;
  readonly converged: number;
  readonly readBack: boolean;
  readonly readBackAt: number | null;
  readonly ended: DrainOutcome | null;
  readonly endedAt: number | null;
  /** Its place among those that were taken back with it, and how much traffic the candidate had there. */
  readonly back: { readonly place: number; readonly requestsPerSecond: number | null } | null;
  /** What still came to the candidate, as it was last recorded. */
  readonly leftover: Leftover | null;
  /** When its clients were told to drop what sessions had stuck to; null: they were not. */
  readonly clearedAt: number | null;
  /** Why the last delivery failed; null once one succeeds. */
  readonly error: string | null;
  /** Since when deliveries fail, in epoch ms; null while they do not. */
  readonly failingSince: number | null;
};

export type PassedStage = {
  readonly name: string;
  readonly at: number;
  readonly bakedMs: number;
  readonly skipped: boolean;
};

export type TrackProgress = {
  /** Index of the stage it is in; -1 before the first; the number of stages once all are passed. */
  readonly stage: number;
  readonly enteredAt: readonly number[];
  readonly passed: readonly PassedStage[];
  /** Set between BakeSkipped and StagePassed. */
  readonly skipping: boolean;
  /** Taken back alone, while the rollout goes on with the others. */
  readonly takenBack: boolean;
};

export type Hold = {
  readonly by: 'person' | 'policy';
  readonly reason: string;
  /** Epoch ms; null: until someone resumes. */ readonly until: number | null;
};

export type Status = 'staging' | 'watching' | 'settling' | 'rolling-back' | 'settled' | 'rolled-back' | 'superseded';

export type Rollout = {
  readonly status: Status;
  readonly id: string;
  readonly config: string;
  readonly revision: number;
  readonly assignment: Assignment;
  readonly plan: ResolvedPlan;
  readonly vetoReason: string | null;
  readonly bypass: string | null;
  readonly reverts: number | null;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly held: Hold | null;
  readonly tracks: Readonly<Record<string, TrackProgress>>;
  readonly targets: Readonly<Record<string, TargetProgress>>;
  /** Newest recorded verdict by `<track or *>/<signal>`. */
  readonly verdicts: Readonly<Record<string, RecordedVerdict & { readonly at: number }>>;
  /** Newest recorded judgement of each parity that a track waits for, by `parityKey`. */
  readonly parities: Readonly<Record<string, RecordedParity & { readonly at: number }>>;
  /** Signals that are missing and without which it goes on. */
  readonly without: readonly string[];
  /** Why it was taken back. */
  readonly cause: string | null;
  readonly rollbackAt: number | null;
};

export type RolloutState = { readonly status: 'none' } | Rollout;

export const verdictKey = (verdict: { readonly track: string | null; readonly signal: string }): string =>
  `${verdict.track ?? '*'}/${verdict.signal}`;

/** What a track waits for of two others, by one signal. */
export const parityKey = ({ track, signal, between }: Pick<RecordedParity, 'track' | 'signal' | 'between'>): string =>
  `${track}/${signal}/${between.join('/')}`;

export const trackOf = (rollout: Rollout, name: string): TrackProgress =>
  rollout.tracks[name] ?? { stage: -1, enteredAt: [], passed: [], skipping: false, takenBack: false };

export const isOver = ({ status }: Pick<Rollout, 'status'>): boolean =>
  status === 'settled' || status === 'rolled-back' || status === 'superseded';

/** Targets that were asked to show the candidate, ever. */
export const reachedTargets = (rollout: Rollout): readonly string[] =>
  Object.entries(rollout.targets)
    .filter(([, { wanted }]) => wanted !== null)
    .map(([target]) => target);

export const rolloutStream = (id: string): string => `rollout-${id}`;
