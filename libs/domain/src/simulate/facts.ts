import type { RecordedVerdict } from '../events/index.js';
import { toleratedSilenceMs } from '../plan/index.js';
import {
  isLeaving,
  liveTargets,
  liveTracks,
  longestSilence,
  silences,
  trackOf,
  type Activation,
  type Facts,
  type Rollout,
  type StageFacts,
  type TargetFacts,
} from '../rollout/index.js';
import type { TargetDelivery } from './delivery.js';

/** When a target last served the candidate, and anything at all. */
export type LastSeen = { readonly candidateAt: number | null; readonly anyAt: number | null };

/** What facts are gathered from. */
export type FactSources = {
  readonly deliveries: ReadonlyMap<string, TargetDelivery>;
  readonly lastSeen: ReadonlyMap<string, LastSeen>;
  readonly tally: { readonly activation: () => readonly Activation[] };
  readonly verdicts: readonly RecordedVerdict[];
};

/** Bake by stage: time counts only while evidence flows. */
export class BakeClock {
  readonly #baked = new Map<string, number>();

  advance(track: string, stage: string, ms: number): number {
    const key = `${track}\u0000${stage}`;
    const baked = (this.#baked.get(key) ?? 0) + ms;
    this.#baked.set(key, baked);
    return baked;
  }
}

type Moment = {
  readonly now: number;
  /** Time since the last assessment. */
  readonly windowMs: number;
  /** Whether this is the first step at this moment: the bake moves once. */
  readonly advance: boolean;
};

const targetFacts = (run: FactSources, rollout: Rollout, target: string, now: number): TargetFacts | undefined => {
  const delivery = run.deliveries.get(target);
  if (!delivery) return undefined;
  const seen = run.lastSeen.get(target);
  const progress = rollout.targets[target];
  const { instances, acknowledged, generation } = delivery.acknowledged(now);
  return {
    instances,
    acknowledged,
    acknowledgedGeneration: generation,
    readBack: progress !== undefined && isLeaving(progress) ? delivery.applied : null,
    candidateSeenAt: seen?.candidateAt ?? null,
    trafficSeenAt: seen?.anyAt ?? null,
  };
};

type Seen = FactSources['lastSeen'];

const isFlowing = (targets: readonly string[], seen: Seen, silenceMs: number, { now, windowMs }: Moment): boolean => {
  const freshMs = Math.max(windowMs, silenceMs);
  return targets.every((target) => now - (seen.get(target)?.anyAt ?? 0) <= freshMs);
};

const stageFacts = (
  run: FactSources,
  rollout: Rollout,
  bake: BakeClock,
  moment: Moment,
): Readonly<Record<string, StageFacts>> => {
  const facts: Record<string, StageFacts> = {};
  const units = run.tally.activation();
  for (const track of liveTracks(rollout)) {
    const progress = trackOf(rollout, track.name);
    if (progress.stage < 0) continue;
    const targets = track.targets.map(({ target }) => target);
    const silentMs = longestSilence(rollout, [track], run.lastSeen, moment.now);
    const stage = track.stages[progress.stage];
    if (!stage) {
      facts[track.name] = { stage: null, bakedMs: 0, activation: [], silentMs };
      continue;
    }
    const converged = targets.every((target) => {
      const known = rollout.targets[target];
      return known?.wanted ? known.converged >= known.wanted.generation : false;
    });
    const silenceMs = toleratedSilenceMs(stage.bakeMs, rollout.plan.graceMs);
    const flowing = converged && isFlowing(targets, run.lastSeen, silenceMs, moment);
    facts[track.name] = {
      stage: stage.name,
      bakedMs: bake.advance(track.name, stage.name, flowing && moment.advance ? moment.windowMs : 0),
      activation: units.filter(({ target }) => targets.includes(target)),
      silentMs,
    };
  }
  return facts;
};

const watchFacts = (run: FactSources, rollout: Rollout, bake: BakeClock, moment: Moment): Facts['watch'] => {
  if (rollout.status !== 'watching') return { bakedMs: 0, silentMs: 0 };
  const targets = liveTargets(rollout);
  const silenceMs = toleratedSilenceMs(rollout.plan.watchMs, rollout.plan.graceMs);
  const flowing = isFlowing(targets, run.lastSeen, silenceMs, moment);
  return {
    bakedMs: bake.advance('*', 'watch', flowing && moment.advance ? moment.windowMs : 0),
    silentMs: longestSilence(rollout, liveTracks(rollout), run.lastSeen, moment.now),
  };
};

/** What the running system would know of a rollout at a moment of the simulation. */
export const gatherFacts = (run: FactSources, rollout: Rollout, bake: BakeClock, moment: Moment): Facts => ({
  targets: Object.fromEntries(
    Object.entries(rollout.targets).flatMap(([target, { wanted }]) => {
      const known = wanted ? targetFacts(run, rollout, target, moment.now) : undefined;
      return known ? [[target, known] as const] : [];
    }),
  ),
  stages: stageFacts(run, rollout, bake, moment),
  verdicts: run.verdicts,
  watch: watchFacts(run, rollout, bake, moment),
  silentMs: silences(rollout, rollout.plan.tracks, run.lastSeen, moment.now),
});
