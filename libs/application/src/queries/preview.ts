import {
  predictStage,
  type ResolvedPlan,
  type StageForecast,
  type StageToPredict,
  type StageTraffic,
} from '#libs/domain';
import type { PlanPreview, StagePrediction } from '#libs/contracts';
import type { Prepared } from '../commands/start-rollout.js';
import type { Traffic } from '../ports.js';

type Track = ResolvedPlan['tracks'][number];
type Stage = Track['stages'][number];
type Signals = StageToPredict['signals'];
type Exposed = { candidate: number; control: number };

const stageTraffic = (track: Track, stage: Stage, traffic: Traffic): StageTraffic[] =>
  track.targets.flatMap(({ target, models }) =>
    models.map((model) => ({
      target,
      model,
      shareBp: stage.exposureBp,
      requestsPerSecond:
        traffic.requests.find((cell) => cell.target === target && cell.model === model)?.requestsPerSecond ?? 0,
    })),
  );

/** Bad outcomes per request today on the track's targets; null where nothing is known of them. */
const signalsOf = (plan: ResolvedPlan, track: Track, traffic: Traffic): Signals => {
  const targets = new Set(track.targets.map(({ target }) => target));
  const requests = total(
    traffic.requests.filter(({ target }) => targets.has(target)).map(({ requestsPerSecond }) => requestsPerSecond),
  );
  return plan.signals.map(({ signal, type, harm, weight, shadow, title }) => {
    const bad = total(
      traffic.bad
        .filter((cell) => cell.signal === signal && targets.has(cell.target))
        .map(({ badPerSecond }) => badPerSecond),
    );
    return { signal, type, harm, weight, shadow, title, badPerRequest: requests > 0 ? bad / requests : null };
  });
};

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

const marginsOf = (stage: Stage): (number | null)[] => [...new Set([null, ...Object.values(stage.tolerate)])];

type Forecasts = ReadonlyMap<number | null, StageForecast>;

/** The forecast of a stage has one margin for all signals; here each signal takes it from the one with its own margin. */
const forecastsOf = (stage: Stage, shared: Omit<StageToPredict, 'tolerate'>): Forecasts =>
  new Map(marginsOf(stage).map((tolerate) => [tolerate, predictStage({ ...shared, tolerate })]));

const signalPrediction = (
  stage: Stage,
  { signal, type, shadow }: Signals[number],
  forecasts: Forecasts,
): StagePrediction['signals'][number] => {
  const tolerate = stage.tolerate[signal] ?? null;
  const forecast = forecasts.get(tolerate);
  const reason = forecast?.reasons.find((candidate) => candidate.reason === 'tolerate' && candidate.signal === signal);
  const smallestHarm = forecast?.sees.find((sight) => sight.signal === signal)?.likely ?? null;
  const note =
    type === 'invariant'
      ? 'stops at the first violation'
      : shadow
        ? 'shadow: decides nothing'
        : tolerate === null
          ? 'goes on when not shown harmful'
          : `must be shown below ${tolerate} times control`;
  return { signal, predictedMs: reason ? reason.ms : 0, tolerate, smallestHarm, note };
};

type Limit = { readonly ms: number | null; readonly by: string };

const limitOf = (stage: Stage, signals: StagePrediction['signals'], forecasts: Forecasts): Limit => {
  const reasons = forecasts.get(null)?.reasons ?? [];
  const limits: Limit[] = [
    ...reasons.filter(({ reason }) => reason !== 'tolerate').map(({ reason, ms }) => ({ ms, by: reason })),
    ...signals
      .filter(({ tolerate }) => tolerate !== null)
      .map(({ signal, predictedMs }) => ({ ms: predictedMs, by: signal })),
  ];
  return (
    limits.find(({ ms }) => ms === null) ??
    limits.reduce((worst, each) => ((each.ms ?? 0) > (worst.ms ?? 0) ? each : worst), { ms: stage.bakeMs, by: 'bake' })
  );
};

const impossibleIn = (stage: Stage, signals: Signals, forecasts: Forecasts): string[] =>
  [...forecasts].flatMap(([margin, { impossible }]) =>
    impossible
      .filter(({ signal, code }) =>
        signal === null
          ? margin === null && code !== 'no-control-traffic'
          : (stage.tolerate[signal] ?? null) === margin,
      )
      .filter(({ signal }) => signal === null || signals.some((each) => each.signal === signal))
      .map(({ message }) => message),
  );

/** What a rollout would do and how long each stage must last, from traffic measured lately. Writes nothing. */
export const previewOf = (
  prepared: Prepared,
  traffic: Traffic,
  spanMs: number,
): { readonly preview: PlanPreview; readonly impossible: readonly string[] } => {
  const { plan, config, revision, controls } = prepared;
  const stages: StagePrediction[] = [];
  const impossible: string[] = [];
  for (const track of plan.tracks) {
    const signals = signalsOf(plan, track, traffic);
    const before = new Map<string, Exposed[]>();
    for (const stage of track.stages) {
      const cells = stageTraffic(track, stage, traffic);
      const shared = {
        alpha: plan.alpha,
        signals,
        traffic: cells,
        bakeMs: stage.bakeMs,
        activationUnits: stage.activation,
        minRequests: 1,
        before,
      };
      const forecasts = forecastsOf(stage, shared);
      const predicted = signals.map((signal) => signalPrediction(stage, signal, forecasts));
      const limit = limitOf(stage, predicted, forecasts);
      impossible.push(
        ...impossibleIn(stage, signals, forecasts).map((message) => `${track.name}/${stage.name}: ${message}`),
      );
      for (const { signal, badPerRequest } of signals) {
        const seconds = (limit.ms ?? 0) / 1000;
        const seen = cells.map(({ requestsPerSecond, shareBp }) => {
          const bad = requestsPerSecond * (badPerRequest ?? 0) * seconds;
          return { candidate: (bad * shareBp) / 10_000, control: bad * (1 - shareBp / 10_000) };
        });
        before.set(signal, [...(before.get(signal) ?? []), ...seen]);
      }
      const targets = track.targets.map(({ target }) => target);
      stages.push({
        track: track.name,
        stage: stage.name,
        exposureBp: stage.exposureBp,
        targets,
        bakeMs: stage.bakeMs,
        predictedMs: limit.ms,
        limitedBy: limit.by,
        signals: predicted,
      });
    }
  }
  const perTarget: Record<string, number> = {};
  for (const { target, requestsPerSecond } of traffic.requests)
    perTarget[target] = (perTarget[target] ?? 0) + requestsPerSecond;
  const preview: PlanPreview = {
    config: config.key,
    revision,
    plan: plan.plan,
    control: { ...controls },
    stages,
    totalMs: totalOf(plan, stages),
    traffic: { spanMs, perTarget },
    warnings: warningsOf(plan, stages),
  };
  return { preview, impossible };
};

/** Tracks run side by side unless one waits for another: the longest chain, then the watch. */
const totalOf = (plan: ResolvedPlan, stages: readonly StagePrediction[]): number | null => {
  const passedAt = (track: string, stage: string): number | null => {
    const own = plan.tracks.find(({ name }) => name === track);
    const start = own?.after ? passedAt(own.after.track, own.after.stage) : 0;
    let at: number | null = start;
    for (const each of stages.filter((candidate) => candidate.track === track)) {
      at = at === null || each.predictedMs === null ? null : at + each.predictedMs;
      if (each.stage === stage) return at;
    }
    return at;
  };
  const ends = plan.tracks.map((track) => passedAt(track.name, track.stages.at(-1)?.name ?? ''));
  return ends.includes(null) ? null : Math.max(...ends.map((end) => end ?? 0)) + plan.watchMs;
};

const warningsOf = (plan: ResolvedPlan, stages: readonly StagePrediction[]): string[] => [
  ...(plan.holdbackBp === 0 ? ['There is no holdback: the watch is only observational.'] : []),
  ...stages
    .filter(({ predictedMs }) => predictedMs === null)
    .map(
      ({ track, stage, limitedBy }) =>
        `${track}/${stage} cannot be predicted (${limitedBy}): too little traffic was seen lately.`,
    ),
  ...stages.flatMap(({ track, stage, signals }) =>
    signals
      .filter(({ smallestHarm, note }) => smallestHarm === null && note.startsWith('goes on'))
      .map(
        ({ signal }) =>
          `${track}/${stage}: ${signal} is too rare to show any harm in that time; it is watched all the same.`,
      ),
  ),
];
