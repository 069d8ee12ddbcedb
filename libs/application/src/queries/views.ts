import {
  isDone,
  isNotReached,
  isServed,
  isTakenBack,
  liveRevision,
  stageName,
  summarise,
  asHeadgateEvent,
  parityKey,
  trackOf,
  vetoesOf,
  type InstanceDraw,
  type Leftover,
  type RecordedVerdict,
  type Rollout,
  type TargetProgress,
} from '#libs/domain';
import type { JsonObject, RecordedEvent } from '#libs/kernel';
import type { ConfigView, EventView, ParityView, RolloutView, TargetView, VerdictView } from '#libs/contracts';
import type { Delivery, Evidence, Failing, Progress } from '../ports.js';
import type { LiveView, RolloutEntry } from './live-view.js';

const DAY_MS = 86_400_000;

const iso = (ms: number): string => new Date(ms).toISOString();
const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms));

type Track = RolloutView['tracks'][number];

const trackStatus = (rollout: Rollout, track: Rollout['plan']['tracks'][number]): Track['status'] => {
  const { stage, passed } = trackOf(rollout, track.name);
  if (isTakenBack(rollout, track.name)) return 'taken-back';
  if (passed.length === track.stages.length) return 'passed';
  if (stage >= 0) return 'in-stage';
  const over = rollout.status === 'rolling-back' || rollout.status === 'rolled-back';
  return over || isNotReached(rollout, track) ? 'not-reached' : 'waiting';
};

/**
 * Zero until the stage itself was assessed: the newest assessment may still be of the one before. What was kept before
 * that was noted is shown as it was shown then.
 */
const bakedSoFar = (progress: Progress | undefined, track: string, stage: string): number => {
  const isOfStage = progress?.bakedIn === undefined || progress.bakedIn[track] === stage;
  return isOfStage ? (progress?.bakedMs[track] ?? 0) : 0;
};

const trackView = (
  rollout: Rollout,
  track: Rollout['plan']['tracks'][number],
  progress: Progress | undefined,
): Track => {
  const { stage: current, passed, enteredAt } = trackOf(rollout, track.name);
  return {
    name: track.name,
    status: trackStatus(rollout, track),
    targets: track.targets.map(({ target }) => target),
    stage: track.stages[current]?.name ?? null,
    stages: track.stages.map((stage, index) => {
      const done = passed[index];
      const entered = enteredAt[index];
      return {
        name: stage.name,
        exposureBp: stage.exposureBp,
        status: done ? 'passed' : entered === undefined ? 'waiting' : 'in-stage',
        enteredAt: entered === undefined ? null : iso(entered),
        passedAt: done ? iso(done.at) : null,
        bakeMs: stage.bakeMs,
        bakedMs: done ? done.bakedMs : index === current ? bakedSoFar(progress, track.name, stage.name) : null,
        skipped: done?.skipped ?? false,
      };
    }),
  };
};

/** The number of the look is the log's own: no part of what the API has promised. */
const verdictView = (verdict: RecordedVerdict, at: number): VerdictView => {
  const { look: _, ...known } = verdict;
  return { ...known, at: iso(at) };
};

const verdictsOf = (rollout: Rollout, progress: Progress | undefined): VerdictView[] => {
  const fresh = (progress?.verdicts ?? []).map((verdict) => verdictView(verdict, progress?.at ?? rollout.startedAt));
  const keys = new Set(fresh.map(({ track, signal }) => `${track}/${signal}`));
  const recorded = Object.values(rollout.verdicts)
    .filter(({ track, signal }) => !keys.has(`${track}/${signal}`))
    .map(({ at, ...verdict }) => verdictView(verdict, at));
  return [...fresh, ...recorded];
};

/** As of the newest assessment, and as recorded where that tells nothing any more. */
const paritiesOf = (rollout: Rollout, progress: Progress | undefined): ParityView[] => {
  const live = progress?.parity ?? [];
  const keys = new Set(live.map(parityKey));
  return [
    ...live.map((parity) => ({ ...parity, at: iso(progress?.at ?? rollout.startedAt) })),
    ...Object.values(rollout.parities)
      .filter((parity) => !keys.has(parityKey(parity)))
      .map((parity) => ({ ...parity, at: iso(parity.at) })),
  ];
};

const drawView = ({ candidate, control }: InstanceDraw) => ({
  chosen: candidate.length,
  of: candidate.length + control.length,
});

export const leftoverView = ({ requests, units, firstAt, lastAt }: Leftover) => ({
  requests,
  units,
  oldestAt: iso(firstAt),
  newestAt: iso(lastAt),
});

/** How far the way back is; null where the candidate is not being taken back from there. */
const wayBackView = (
  target: string,
  { wanted, back, readBackAt, endedAt, leftover, clearedAt }: TargetProgress,
  progress: Progress | undefined,
): RolloutView['targets'][number]['wayBack'] => {
  if (wanted?.purpose !== 'rollback') return null;
  const left = endedAt === null ? (progress?.leftovers?.[target] ?? leftover) : leftover;
  return {
    askedAt: iso(wanted.at),
    place: back?.place ?? null,
    requestsPerSecond: back?.requestsPerSecond ?? null,
    readBackAt: isoOrNull(readBackAt),
    endedAt: isoOrNull(endedAt),
    leftover: left && leftoverView(left),
    clearedAt: isoOrNull(clearedAt),
  };
};

const targetViews = (rollout: Rollout, assessed: Progress | undefined): RolloutView['targets'] =>
  Object.entries(rollout.targets).map(([target, progress]) => {
    const { control, wanted, delivered, converged, readBack, ended, error, failingSince } = progress;
    return {
      target,
      control,
      requestedBp: wanted?.shareBp ?? 0,
      ...(wanted?.instances ? { instances: drawView(wanted.instances) } : {}),
      purpose: wanted?.purpose ?? null,
      generation: wanted?.generation ?? 0,
      delivered: wanted !== null && delivered >= wanted.generation,
      converged: wanted !== null && converged >= wanted.generation,
      readBack,
      ended,
      error,
      failingSince: isoOrNull(failingSince),
      silent: rollout.endedAt === null && ended === null ? [...(assessed?.silent?.[target] ?? [])] : [],
      wayBack: wayBackView(target, progress, assessed),
    };
  });

/** A rollout as a person reads it. `progress` is its newest assessment, if any. */
export const rolloutView = (
  { rollout, version, position, startedBy, reason }: Omit<RolloutEntry, 'lastEvent'>,
  progress: Progress | undefined,
): RolloutView => ({
  id: rollout.id,
  config: rollout.config,
  revision: rollout.revision,
  plan: rollout.plan.plan,
  reason,
  startedBy,
  startedAt: iso(rollout.startedAt),
  endedAt: isoOrNull(rollout.endedAt),
  status: rollout.status,
  held: rollout.held === null ? null : { ...rollout.held, until: isoOrNull(rollout.held.until) },
  waitingFor: !isDone(rollout) && progress?.version === version ? [...progress.waitingFor] : [],
  alpha: rollout.plan.alpha,
  tracks: rollout.plan.tracks.map((track) => trackView(rollout, track, progress)),
  targets: targetViews(rollout, progress),
  verdicts: verdictsOf(rollout, rollout.endedAt === null ? progress : undefined),
  parity: paritiesOf(rollout, rollout.endedAt === null ? progress : undefined),
  violations: [],
  cause: rollout.cause,
  bypass: rollout.bypass,
  reverts: rollout.reverts,
  version,
  position,
});

/** The first violation of each invariant on the candidate, with the request that a person can look up. */
export const violationsOf = async (
  rollout: Rollout,
  evidence: Evidence,
  now: number,
): Promise<RolloutView['violations']> => {
  const invariants = rollout.plan.signals.filter(({ type }) => type === 'invariant');
  const reports = await Promise.all(
    invariants.map(async ({ signal }) => {
      const { first } = await evidence.violations(rollout.id, signal, { lookBackMs: DAY_MS, now });
      if (!first) return [];
      const { target, model, instance, request, reporter, at } = first;
      return [{ signal, target, model, instance, request: request ?? null, reporter, at: iso(at) }];
    }),
  );
  return reports.flat();
};

export const configView = (view: LiveView, key: string): ConfigView | undefined => {
  const config = view.fleet.configs.get(key);
  if (!config) return undefined;
  const live: Record<string, number> = {};
  if (isServed(config.kind))
    for (const target of view.fleet.targets.keys()) live[target] = liveRevision(config, target);
  return {
    key,
    kind: config.kind,
    assignment: config.assignment,
    description: config.description,
    schema: config.schema as ConfigView['schema'],
    revisions: config.revisions.map(({ revision, digest, value }) => {
      const facts = view.revisionFacts(key, revision);
      return {
        revision,
        digest,
        value: value as ConfigView['schema'],
        author: facts?.author ?? '',
        reason: facts?.reason ?? null,
        at: facts?.at ?? '',
        baseline: revision === 1,
        vetoed: vetoesOf(config, revision) > 0,
      };
    }),
    live,
    claims: { ...config.claims },
    retired: config.status === 'retired',
    version: view.streamVersion(`config-${key}`),
  };
};

export const undeliveredView = (failing: Failing | undefined): TargetView['undelivered'] =>
  failing === undefined ? null : { ...failing, since: iso(failing.since) };

/** `failing`: why nothing can be delivered there; undefined while it can. */
export const targetView = async (
  view: LiveView,
  delivery: Delivery,
  name: string,
  failing: Failing | undefined,
): Promise<TargetView | undefined> => {
  const known = view.fleet.targets.get(name);
  if (!known) return undefined;
  const { instances, silent = [] } = await delivery.observe(name);
  return {
    target: name,
    platform: known.platform,
    labels: { ...known.labels },
    models: [...known.models],
    driver: known.driver,
    settings: known.settings as TargetView['settings'],
    drift: known.drift && {
      generation: known.drift.generation,
      detail: known.drift.detail,
      action: known.drift.action,
    },
    generation: known.generation,
    undelivered: undeliveredView(known.retired ? undefined : failing),
    instances: instances.map(({ seenAt, ...instance }) => ({ ...instance, seenAt: iso(seenAt) })),
    silent: silent.map(({ instance, seenAt }) => ({ instance, seenAt: iso(seenAt) })),
    live: view.fleet
      .desired(name)
      .map(({ config, control, candidate, shareBp, rollout }) => ({ config, control, candidate, shareBp, rollout })),
    retired: known.retired,
    version: known.version,
  };
};

export const eventView = (recorded: RecordedEvent): EventView => ({
  position: recorded.position,
  stream: recorded.streamId,
  version: recorded.streamVersion,
  type: recorded.type,
  summary: summarise(asHeadgateEvent(recorded)),
  actor: { ...recorded.metadata.actor },
  reason: recorded.metadata.reason ?? null,
  occurredAt: recorded.metadata.occurredAt,
  recordedAt: recorded.recordedAt,
  causationId: recorded.metadata.causationId ?? null,
  correlationId: recorded.metadata.correlationId,
  eventId: recorded.eventId,
  data: redacted(recorded) as EventView['data'],
});

/** Hashes of secrets are of no use to a reader of history. */
const redacted = ({ type, data }: RecordedEvent): JsonObject =>
  type === 'TokenIssued' ? Object.fromEntries(Object.entries(data).filter(([key]) => key !== 'hash')) : data;

export { stageName };
