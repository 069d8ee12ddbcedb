import { instanceReach, type ResolvedPlan } from '#libs/domain';
import type { PlanPreview, StagePrediction } from '#libs/contracts';
import { pairsToShow } from '#libs/statistics';
import type { Prepared } from '../commands/prepare-rollout.js';
import type { Traffic } from '../ports.js';
import type { Lately } from './lately.js';
import { forecastTrack, signalsOf, watchSight, type Basis } from './preview-stages.js';
import { blindWarning, warningsOf } from './preview-warnings.js';

type Track = ResolvedPlan['tracks'][number];

/** How many of the pairs differ is known only once they are there: three cases tell how much hangs on it. */
const DISCORDANT = [0, 0.05, 0.2];

const parityNeeds = (plan: ResolvedPlan): PlanPreview['parity'] =>
  plan.tracks.flatMap(({ name: track, parity }) =>
    parity.map(({ signal, between, withinBp }) => ({
      track,
      signal,
      between: [between[0], between[1]],
      withinBp,
      pairs: DISCORDANT.map((discordant) => ({ discordant, pairs: pairsToShow(withinBp / 10_000, discordant) })),
    })),
  );

/** Tracks run side by side unless one waits for another: the longest chain, then the watch. */
const totalOf = (plan: ResolvedPlan, stages: readonly StagePrediction[]): number | null => {
  const latest = (times: readonly (number | null)[]): number | null =>
    times.includes(null) ? null : Math.max(0, ...times.map((time) => time ?? 0));
  /** Parity needs both tracks to have begun; how long it takes from there nobody knows. */
  const startOf = (track: Track | undefined): number | null =>
    latest([
      ...(track?.after ? [passedAt(track.after.track, track.after.stage)] : []),
      ...(track?.parity ?? [])
        .flatMap(({ between }) => between)
        .map((name) => startOf(plan.tracks.find((each) => each.name === name))),
    ]);
  const passedAt = (track: string, stage: string): number | null => {
    const own = plan.tracks.find(({ name }) => name === track);
    let at: number | null = startOf(own);
    for (const each of stages.filter((candidate) => candidate.track === track)) {
      at = at === null || each.predictedMs === null ? null : at + each.predictedMs;
      if (each.stage === stage) return at;
    }
    return at;
  };
  const delays = plan.signals.map(({ delayMs, shadow }) => (shadow ? 0 : (delayMs ?? 0)));
  const ends = plan.tracks.map((track) => passedAt(track.name, track.stages.at(-1)?.name ?? ''));
  return ends.includes(null) ? null : Math.max(...ends.map((end) => end ?? 0)) + Math.max(plan.watchMs, ...delays);
};

/**
 * Whether nothing could ever tell that the rollout does harm: of each signal that decides it is known what it is like, and
 * there is too little of it. What is not known yet may tell.
 */
const isBlind = (basis: Basis, preview: Pick<PlanPreview, 'stages' | 'watch'>): boolean => {
  const everywhere = { targets: basis.plan.tracks.flatMap(({ targets }) => targets) };
  const deciding = signalsOf(basis, everywhere).filter(({ shadow }) => !shadow);
  const sights = [...preview.stages.flatMap(({ signals }) => signals), ...preview.watch.signals];
  return deciding.every(({ signal, type, badPerRequest }) => {
    // A rate that is never bad on control is seen by whatever is bad on the candidate.
    if (type === 'invariant' || (type === 'rate' && !((badPerRequest ?? 0) > 0))) return false;
    return sights.every((sight) => sight.signal !== signal || (sight.known && sight.smallestHarm === null));
  });
};

/**
 * What a rollout would do and how long each stage must last, from traffic measured lately. Writes nothing. A plan that
 * bypasses stages is never impossible: nothing is asked to be measured first. `unattended`: targets without an instance.
 * `live`: target → its live instances, from which they are drawn where the config is assigned by instance. `lately`:
 * what was measured of signals in rollouts and by sources; default nothing.
 */
export const previewOf = (
  prepared: Prepared,
  traffic: Traffic,
  spanMs: number,
  unattended: readonly string[],
  live: Readonly<Record<string, readonly string[]>> = {},
  lately: Lately = new Map(),
): { readonly preview: PlanPreview; readonly impossible: readonly string[]; readonly isBlind: boolean } => {
  const { config, revision, controls } = prepared;
  const plan = prepared.bypasses ? withoutDelays(prepared.plan) : prepared.plan;
  const reach = config.assignment === 'instance' ? instanceReach(plan, live) : null;
  const basis = { plan, traffic, reach, lately };
  const tracks = plan.tracks.map((track) => forecastTrack(basis, track));
  const stages = tracks.flatMap((track) => track.stages);
  const perTarget: Record<string, number> = {};
  for (const { target, requestsPerSecond } of traffic.requests) {
    perTarget[target] = (perTarget[target] ?? 0) + requestsPerSecond;
  }
  const told = { stages, parity: parityNeeds(plan), traffic: { spanMs, perTarget } };
  const preview: PlanPreview = {
    config: config.key,
    revision,
    plan: plan.plan,
    control: { ...controls },
    ...told,
    totalMs: totalOf(plan, stages),
    watch: watchSight(basis, stages),
    warnings: warningsOf({ prepared, plan, preview: told, unattended, live, reach }),
  };
  if (prepared.bypasses) return { preview, impossible: [], isBlind: false };
  const blind = reach === null && isBlind(basis, preview);
  return {
    preview: blind ? { ...preview, warnings: [...preview.warnings, blindWarning(plan)] } : preview,
    impossible: tracks.flatMap((track) => track.impossible),
    isBlind: blind && plan.acceptBlind === null,
  };
};

/** Whatever goes without stages waits for nothing to become known. */
const withoutDelays = (plan: ResolvedPlan): ResolvedPlan => ({
  ...plan,
  signals: plan.signals.map((signal) => ({ ...signal, delayMs: null })),
});
