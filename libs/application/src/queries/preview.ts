import {
  instanceReach,
  isByInstance,
  PROMOTION_ALPHA,
  predictStage,
  roughly,
  vetoWords,
  type ResolvedPlan,
  type StageForecast,
  type StageReach,
  type StageToPredict,
  type StageTraffic,
} from '#libs/domain';
import { showShare } from '#libs/contracts';
import type { PlanPreview, StagePrediction } from '#libs/contracts';
import { pairsToShow } from '#libs/statistics';
import type { Prepared } from '../commands/prepare-rollout.js';
import type { Traffic } from '../ports.js';

type Track = ResolvedPlan['tracks'][number];
type Stage = Track['stages'][number];
type Signals = StageToPredict['signals'];
type Base = Omit<Signals[number], 'tolerate' | 'before'>;
type Exposed = { candidate: number; control: number };

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

/** Bad outcomes per request today on the track's targets; null where nothing is known of them. */
const signalsOf = (plan: ResolvedPlan, track: Pick<Track, 'targets'>, traffic: Traffic): Base[] => {
  const targets = new Set(track.targets.map(({ target }) => target));
  const requests = total(
    traffic.requests.filter(({ target }) => targets.has(target)).map(({ requestsPerSecond }) => requestsPerSecond),
  );
  return plan.signals.map(({ signal, type, harm, weight, shadow, title, delayMs }) => {
    const bad = total(
      traffic.bad
        .filter((cell) => cell.signal === signal && targets.has(cell.target))
        .map(({ badPerSecond }) => badPerSecond),
    );
    const known = { signal, type, harm, weight, shadow, title, delayMs: delayMs ?? undefined };
    return { ...known, badPerRequest: requests > 0 ? bad / requests : null };
  });
};

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

type Noted = Pick<Signals[number], 'type' | 'shadow' | 'tolerate' | 'delayMs'>;

const noteOf = (signal: Noted, isPredicted: boolean): string => {
  const { delayMs } = signal;
  const late = delayMs === undefined ? '' : `; known up to ${roughly(delayMs)} after the request`;
  return `${decidesBy(signal, isPredicted)}${late}`;
};

const decidesBy = ({ type, shadow, tolerate }: Noted, isPredicted: boolean): string => {
  if (type === 'invariant') return 'stops at the first violation';
  if (shadow) return 'shadow: decides nothing';
  const asked = tolerate === null ? 'goes on when not shown harmful' : `must be shown below ${tolerate} times control`;
  return isPredicted ? asked : `${asked}; not predicted: nothing is kept of it outside of rollouts`;
};

const signalPrediction = (
  { signal, type, shadow, tolerate, delayMs }: Signals[number],
  { reasons, sees }: StageForecast,
): StagePrediction['signals'][number] => {
  const reason = reasons.find((candidate) => candidate.reason === 'tolerate' && candidate.signal === signal);
  const { likely: smallestHarm = null, nearlySure = null } = sees.find((sight) => sight.signal === signal) ?? {};
  const isPredicted = type === 'rate' || type === 'invariant';
  const predictedMs = isPredicted || tolerate === null || shadow ? (reason ? reason.ms : 0) : null;
  const note = noteOf({ type, shadow, tolerate, delayMs }, isPredicted);
  return { signal, type, predictedMs, tolerate, smallestHarm, nearlySure, note };
};

/** What the stage waits for longest; what can not be told comes first. */
const limitOf = ({ reasons }: StageForecast): string => {
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

const expectedBad = (cells: readonly StageTraffic[], badPerRequest: number | null, ms: number | null): Exposed[] =>
  cells.map(({ requestsPerSecond, shareBp }) => {
    const bad = (requestsPerSecond * (badPerRequest ?? 0) * (ms ?? 0)) / 1000;
    return { candidate: (bad * shareBp) / 10_000, control: bad * (1 - shareBp / 10_000) };
  });

type TrackForecast = { readonly stages: readonly StagePrediction[]; readonly impossible: readonly string[] };

/** Judged by the draw of instances: when it will have shown anything cannot be told from traffic. */
const drawnPrediction = (
  { signal, type, shadow, tolerate }: Signals[number],
  { largestE }: StageReach,
): StagePrediction['signals'][number] => {
  const note = `${noteOf({ type, shadow, tolerate }, true)}; by instance: evidence up to ${Number(largestE.toPrecision(3))}`;
  const predictedMs = tolerate === null || shadow ? 0 : null;
  return { signal, type, predictedMs, tolerate, smallestHarm: null, nearlySure: null, note };
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

/** Null: not assigned by instance. */
type Reach = ReturnType<typeof instanceReach> | null;

const isDrawn = (reach: Reach, signal: Base): boolean =>
  reach !== null && signal.type !== 'invariant' && isByInstance({ assignment: 'instance' }, signal);

const forecastTrack = (plan: ResolvedPlan, track: Track, traffic: Traffic, reach: Reach): TrackForecast => {
  const bases = signalsOf(plan, track, traffic);
  const before = new Map<string, readonly Exposed[]>();
  const stages: StagePrediction[] = [];
  const impossible: string[] = [];
  for (const stage of track.stages) {
    const cells = stageTraffic(track, stage, traffic);
    const signals = bases.map((base) => ({
      ...base,
      tolerate: stage.tolerate[base.signal] ?? null,
      before: before.get(base.signal) ?? [],
    }));
    const { bakeMs, activation, samples, name, exposureBp } = stage;
    const drawn = reach?.stages.find((each) => each.track === track.name && each.stage === name);
    // Instances that were chosen report within a window or two.
    const activationUnits = drawn === undefined ? activation : 0;
    const forecast = predictStage({
      alpha: plan.alpha,
      signals: signals.filter((signal) => !isDrawn(reach, signal)),
      traffic: cells,
      bakeMs,
      activationUnits,
      minRequests: Math.max(1, samples),
    });
    const never = [...refusals(forecast, plan), ...unshowable(signals, reach, drawn)];
    impossible.push(...never.map((message) => `${track.name}/${name}: ${message}`));
    for (const { signal, badPerRequest } of bases) {
      before.set(signal, [...(before.get(signal) ?? []), ...expectedBad(cells, badPerRequest, forecast.ms)]);
    }
    stages.push({
      track: track.name,
      stage: name,
      exposureBp,
      targets: track.targets.map(({ target }) => target),
      bakeMs,
      predictedMs: forecast.ms,
      limitedBy: limitOf(forecast),
      signals: signals.map((signal) =>
        drawn !== undefined && isDrawn(reach, signal)
          ? drawnPrediction(signal, drawn)
          : signalPrediction(signal, forecast),
      ),
      ...(drawn === undefined ? {} : { instances: [...drawn.draws] }),
    });
  }
  return { stages, impossible };
};

const watchSight = (plan: ResolvedPlan, traffic: Traffic, reach: Reach): PlanPreview['watch'] => {
  const { watchMs, holdbackBp } = plan;
  const whole = { exposureBp: 10_000 - holdbackBp };
  const cells = plan.tracks.flatMap((track) => stageTraffic(track, whole, traffic));
  const everywhere = { targets: plan.tracks.flatMap(({ targets }) => targets) };
  const signals = signalsOf(plan, everywhere, traffic).filter((signal) => !isDrawn(reach, signal));
  const { sees } = predictStage({
    alpha: plan.alpha,
    signals: signals.map((signal) => ({ ...signal, tolerate: null })),
    traffic: cells,
    bakeMs: watchMs,
    activationUnits: 0,
    minRequests: 0,
  });
  const requests = total(cells.map((cell) => (cell.requestsPerSecond * cell.shareBp * watchMs) / 10_000_000));
  return {
    watchMs,
    holdbackBp,
    requests,
    signals: sees.map(({ signal, likely, nearlySure }) => {
      const rate = signals.find((each) => each.signal === signal)?.badPerRequest ?? 0;
      const harmedAnswers = likely === null ? null : requests * rate * (likely - 1);
      return { signal, smallestHarm: likely, nearlySure, harmedAnswers };
    }),
  };
};

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

/** Whether nothing could ever tell that the rollout does harm: it has rates alone, and too little traffic for each. */
const isBlind = (plan: ResolvedPlan, traffic: Traffic, preview: Pick<PlanPreview, 'stages' | 'watch'>): boolean => {
  const everywhere = { targets: plan.tracks.flatMap(({ targets }) => targets) };
  const deciding = signalsOf(plan, everywhere, traffic).filter(({ shadow }) => !shadow);
  const sights = [...preview.stages.flatMap(({ signals }) => signals), ...preview.watch.signals];
  // A rate that is never bad on control is seen by whatever is bad on the candidate.
  return deciding.every(
    ({ signal, type, badPerRequest }) =>
      type === 'rate' &&
      badPerRequest !== null &&
      badPerRequest > 0 &&
      sights.every((sight) => sight.signal !== signal || sight.smallestHarm === null),
  );
};

/**
 * What a rollout would do and how long each stage must last, from traffic measured lately. Writes nothing. A plan that
 * bypasses stages is never impossible: nothing is asked to be measured first. `unattended`: targets without an instance.
 * `live`: target → its live instances, from which they are drawn where the config is assigned by instance.
 */
export const previewOf = (
  prepared: Prepared,
  traffic: Traffic,
  spanMs: number,
  unattended: readonly string[],
  live: Readonly<Record<string, readonly string[]>> = {},
): { readonly preview: PlanPreview; readonly impossible: readonly string[]; readonly isBlind: boolean } => {
  const { config, revision, controls } = prepared;
  const plan = prepared.bypasses ? withoutDelays(prepared.plan) : prepared.plan;
  const reach = config.assignment === 'instance' ? instanceReach(plan, live) : null;
  const tracks = plan.tracks.map((track) => forecastTrack(plan, track, traffic, reach));
  const stages = tracks.flatMap((track) => track.stages);
  const perTarget: Record<string, number> = {};
  for (const { target, requestsPerSecond } of traffic.requests) {
    perTarget[target] = (perTarget[target] ?? 0) + requestsPerSecond;
  }
  const preview: PlanPreview = {
    config: config.key,
    revision,
    plan: plan.plan,
    control: { ...controls },
    stages,
    totalMs: totalOf(plan, stages),
    parity: parityNeeds(plan),
    watch: watchSight(plan, traffic, reach),
    traffic: { spanMs, perTarget },
    warnings: [
      ...refusalWarnings(prepared),
      ...unattendedWarnings(unattended),
      ...parityWarnings({ parity: parityNeeds(plan) }),
      ...warningsOf(plan, stages),
      ...reachWarnings(reach),
    ],
  };
  if (prepared.bypasses) return { preview, impossible: [], isBlind: false };
  const blind = reach === null && isBlind(plan, traffic, preview);
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

/** What a start is refused for, since the draw could never tell. */
const reachWarnings = (reach: Reach): string[] =>
  reach?.refusal === undefined ? [] : [`${reach.refusal} A start is refused.`];

const blindWarning = ({ acceptBlind }: ResolvedPlan): string =>
  acceptBlind === null
    ? 'With this traffic none of its signals could ever tell that the change does harm: a start is refused, unless the plan says why that is accepted (acceptBlind).'
    : `With this traffic none of its signals could ever tell that the change does harm; accepted by the plan: ${acceptBlind}`;

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

/** What a start would be refused for, whatever the plan. */
const refusalWarnings = ({ config, revision, controls }: Prepared): string[] => [
  ...(Object.values(controls).includes(revision)
    ? [`r${revision} is live on targets of the plan already: a start is refused.`]
    : []),
  ...[vetoWords(config, revision)].flatMap((vetoed) =>
    vetoed === undefined ? [] : [`${vetoed}: a start needs a reason why it may be tried again (--veto-reason).`],
  ),
];

const unattendedWarnings = (targets: readonly string[]): string[] =>
  targets.length === 0
    ? []
    : [`No instance is live on ${targets.join(', ')}: nothing can go on there until one fetches its ruleset.`];

/** Of what must be shown, and nobody can say when that will be. */
const unpredicted = (stages: readonly StagePrediction[]): string[] => {
  const asked = stages.flatMap(({ signals }) =>
    signals.filter(({ type, predictedMs }) => type !== 'rate' && predictedMs === null),
  );
  const names = [...new Set(asked.map(({ signal }) => signal))];
  return names.length === 0
    ? []
    : [
        `The time until ${names.join(', ')} is shown to be within its margin is in no prediction here: nothing is kept of values and pairs outside of rollouts.`,
      ];
};

const parityWarnings = ({ parity }: Pick<PlanPreview, 'parity'>): string[] =>
  parity.map(
    ({ track, signal, between, withinBp }) =>
      `Track ${track} begins only once ${signal} is shown to differ by less than ${showShare(withinBp)} between ${between.join(' and ')}: how long that takes hangs on who compares them, and is in no prediction here.`,
  );

const warningsOf = (plan: ResolvedPlan, stages: readonly StagePrediction[]): string[] => [
  ...unpredicted(stages),
  ...(plan.convergence === null
    ? []
    : [
        `Stages go on with ${showShare(plan.convergence.quorumBp)} of the known instances of a target once the others have had ${plan.convergence.withinMs / 1_000} s; the record names who was absent.`,
      ]),
  ...(plan.holdbackBp === 0 ? ['There is no holdback: the watch is only observational.'] : []),
  ...stages
    .filter(({ predictedMs }) => predictedMs === null)
    .map(
      ({ track, stage, limitedBy }) =>
        `${track}/${stage} cannot be predicted (${limitedBy}): too little traffic was seen lately.`,
    ),
  ...stages.flatMap(({ track, stage, signals }) =>
    signals
      .filter(
        ({ type, smallestHarm, note }) =>
          type === 'rate' && smallestHarm === null && note.startsWith('goes on') && !note.includes('by instance'),
      )
      .map(
        ({ signal }) =>
          `${track}/${stage}: ${signal} cannot show any harm within that stage's own time; it is watched all the same, and afterwards.`,
      ),
  ),
];
