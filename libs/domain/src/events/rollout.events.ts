import type { JsonObject } from '#libs/kernel';
import { z } from 'zod';

const Rollout = z.string();
const Targets = z.array(z.string());
const TrackStage = { rollout: Rollout, track: z.string(), stage: z.string() };
const Tolerance = z.number().nullable();

const FirstSignal = z.object({
  signal: z.string(),
  title: z.string(),
  type: z.enum(['invariant', 'rate']),
  harm: z.number(),
  weight: z.number(),
  shadow: z.boolean(),
  /** Margin before settling; null: none asked. */
  settleTolerate: Tolerance,
});

const ThirdSignal = FirstSignal.extend({
  type: z.enum(['invariant', 'rate', 'mean', 'distribution', 'paired']),
  /** Bad requests are not rare: harm is a ratio of odds. */
  frequent: z.boolean(),
  /** The direction in which values may not go. */
  worse: z.enum(['higher', 'lower']),
  /** The least and the greatest value of a mean; null for others. */
  range: z.tuple([z.number(), z.number()]).nullable(),
  /** Unit of values; null where there is none. */
  unit: z.string().nullable(),
  /** What happens where it is not measured for longer than the grace. */
  missing: z.enum(['hold', 'roll-back', 'warn']),
  /** Null: the grace of the plan. */
  graceMs: z.number().nullable(),
});

const ResolvedSignal = ThirdSignal.extend({
  /** The kind of source that counts it, without units, so that the bound does not cover it; null: outcomes. */
  source: z.string().nullable(),
  /** What a `fail` does. */
  onFail: z.enum(['roll-back', 'hold', 'warn']),
  /** The worst rate or mean that is borne whatever control does; null: none is named. */
  limit: z.number().nullable(),
  /** How long after the request an outcome may become known; null: it is known with the request. */
  delayMs: z.number().nullable(),
});

/** A plan as one rollout runs it: targets chosen, defaults filled in, signals with their types. */
export const ResolvedPlan = z.object({
  plan: z.string(),
  planRevision: z.int(),
  alpha: z.number(),
  holdbackBp: z.int(),
  watchMs: z.number(),
  drainMs: z.number(),
  graceMs: z.number(),
  /** What a `fail` takes back: everything, or the track in which it was found. */
  rollbackScope: z.enum(['rollout', 'track']),
  /** With how many of the known instances a stage goes on, and after how long without the others; null: with all. */
  convergence: z.object({ quorumBp: z.int(), withinMs: z.number() }).nullable(),
  /** Why it may go on although none of its signals could ever tell; null: it may not. */
  acceptBlind: z.string().nullable(),
  /** In which order targets are taken back; left out: by blast radius. Named targets come first. */
  rollbackOrder: z.union([z.enum(['blast-radius', 'plan']), Targets]).optional(),
  /** What is done about requests that still come to a withdrawn revision after its drain time; left out: wait. */
  leftovers: z.enum(['wait', 'clear']).optional(),
  /** E-value of a signal from which on nothing passes; left out: 10 over the signal's part of alpha. */
  suspicion: z.number().optional(),
  signals: z.array(ResolvedSignal),
  tracks: z.array(
    z.object({
      name: z.string(),
      after: z.object({ track: z.string(), stage: z.string() }).nullable(),
      targets: z.array(z.object({ target: z.string(), models: z.array(z.string()), hardware: z.string().nullable() })),
      stages: z.array(
        z.object({
          name: z.string(),
          exposureBp: z.int(),
          bakeMs: z.number(),
          activation: z.int(),
          /** Candidate requests that the track needs in all. */
          samples: z.int(),
          /** Signal → margin; null: none asked. */
          tolerate: z.record(z.string(), Tolerance),
        }),
      ),
      /** What must be shown of other tracks before this one starts: as good on the same work, within a margin. */
      parity: z.array(
        z.object({ signal: z.string(), between: z.tuple([z.string(), z.string()]), withinBp: z.number() }),
      ),
    }),
  ),
});
export type ResolvedPlan = z.output<typeof ResolvedPlan>;
const FourthPlan = ResolvedPlan.omit({ convergence: true, rollbackOrder: true, leftovers: true, suspicion: true });
const ThirdPlan = FourthPlan.extend({
  signals: z.array(ThirdSignal),
  tracks: z.array(ResolvedPlan.shape.tracks.element.omit({ parity: true })),
});
const FirstPlan = ThirdPlan.omit({ acceptBlind: true }).extend({ signals: z.array(FirstSignal) });

const ArmValues = z.object({ count: z.number(), mean: z.number(), quantiles: z.array(z.number()).nullable() });

/** A verdict with what it rests on. `digest` names the folded looks: replaying them gives the same verdict. */
export const RecordedVerdict = z.object({
  signal: z.string(),
  track: z.string().nullable(),
  stage: z.string().nullable(),
  verdict: z.enum(['pass', 'fail', 'inconclusive', 'not-measured']),
  shadow: z.boolean(),
  sentence: z.string(),
  method: z.string(),
  counts: z.object({
    candidateBad: z.number(),
    candidateRequests: z.number(),
    controlBad: z.number(),
    controlRequests: z.number(),
  }),
  /** Of signals of values; null for others. */
  values: z.object({ candidate: ArmValues.nullable(), control: ArmValues.nullable() }).nullable(),
  ratio: z.number().nullable(),
  interval: z.tuple([z.number().nullable(), z.number().nullable()]).nullable(),
  logE: z.number(),
  logBound: z.number(),
  look: z.int(),
  digest: z.string(),
});
export type RecordedVerdict = z.output<typeof RecordedVerdict>;

/**
 * How two tracks stand by the same work done on both, for a track that waits for their parity. It rests on the counts
 * alone: they give the same verdict again.
 */
export const RecordedParity = z.object({
  /** The track that waits for it. */
  track: z.string(),
  signal: z.string(),
  /** The left track and the right one. */
  between: z.tuple([z.string(), z.string()]),
  withinBp: z.number(),
  verdict: z.enum(['pass', 'fail', 'inconclusive', 'not-measured']),
  sentence: z.string(),
  method: z.string(),
  counts: z.object({ pairs: z.number(), leftOnly: z.number(), rightOnly: z.number() }),
  /** Share of bad answers on the left less that on the right; null before the first pair. */
  difference: z.number().nullable(),
  /** Differences that the pairs do not speak against; each end is wrong at any time with a chance of at most 5%. */
  interval: z.tuple([z.number(), z.number()]),
  /** Logarithms of the e-value for parity, and of what shows it; of the one against it, and of what refutes it. */
  logE: z.number(),
  logBound: z.number(),
  logAgainst: z.number(),
  logAgainstBound: z.number(),
});
export type RecordedParity = z.output<typeof RecordedParity>;

export const ExposurePurpose = z.enum(['stage', 'settle', 'rollback']);
const FirstDrainOutcome = z.enum(['drained', 'acknowledged', 'abandoned']);
/**
 * `redelivered`: a newer rollout delivers the withdrawn revision there again, so nobody can tell whether it had gone.
 * `unconfirmed`: no instance is live that could have said that it took the control.
 */
export const DrainOutcome = z.enum([...FirstDrainOutcome.options, 'redelivered', 'unconfirmed']);
export type DrainOutcome = z.output<typeof DrainOutcome>;

/** What still came to a withdrawn revision on a target after the control had been asked for there. */
export const Leftover = z.object({
  requests: z.int(),
  /** Distinct units that were named among them; counting stops at 512. */
  units: z.int(),
  /** Begin of the first window with such requests, and end of the last one; epoch ms. */
  firstAt: z.number(),
  lastAt: z.number(),
});
export type Leftover = z.output<typeof Leftover>;

const Drained = z.object({
  rollout: Rollout,
  target: z.string(),
  outcome: DrainOutcome,
  /** Epoch ms of the last traffic on the withdrawn revision; null: none was seen. */
  lastSeenAt: z.number().nullable(),
  detail: z.string(),
  /** Left out where nothing came. */
  leftover: Leftover.optional(),
});

const Gone = z.object({ rollout: Rollout, targets: z.record(z.string(), DrainOutcome), tookMs: z.number() });

/** The instances of a target that were live when an exposure was asked for, as the lot fell. */
export const InstanceDraw = z.object({
  /** Those that serve the candidate: newly chosen ones, and whoever was chosen for an earlier exposure of the rollout. */
  candidate: z.array(z.string()),
  /** Those that were not chosen. */
  control: z.array(z.string()),
});
export type InstanceDraw = z.output<typeof InstanceDraw>;

const Requested = z.object({
  rollout: Rollout,
  target: z.string(),
  config: z.string(),
  candidate: z.int(),
  control: z.int(),
  shareBp: z.int(),
  purpose: ExposurePurpose,
  /** Of a config assigned by instance, where some serve the candidate and others do not; null otherwise. */
  instances: InstanceDraw.nullable(),
});

const FirstAssignment = z.enum(['unit', 'request']);

const Planned = z.object({
  rollout: Rollout,
  config: z.string(),
  revision: z.int(),
  assignment: z.enum([...FirstAssignment.options, 'instance']),
  plan: ResolvedPlan,
  /** Target → revision it runs on now, and goes back to. Pinned for the life of the rollout. */
  controls: z.record(z.string(), z.int()),
  vetoReason: z.string().nullable(),
  /** Why it goes without stages; null for an ordinary plan. */
  bypass: z.string().nullable(),
  /** The settled revision that it takes back; null when it is no revert. */
  reverts: z.int().nullable(),
});

const Arrived = z.object({
  rollout: Rollout,
  target: z.string(),
  generation: z.int(),
  /** Live ones. */
  instances: z.int(),
  /** Known instances that have not acknowledged, or have stopped talking: it went on, or back, without them. */
  absent: z.array(z.string()),
});

const TakenBack = z.object({
  rollout: Rollout,
  cause: z.enum(['degradation', 'abort']),
  reason: z.string(),
  targets: Targets,
  /** The track that is taken back alone; null: all that is left of the rollout. */
  track: z.string().nullable(),
  /** Why `targets` stand in this order; left out where nobody chose one. */
  order: z
    .object({
      by: z.enum(['blast-radius', 'plan', 'named']),
      /** Requests per second on the candidate lately, as far as they are known. */
      requestsPerSecond: z.record(z.string(), z.number()),
    })
    .optional(),
});

export const rolloutEvents = {
  RolloutPlanned: {
    1: Planned.extend({ plan: FirstPlan.omit({ rollbackScope: true }), assignment: FirstAssignment }),
    2: Planned.extend({ plan: FirstPlan, assignment: FirstAssignment }),
    3: Planned.extend({ plan: ThirdPlan, assignment: FirstAssignment }),
    4: Planned.extend({ plan: FourthPlan }),
    5: Planned,
  },
  RolloutStarted: { 1: z.object({ rollout: Rollout }) },
  StageEntered: { 1: z.object({ ...TrackStage, exposureBp: z.int() }) },
  /** What is wanted of a target from here on. The position of this event is the target's new generation. */
  ExposureRequested: { 1: Requested.omit({ instances: true }), 2: Requested },
  /** The driver made it so, and read it back. */
  ExposureChanged: { 1: z.object({ rollout: Rollout, target: z.string(), generation: z.int(), shareBp: z.int() }) },
  ExposureFailed: {
    1: z.object({ rollout: Rollout, target: z.string(), generation: z.int(), error: z.string() }),
  },
  TargetConverged: {
    1: Arrived.omit({ absent: true }),
    2: Arrived,
  },
  VerdictRecorded: {
    1: z.object({ rollout: Rollout, verdict: RecordedVerdict.omit({ values: true }) }),
    2: z.object({ rollout: Rollout, verdict: RecordedVerdict }),
  },
  ParityJudged: { 1: z.object({ rollout: Rollout, parity: RecordedParity }) },
  StagePassed: { 1: z.object({ ...TrackStage, bakedMs: z.number(), sentences: z.array(z.string()) }) },
  RolloutHeld: {
    1: z.object({
      rollout: Rollout,
      by: z.enum(['person', 'policy']),
      reason: z.string(),
      /** Epoch ms; null: until someone resumes. */ until: z.number().nullable(),
    }),
  },
  RolloutResumed: { 1: z.object({ rollout: Rollout, by: z.enum(['person', 'policy']), reason: z.string() }) },
  /** A signal whose absence only warns is not measured on these targets, and the rollout goes on without it. */
  EvidenceMissing: {
    1: z.object({ rollout: Rollout, signal: z.string(), targets: Targets, sentence: z.string() }),
  },
  EvidenceReturned: { 1: z.object({ rollout: Rollout, signal: z.string() }) },
  /** A person sent a stage on before it had shown all it should; what was missing is listed. */
  BakeSkipped: { 1: z.object({ ...TrackStage, reason: z.string(), missing: z.array(z.string()) }) },
  DegradationDetected: {
    1: z.object({ rollout: Rollout, signal: z.string(), stages: z.array(z.string()), sentence: z.string() }),
  },
  RollbackStarted: { 1: TakenBack.omit({ track: true, order: true }), 2: TakenBack },
  /** The target was asked what is live, and it is the control again. */
  TargetReadBack: { 1: z.object({ rollout: Rollout, target: z.string(), generation: z.int() }) },
  /**
   * Requests still came to the withdrawn revision: who reads this ruleset drops what sessions have stuck to. The position
   * of this event is the target's new generation.
   */
  StickinessDropped: {
    1: z.object({ rollout: Rollout, target: z.string(), config: z.string(), leftover: Leftover }),
  },
  TargetDrained: {
    1: Drained.omit({ leftover: true }).extend({ outcome: FirstDrainOutcome }),
    2: Drained,
  },
  RolledBack: { 1: Gone.extend({ targets: z.record(z.string(), FirstDrainOutcome) }), 2: Gone },
  /** A newer rollout of the config took over while this one was watched: its revision stays live, unsettled. */
  RolloutSuperseded: { 1: z.object({ rollout: Rollout, by: z.string() }) },
  FullyExposed: { 1: z.object({ rollout: Rollout, holdbackBp: z.int() }) },
  RolloutSettled: { 1: z.object({ rollout: Rollout, config: z.string(), revision: z.int(), targets: Targets }) },
} as const;

const same = (data: JsonObject): JsonObject => data;

const withPlan = (data: JsonObject, change: (plan: JsonObject) => JsonObject): JsonObject => {
  const plan = data['plan'] as JsonObject;
  return { ...data, plan: { ...plan, ...change(plan) } };
};

/** What a signal is that only counts bad events, and holds where it is missing. */
const OF_EVENTS = { frequent: false, worse: 'higher', range: null, unit: null, missing: 'hold', graceMs: null };

/** What a signal is that comes as outcomes, with their requests. */
const OF_OUTCOMES = { source: null, onFail: 'roll-back', limit: null, delayMs: null };

/**
 * Before version 2 a rollout was always taken back as a whole, and a drain never ended by a newer delivery; before
 * version 3 of RolloutPlanned all signals were of rare events, before version 4 all came as outcomes, and before
 * version 5 every stage waited for all live instances.
 */
export const rolloutUpcasters = {
  RolloutPlanned: {
    1: (data: JsonObject): JsonObject => withPlan(data, () => ({ rollbackScope: 'rollout' })),
    2: (data: JsonObject): JsonObject =>
      withPlan(data, ({ signals }) => ({
        acceptBlind: null,
        signals: (signals as readonly JsonObject[]).map((signal) => ({ ...signal, ...OF_EVENTS })),
      })),
    3: (data: JsonObject): JsonObject =>
      withPlan(data, ({ signals, tracks }) => ({
        signals: (signals as readonly JsonObject[]).map((signal) => ({ ...signal, ...OF_OUTCOMES })),
        tracks: (tracks as readonly JsonObject[]).map((track) => ({ ...track, parity: [] })),
      })),
    4: (data: JsonObject): JsonObject => withPlan(data, () => ({ convergence: null })),
  },
  TargetConverged: { 1: (data: JsonObject): JsonObject => ({ ...data, absent: [] }) },
  /** Before version 2 nothing was assigned by instance. */
  ExposureRequested: { 1: (data: JsonObject): JsonObject => ({ ...data, instances: null }) },
  VerdictRecorded: {
    1: (data: JsonObject): JsonObject => ({ ...data, verdict: { ...(data['verdict'] as JsonObject), values: null } }),
  },
  RollbackStarted: { 1: (data: JsonObject): JsonObject => ({ ...data, track: null }) },
  TargetDrained: { 1: same },
  RolledBack: { 1: same },
} as const;
