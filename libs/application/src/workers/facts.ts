import {
  assignmentSkew,
  awaitsParity,
  isLeaving,
  isOfValues,
  judgeParities,
  servesAlike,
  liveTargets,
  liveTracks,
  longestSilence,
  silences,
  toleratedSilenceMs,
  trackOf,
  type Facts,
  type RecordedParity,
  type RecordedVerdict,
  type Rollout,
  type StageFacts,
  type TargetFacts,
  type Unmeasured,
} from '#libs/domain';
import type { Capabilities } from '#libs/contracts';
import type { JsonObject } from '#libs/kernel';
import type { Delivery, Evidence, TargetSeen } from '../ports.js';
import { armlessBy, coveredSpan, unmeasuredSince, type Armless } from './coverage.js';

/** Time between two assessments after which controllers were away, and the bake with them. */
const MAX_GAP_MS = 2_000;

/** `redeliveredBy`: the rollout that delivers a withdrawn revision to a target again. */
type Sources = {
  readonly evidence: Evidence;
  readonly delivery: Delivery;
  readonly redeliveredBy: (rollout: Rollout, target: string) => string | undefined;
  /** Target → requests per second lately, whatever they were served with. */
  readonly traffic: (now: number) => Promise<Readonly<Record<string, number>>>;
  readonly targets: TargetsKnown;
};

/** What is known of targets from the log. */
export type TargetsKnown = {
  /** The ruleset that serves a config's control alone, as far as that config goes. */
  readonly withControlAlone: (rollout: Rollout, target: string) => JsonObject;
  readonly capabilities: (
    target: string,
  ) => Pick<Capabilities, 'acknowledgesInstances' | 'worstCaseDelayMs' | 'readsBack'>;
  /** A rollout that asked something of the target for the same config later. */
  readonly nextRollout: (rollout: Rollout, target: string) => string | undefined;
  /** What the target was last found to hold against what was asked, where that holds rollouts. */
  readonly drift: (target: string) => string | undefined;
};

/** A platform that hangs keeps nobody else waiting: its answer counts at one of the next looks. */
const PATIENCE_MS = 1_000;

const inTime = async <T>(answer: Promise<T>, target: string): Promise<T> => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<never>((_, reject) => {
    const giveUp = (): void => reject(new Error(`${target} has not answered within ${PATIENCE_MS / 1_000} s`));
    timer = setTimeout(giveUp, PATIENCE_MS);
  });
  try {
    return await Promise.race([answer, patience]);
  } finally {
    clearTimeout(timer);
  }
};

/**
 * The generation that is live, if the config serves its control alone there: a ruleset that says it is the newest and
 * holds something else proves nothing. Where nothing can be read, that it was taken is all that there will ever be.
 */
const readBackOf = async (
  rollout: Rollout,
  target: string,
  readsBack: boolean,
  { delivery, targets }: Pick<Sources, 'delivery' | 'targets'>,
): Promise<Pick<TargetFacts, 'readBack' | 'readError'>> => {
  if (!readsBack) return { readBack: rollout.targets[target]?.delivered ?? null };
  try {
    const live = await inTime(delivery.read(target), target);
    if (live === undefined) return { readBack: null };
    const asked = delivery.heldForm(target, targets.withControlAlone(rollout, target));
    return { readBack: servesAlike(rollout.config, asked, live.ruleset) ? live.generation : null };
  } catch (error) {
    return { readBack: null, readError: error instanceof Error ? error.message : String(error) };
  }
};

/** Undefined when the target cannot be asked: nothing is known of it then, least of all that nobody is left there. */
const targetFacts = async (
  rollout: Rollout,
  target: string,
  { seen, now }: { readonly seen: TargetSeen | undefined; readonly now: number },
  { delivery, redeliveredBy, targets }: Sources,
): Promise<TargetFacts | undefined> => {
  const progress = rollout.targets[target];
  const wanted = progress?.wanted?.generation ?? 0;
  // Whoever fell silent while the candidate was there may serve it still, however long before it was taken back.
  const askedAt = progress !== undefined && isLeaving(progress) ? rollout.startedAt : (progress?.wanted?.at ?? 0);
  const needsReadBack = progress !== undefined && isLeaving(progress) && !progress.readBack;
  const { acknowledgesInstances, worstCaseDelayMs, readsBack } = targets.capabilities(target);
  const [observed, readBack] = await Promise.all([
    delivery.observe(target).catch(() => undefined),
    needsReadBack ? readBackOf(rollout, target, readsBack, { delivery, targets }) : { readBack: null },
  ]);
  if (observed === undefined) return undefined;
  const usable = observed.instances.filter(({ error }) => error === null);
  const hasIt = new Set(usable.filter(({ generation }) => generation >= wanted).map(({ instance }) => instance));
  const { silent = [], leaseMs = 0 } = observed;
  const generations = usable.map(({ generation }) => generation);
  return {
    instances: observed.instances.length,
    acknowledged: hasIt.size,
    acknowledgedGeneration: generations.length > 0 ? Math.min(...generations) : 0,
    behind: observed.instances.flatMap(({ instance }) => (hasIt.has(instance) ? [] : [instance])),
    silent: silent.flatMap(({ instance, seenAt }) => (seenAt >= askedAt - leaseMs ? [instance] : [])),
    waitedMs: progress?.deliveredAt == null ? 0 : now - progress.deliveredAt,
    ...(acknowledgesInstances ? {} : { takenWithinMs: worstCaseDelayMs }),
    ...readBack,
    candidateSeenAt: seen?.candidateAt ?? null,
    trafficSeenAt: seen?.anyAt ?? null,
    flowingSince: seen?.flowingSince,
    redeliveredBy: redeliveredBy(rollout, target),
    nextRollout: targets.nextRollout(rollout, target),
    leftover: seen?.leftover,
  };
};

type Units = Awaited<ReturnType<Evidence['activation']>>;

/** Of a track that was entered. */
const trackFacts = async (
  rollout: Rollout,
  track: Rollout['plan']['tracks'][number],
  { seen, units, now }: { readonly seen: ReadonlyMap<string, TargetSeen>; readonly units: Units; readonly now: number },
  { evidence }: Sources,
): Promise<StageFacts> => {
  const progress = trackOf(rollout, track.name);
  const stage = track.stages[progress.stage];
  const targets = track.targets.map(({ target }) => target);
  const silentMs = longestSilence(rollout, [track], seen, now);
  if (!stage) return { stage: null, bakedMs: 0, activation: [], silentMs };
  const converged = targets.every((target) => {
    const known = rollout.targets[target];
    return known?.wanted ? known.converged >= known.wanted.generation : false;
  });
  const silenceMs = toleratedSilenceMs(stage.bakeMs, rollout.plan.graceMs);
  const covered = converged ? coveredSpan(rollout, targets, seen, silenceMs) : undefined;
  const bakedMs = await evidence.advanceBake(rollout.id, track.name, stage.name, now, covered, MAX_GAP_MS);
  return { stage: stage.name, bakedMs, activation: units.filter(({ target }) => targets.includes(target)), silentMs };
};

const stageFacts = async (
  rollout: Rollout,
  known: Parameters<typeof trackFacts>[2],
  sources: Sources,
): Promise<Readonly<Record<string, StageFacts>>> => {
  const entered = liveTracks(rollout).filter(({ name }) => trackOf(rollout, name).stage >= 0);
  const facts = entered.map(async (track) => [track.name, await trackFacts(rollout, track, known, sources)] as const);
  return Object.fromEntries(await Promise.all(facts));
};

const watchFacts = async (
  rollout: Rollout,
  seen: ReadonlyMap<string, TargetSeen>,
  now: number,
  { evidence }: Sources,
): Promise<Facts['watch']> => {
  if (rollout.status !== 'watching') return { bakedMs: 0, silentMs: 0 };
  const targets = liveTargets(rollout);
  const silenceMs = toleratedSilenceMs(rollout.plan.watchMs, rollout.plan.graceMs);
  const covered = coveredSpan(rollout, targets, seen, silenceMs);
  return {
    bakedMs: await evidence.advanceBake(rollout.id, '*', 'watch', now, covered, MAX_GAP_MS),
    silentMs: longestSilence(rollout, liveTracks(rollout), seen, now),
  };
};

/** Nothing is read where no source counts. */
const armlessIn = async ({ id, plan }: Rollout, { evidence }: Sources): Promise<Armless> => {
  if (plan.signals.every(({ source }) => source === null)) return () => false;
  const [requests, told] = await Promise.all([evidence.requests(id), evidence.toldArms(id)]);
  return armlessBy(requests, told);
};

const unmeasuredIn = async (
  rollout: Rollout,
  seen: ReadonlyMap<string, TargetSeen>,
  sources: Sources,
): Promise<readonly Unmeasured[]> => {
  if (rollout.status !== 'staging' && rollout.status !== 'watching') return [];
  const isArmless = await armlessIn(rollout, sources);
  return rollout.plan.tracks.flatMap((track) => {
    const entered = trackOf(rollout, track.name).enteredAt.at(-1);
    const targets = track.targets.map(({ target }) => target);
    return entered === undefined ? [] : unmeasuredSince(rollout, targets, seen, entered, isArmless);
  });
};

/**
 * Live instances of all targets of a rollout that draws from them, also of those that it has not reached; undefined for
 * others. Who cannot use a ruleset cannot serve the candidate. A target that cannot be asked has none that are known.
 */
const liveInstances = async (
  { assignment, targets }: Pick<Rollout, 'assignment' | 'targets'>,
  delivery: Delivery,
): Promise<Facts['instances']> => (assignment === 'instance' ? instancesOn(Object.keys(targets), delivery) : undefined);

/** Target → its live instances that can use a ruleset, in the order of their names. */
export const instancesOn = async (
  targets: readonly string[],
  delivery: Pick<Delivery, 'observe'>,
): Promise<Readonly<Record<string, readonly string[]>>> => {
  const seen = targets.map(async (target) => {
    const observed = await delivery.observe(target).catch(() => ({ instances: [] }));
    const usable = observed.instances.filter(({ error }) => error === null);
    return [target, usable.map(({ instance }) => instance).toSorted()] as const;
  });
  return Object.fromEntries(await Promise.all(seen));
};

/** Whether the arms have as many as they should, where it is known of whom they are. */
const skewOf = async (rollout: Rollout, { evidence }: Sources): Promise<string | undefined> => {
  if (rollout.status !== 'staging' && rollout.status !== 'watching') return undefined;
  if (rollout.assignment === 'request') return assignmentSkew(await evidence.assignments(rollout.id, null), 'requests');
  if (rollout.assignment === 'instance') return undefined;
  // What a source counts has no units.
  const counting = rollout.plan.signals.find((signal) => isOfValues(signal) && signal.source === null);
  return counting && assignmentSkew(await evidence.assignments(rollout.id, counting.signal), 'units');
};

/** Where the candidate was asked for and stays, what is held there is what its evidence is of. */
const driftOf = (rollout: Rollout, { targets }: Sources): string | undefined => {
  const found = Object.entries(rollout.targets).flatMap(([target, progress]) =>
    progress.wanted === null || isLeaving(progress) ? [] : (targets.drift(target) ?? []),
  );
  return found.length > 0 ? found.join('; ') : undefined;
};
/** How the parity stands that tracks wait for; nothing is read where none does. */
const parityOf = async (rollout: Rollout, { evidence }: Sources): Promise<readonly RecordedParity[]> =>
  awaitsParity(rollout) ? judgeParities(rollout, await evidence.comparisons(rollout.id)) : [];

/** Target → requests per second on the candidate, by its share of what is served there. */
export const candidateTraffic = (
  { targets }: Pick<Rollout, 'targets'>,
  perSecond: Readonly<Record<string, number>>,
): NonNullable<Facts['onCandidate']> =>
  Object.fromEntries(
    Object.entries(targets).flatMap(([target, { wanted }]) => {
      const rate = perSecond[target];
      return wanted === null || rate === undefined ? [] : [[target, (rate * wanted.shareBp) / 10_000] as const];
    }),
  );

/** Everything that an assessment of this rollout rests on, gathered now. */
export const gatherFacts = async (
  rollout: Rollout,
  verdicts: readonly RecordedVerdict[],
  now: number,
  sources: Sources,
): Promise<Facts> => {
  const reached = Object.entries(rollout.targets).flatMap(([target, { wanted }]) => (wanted ? [target] : []));
  // A target may be taken back before anything was seen of the rollout there: its other traffic proves the drain.
  const draining = Object.entries(rollout.targets).flatMap(([target, each]) => (isLeaving(each) ? [target] : []));
  const [seenThere, units] = await Promise.all([
    sources.evidence.lastSeen(rollout.id, draining),
    sources.evidence.activation(rollout.id),
  ]);
  const seen = new Map(seenThere.map((each) => [each.target, each]));
  const [targets, stages, watch, skew, parity, instances, perSecond, unmeasured] = await Promise.all([
    Promise.all(
      reached.map(async (target) => {
        const known = await targetFacts(rollout, target, { seen: seen.get(target), now }, sources);
        return [target, known] as const;
      }),
    ).then((all) => all.flatMap(([target, known]) => (known ? [[target, known] as const] : []))),
    stageFacts(rollout, { seen, units, now }, sources),
    watchFacts(rollout, seen, now, sources),
    skewOf(rollout, sources),
    parityOf(rollout, sources),
    liveInstances(rollout, sources.delivery),
    sources.traffic(now),
    unmeasuredIn(rollout, seen, sources),
  ]);
  return {
    targets: Object.fromEntries(targets),
    stages,
    verdicts,
    watch,
    drift: driftOf(rollout, sources),
    onCandidate: candidateTraffic(rollout, perSecond),
    skew,
    parity,
    ...(instances === undefined ? {} : { instances }),
    unmeasured,
    // Read from the evidence alone: a target that cannot be asked may be measured all the same.
    silentMs: silences(rollout, rollout.plan.tracks, seen, now),
  };
};
