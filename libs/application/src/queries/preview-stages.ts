import {
  areForeseen,
  instanceReach,
  isByInstance,
  isForeseen,
  isOfValues,
  predictStage,
  PROMOTION_ALPHA,
  roughly,
  signalShares,
  smallestDrawn,
  type DrawAhead,
  type DrawsAhead,
  type Period,
  type ResolvedPlan,
  type StageForecast,
  type StageReach,
  type StageToPredict,
  type StageTraffic,
} from '#libs/domain';
import type { PlanPreview, StagePrediction } from '#libs/contracts';
import type { Traffic } from '../ports.js';
import type { Lately } from './lately.js';

type Track = ResolvedPlan['tracks'][number];
type Stage = Track['stages'][number];
type Signals = StageToPredict['signals'];
type Base = Omit<Signals[number], 'tolerate'>;
type Prediction = StagePrediction['signals'][number];

/** Null: not assigned by instance. */
export type Reach = ReturnType<typeof instanceReach> | null;

/** All that predictions of a plan rest on. */
export type Basis = {
  readonly plan: ResolvedPlan;
  readonly traffic: Traffic;
  readonly reach: Reach;
  readonly lately: Lately;
};

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

const stageTraffic = (
  track: Pick<Track, 'targets'>,
  stage: Pick<Stage, 'exposureBp'>,
  traffic: Traffic,
): StageTraffic[] =>
  track.targets.flatMap(({ target, models }) =>
    models.map((model) => ({
      target,
      model,
      shareBp: stage.exposureBp,
      requestsPerSecond:
        traffic.requests.find((cell) => cell.target === target && cell.model === model)?.requestsPerSecond ?? 0,
    })),
  );

/** Each signal with what is known of it today on the track's targets, and of late. */
export const signalsOf = ({ plan, traffic, lately }: Basis, track: Pick<Track, 'targets'>): Base[] => {
  const targets = new Set(track.targets.map(({ target }) => target));
  const requests = total(
    traffic.requests.filter(({ target }) => targets.has(target)).map(({ requestsPerSecond }) => requestsPerSecond),
  );
  return plan.signals.map(({ signal, type, harm, weight, shadow, title, delayMs, worse, source }) => {
    const bad = total(
      traffic.bad
        .filter((cell) => cell.signal === signal && targets.has(cell.target))
        .map(({ badPerSecond }) => badPerSecond),
    );
    const { values, pairs, dispersion, badPerRequest = null } = lately.get(signal) ?? {};
    return {
      signal,
      type,
      harm,
      weight,
      shadow,
      title,
      worse,
      delayMs: delayMs ?? undefined,
      ...(source === null
        ? {}
        : {
            source,
            dispersion,
          }),
      badPerRequest: requests === 0 ? null : source === null ? bad / requests : badPerRequest,
      ...(values === undefined ? {} : { values }),
      ...(pairs === undefined ? {} : { pairs }),
    };
  });
};

/** The part of alpha of what is taken back together with a track. */
const alphaOf = ({ alpha, rollbackScope, tracks }: ResolvedPlan): number =>
  rollbackScope === 'track' ? alpha / tracks.length : alpha;

const slicesOf = ({ rollbackScope, tracks }: ResolvedPlan, track: Pick<Track, 'targets'>): number =>
  total(
    (rollbackScope === 'track' ? [track] : tracks).flatMap(({ targets }) => targets.map((each) => each.models.length)),
  );

type Noted = Pick<
  Signals[number],
  'type' | 'shadow' | 'tolerate' | 'delayMs' | 'source' | 'dispersion' | 'worse' | 'badPerRequest'
>;

const decidesBy = ({ type, shadow, tolerate }: Noted): string => {
  if (type === 'invariant') return 'stops at the first violation';
  if (shadow) return 'shadow: decides nothing';
  return tolerate === null ? 'goes on when not shown harmful' : `must be shown below ${tolerate} times control`;
};

/** What the note of a signal says of which nothing will ever be known here. */
export const WITHOUT_ARMS = 'without arms: compared with the time before';

const noteOf = (signal: Noted, ...more: readonly string[]): string => {
  const { delayMs, source, dispersion, type, worse } = signal;
  return [
    decidesBy(signal),
    ...(isOfValues(signal) && worse === 'lower' ? ['lower is worse'] : []),
    ...(delayMs === undefined ? [] : [`known up to ${roughly(delayMs)} after the request`]),
    ...(source !== undefined && type === 'rate' && dispersion === undefined && signal.badPerRequest !== null
      ? ['counted as if requests were independent: how far units are apart is not known yet']
      : []),
    ...more,
  ].join('; ');
};

const signalPrediction = (
  signal: Signals[number],
  { reasons, sees }: StageForecast,
  traffic: readonly StageTraffic[],
  isArmless: boolean,
): Prediction => {
  const { signal: name, type, tolerate, shadow } = signal;
  const reason = reasons.find((candidate) => candidate.reason === 'tolerate' && candidate.signal === name);
  const { likely: smallestHarm = null, nearlySure = null } = sees.find((sight) => sight.signal === name) ?? {};
  const known = type === 'invariant' || isForeseen(signal, traffic);
  const waits = tolerate !== null && !shadow && type !== 'invariant';
  const predictedMs = waits ? (reason?.ms ?? null) : 0;
  const note = isArmless ? noteOf(signal, `${WITHOUT_ARMS}, which is not predicted`) : noteOf(signal);
  return { signal: name, type, predictedMs, tolerate, known, smallestHarm, nearlySure, note };
};

/** What the stage waits for longest; what can not be told comes first. */
const limitOf = ({ reasons }: StageForecast, traffic: readonly StageTraffic[]): string => {
  if (total(traffic.map(({ requestsPerSecond }) => requestsPerSecond)) === 0) return 'no traffic';
  const unknown = reasons.find(({ ms }) => ms === null);
  const longest = reasons.reduce((worst, each) => ((each.ms ?? 0) > (worst.ms ?? 0) ? each : worst));
  const { reason, signal } = unknown ?? longest;
  return signal ?? reason;
};

/** A rollout without a holdback has no control at the end; its last stage is known to be observational. */
const refusals = (forecast: StageForecast, plan: ResolvedPlan): string[] =>
  forecast.impossible
    .filter(({ code }) => code !== 'no-control-traffic' || plan.holdbackBp > 0)
    .map(({ message }) => message);

const isDrawn = (reach: Reach, signal: Base): boolean =>
  reach !== null && signal.type !== 'invariant' && isByInstance({ assignment: 'instance' }, signal);

/** What each stage draws anew, of those that were not chosen before it. */
const drawsAhead = (stages: readonly StageReach[], seconds: readonly number[]): readonly DrawAhead[] =>
  stages.flatMap(({ draws }, index) =>
    draws.map(({ target, chosen, of }) => {
      const before = stages[index - 1]?.draws.find((each) => each.target === target)?.chosen ?? 0;
      return { target, chosen: chosen - before, of: of - before, seconds: seconds[index] ?? 0 };
    }),
  );

type Sight = Pick<Prediction, 'known' | 'smallestHarm' | 'nearlySure'>;

const sightOfDraws = (
  basis: Basis,
  signal: Base,
  track: Pick<Track, 'targets'>,
  draws: readonly DrawAhead[],
): Sight => {
  const { plan, lately } = basis;
  const all = signalsOf(basis, track);
  const share = signalShares(all)[all.findIndex((each) => each.signal === signal.signal)] ?? 0;
  const judgedTogether = plan.rollbackScope === 'track' ? [track] : plan.tracks;
  const ahead: DrawsAhead = {
    signal,
    lately: lately.get(signal.signal)?.instances ?? [],
    draws: draws.map((draw) => ({ ...draw, seconds: Math.max(0, draw.seconds - (signal.delayMs ?? 0) / 1_000) })),
    targets: judgedTogether.flatMap(({ targets }) => targets.map(({ target }) => target)),
  };
  if (!areForeseen(ahead)) return { known: false, smallestHarm: null, nearlySure: null };
  const bound = -Math.log(alphaOf(plan) * share);
  return { known: true, smallestHarm: smallestDrawn(ahead, bound, 0.8), nearlySure: smallestDrawn(ahead, bound, 0.95) };
};

const drawnPrediction = (signal: Signals[number], sight: Sight, { largestE }: StageReach): Prediction => {
  const note = noteOf(signal, `by instance: evidence up to ${Number(largestE.toPrecision(3))}`);
  const { signal: name, type, tolerate, shadow } = signal;
  return { signal: name, type, predictedMs: tolerate === null || shadow ? 0 : null, tolerate, ...sight, note };
};

/** Margins that no draw up to this stage could ever show: it would wait for them for ever. */
const unshowable = (signals: Signals, reach: Reach, drawn: StageReach | undefined): string[] => {
  const needed = 1 / PROMOTION_ALPHA;
  if (drawn === undefined || drawn.largestE >= needed) return [];
  return signals
    .filter((signal) => isDrawn(reach, signal) && !signal.shadow && signal.tolerate !== null)
    .map(
      ({ signal, tolerate }) =>
        `${signal} can not be shown to be below x${tolerate} by these draws: their evidence is at most ${Number(drawn.largestE.toPrecision(3))}, and ${needed} is needed. Leave tolerate out (none), or run more instances.`,
    );
};

/** What limits a stage that cannot begin, since too few instances are live to draw from. */
export const TOO_FEW = 'too few instances';

const isTooFew = (drawn: StageReach | undefined): boolean => drawn?.draws.some(({ of }) => of < 2) === true;

type TrackForecast = { readonly stages: readonly StagePrediction[]; readonly impossible: readonly string[] };

const reachOn = (reach: Reach, track: Track): readonly StageReach[] =>
  reach?.stages.filter((each) => each.track === track.name) ?? [];

/** How long each stage of a track must last, what it can see by then, and why it could never go on. */
export const forecastTrack = (basis: Basis, track: Track): TrackForecast => {
  const { plan, traffic, reach } = basis;
  const bases = signalsOf(basis, track);
  const drawn = reachOn(reach, track);
  const before: Period[] = [];
  const stages: StagePrediction[] = [];
  const impossible: string[] = [];
  for (const [index, stage] of track.stages.entries()) {
    const cells = stageTraffic(track, stage, traffic);
    const signals = bases.map((base) => ({ ...base, tolerate: stage.tolerate[base.signal] ?? null }));
    const { bakeMs, activation, samples, name, exposureBp } = stage;
    const draw = drawn[index];
    const forecast = predictStage({
      alpha: alphaOf(plan),
      signals: signals.filter((signal) => !isDrawn(reach, signal)),
      sliceCount: slicesOf(plan, track),
      traffic: cells,
      before,
      bakeMs,
      // Instances that were chosen report within a window or two.
      activationUnits: draw === undefined ? activation : 0,
      minRequests: Math.max(1, samples),
    });
    const never = [...refusals(forecast, plan), ...unshowable(signals, reach, draw)];
    impossible.push(...never.map((message) => `${track.name}/${name}: ${message}`));
    before.push({ traffic: cells, seconds: (forecast.ms ?? 0) / 1_000 });
    const draws = drawsAhead(
      drawn.slice(0, index + 1),
      before.map(({ seconds }) => seconds),
    );
    stages.push({
      track: track.name,
      stage: name,
      exposureBp,
      targets: track.targets.map(({ target }) => target),
      bakeMs,
      predictedMs: isTooFew(draw) ? null : forecast.ms,
      limitedBy: isTooFew(draw) ? TOO_FEW : limitOf(forecast, cells),
      signals: signals.map((signal) =>
        draw !== undefined && isDrawn(reach, signal)
          ? drawnPrediction(signal, sightOfDraws(basis, signal, track, draws), draw)
          : signalPrediction(signal, forecast, cells, basis.lately.get(signal.signal)?.isArmless === true),
      ),
      ...(draw === undefined ? {} : { instances: [...draw.draws] }),
    });
  }
  return { stages, impossible };
};

/** What the watch can see by its end, everywhere together. */
export const watchSight = (basis: Basis, stages: readonly StagePrediction[]): PlanPreview['watch'] => {
  const { plan, traffic, reach } = basis;
  const { watchMs, holdbackBp } = plan;
  const whole = { exposureBp: 10_000 - holdbackBp };
  const everywhere = { targets: plan.tracks.flatMap(({ targets }) => targets) };
  const cells = stageTraffic(everywhere, whole, traffic);
  const bases = signalsOf(basis, everywhere).filter(({ type }) => type !== 'invariant');
  const { sees } = predictStage({
    alpha: alphaOf(plan),
    signals: bases.filter((signal) => !isDrawn(reach, signal)).map((signal) => ({ ...signal, tolerate: null })),
    sliceCount: slicesOf(plan, everywhere),
    traffic: cells,
    bakeMs: watchMs,
    activationUnits: 0,
    minRequests: 0,
  });
  // The last draw of each track stands for the watch as well.
  const draws = plan.tracks.flatMap((track) => {
    const own = stages
      .filter((stage) => stage.track === track.name)
      .map(({ predictedMs }) => (predictedMs ?? 0) / 1_000);
    return drawsAhead(
      reachOn(reach, track),
      own.map((seconds, i) => (i === own.length - 1 ? seconds + watchMs / 1_000 : seconds)),
    );
  });
  const requests = total(cells.map((cell) => (cell.requestsPerSecond * cell.shareBp * watchMs) / 10_000_000));
  const sightOf = (signal: Base): Sight => {
    if (isDrawn(reach, signal)) return sightOfDraws(basis, signal, everywhere, draws);
    const seen = sees.find((each) => each.signal === signal.signal);
    return { known: seen !== undefined, smallestHarm: seen?.likely ?? null, nearlySure: seen?.nearlySure ?? null };
  };
  return {
    watchMs,
    holdbackBp,
    requests,
    signals: bases.map((signal) => {
      const sight = sightOf(signal);
      const isCountable = signal.type === 'rate' && signal.badPerRequest !== null && sight.smallestHarm !== null;
      const harmedAnswers = isCountable
        ? requests * (signal.badPerRequest ?? 0) * ((sight.smallestHarm ?? 1) - 1)
        : null;
      return { signal: signal.signal, ...sight, harmedAnswers };
    }),
  };
};
