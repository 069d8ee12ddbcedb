import {
  candidateRate,
  controlRate,
  isForeseen,
  sightOf,
  timeToShow,
  type Period,
  type SignalForecast,
} from './forecast-signal.js';
import type { StageTraffic } from './forecast-signal.js';
import { isCounted } from './types.js';
import { cellShares, signalShares } from './weights.js';

export type StageToPredict = {
  readonly alpha: number;
  /** All signals of the rollout: they share alpha. */
  readonly signals: readonly SignalForecast[];
  /** Slices of the whole rollout, which share each signal's bound; default those of this stage. */
  readonly sliceCount?: number;
  readonly traffic: readonly StageTraffic[];
  /** Stages before it: what they are expected to show counts for going on. Default none. */
  readonly before?: readonly Period[];
  readonly bakeMs: number;
  /** Distinct units that every slice needs on the candidate. */
  readonly activationUnits: number;
  /** Candidate requests that the stage needs. */
  readonly minRequests: number;
};

/** One reason for a stage to last, and how long; null where it can not be told. */
export type StageReason = {
  readonly reason: 'activation' | 'samples' | 'tolerate' | 'bake' | 'delay';
  readonly signal: string | null;
  readonly ms: number | null;
};

/** Why a stage could never go on by itself. */
export type StageImpossible = {
  readonly code: 'no-candidate-traffic' | 'no-control-traffic' | 'never-activates' | 'never-shown';
  readonly target: string | null;
  readonly signal: string | null;
  readonly message: string;
};

export type StageForecast = {
  /** Expected length: the longest reason; null while the stage is impossible or a base rate is not known. */
  readonly ms: number | null;
  readonly reasons: readonly StageReason[];
  /**
   * Smallest ratio of harm over all slices that the stage sees by its end with chance 0.8 and 0.95; null for none. Signals
   * of which nothing is known are missing.
   */
  readonly sees: readonly {
    readonly signal: string;
    readonly likely: number | null;
    readonly nearlySure: number | null;
  }[];
  /** Not empty: refuse the stage. */
  readonly impossible: readonly StageImpossible[];
};

/** Chances with which a harm is seen. */
const LIKELY = 0.8;
const NEARLY_SURE = 0.95;

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Seconds until `needed` distinct units are expected on the candidate; null for never. */
const activationSeconds = (traffic: StageTraffic, needed: number): number | null => {
  if (needed <= 0) return 0;
  const share = traffic.shareBp / 10_000;
  const rate = (traffic.unitsPerSecond ?? traffic.requestsPerSecond) * share;
  if (rate <= 0) return null;
  if (traffic.units === undefined) return needed / rate;
  const reachable = traffic.units * share;
  // Each unit comes at random: of U units, U(1 - exp(-rate t / U)) are expected by time t.
  return needed >= reachable ? null : (-reachable / rate) * Math.log1p(-needed / reachable);
};

const impossibleActivation = (traffic: StageTraffic, needed: number): readonly StageImpossible[] => {
  if (activationSeconds(traffic, needed) !== null) return [];
  const { target, model } = traffic;
  const message = `${target} (${model}) can never show ${needed} units on the candidate: give it traffic or a larger share, ask for fewer units, or leave it out of the stage.`;
  return [{ code: 'never-activates', target, signal: null, message }];
};

const impossibleSignals = (stage: StageToPredict): readonly StageImpossible[] =>
  stage.signals.flatMap(({ signal, type, shadow, badPerRequest, tolerate, harm = 1, source }) => {
    if (type !== 'rate' || shadow || tolerate === null || isCounted({ source })) return [];
    if (badPerRequest !== 0 && tolerate > harm) return [];
    const message =
      badPerRequest === 0
        ? `${signal} is never bad on control, so it can not be shown to be below x${tolerate}: make it an invariant, or leave tolerate out.`
        : `${signal} has harm ${harm}, which tolerate ${tolerate} does not exceed: raise tolerate or lower harm.`;
    return [{ code: 'never-shown', target: null, signal, message } as const];
  });

const impossibilities = (stage: StageToPredict): readonly StageImpossible[] => {
  const none = { target: null, signal: null };
  const targets = [...new Set(stage.traffic.map(({ target }) => target))];
  if (targets.length > 0 && sum(stage.traffic.map(({ requestsPerSecond }) => requestsPerSecond)) <= 0) {
    const message = `no traffic was seen on ${targets.join(', ')} in the last 10 minutes: connect a fleet first.`;
    return [{ ...none, code: 'no-candidate-traffic', message }];
  }
  if (sum(stage.traffic.map(candidateRate)) <= 0) {
    return [
      {
        ...none,
        code: 'no-candidate-traffic',
        message:
          'No slice of the stage has traffic on the candidate: raise an exposure or choose targets with traffic.',
      },
    ];
  }
  const rates = stage.signals.filter(({ type, shadow }) => type !== 'invariant' && !shadow);
  const noControl: readonly StageImpossible[] =
    rates.length > 0 && sum(stage.traffic.map(controlRate)) <= 0
      ? [
          {
            ...none,
            code: 'no-control-traffic',
            message:
              'No slice of the stage keeps traffic on control: keep a holdback, so that guardrails have something to compare with.',
          },
        ]
      : [];
  const activation = stage.traffic.flatMap((each) => impossibleActivation(each, stage.activationUnits));
  return [...noControl, ...activation, ...impossibleSignals(stage)];
};

const toMs = (seconds: number | null): number | null => (seconds === null ? null : Math.ceil(seconds * 1000));

/** What shows it is served in that time, and known later. */
const tolerateReasons = (stage: StageToPredict): readonly StageReason[] =>
  stage.signals.flatMap((signal) => {
    const { tolerate, type, shadow, delayMs = 0 } = signal;
    if (tolerate === null || type === 'invariant' || shadow) return [];
    // Of what nothing was measured lately there is no telling; that outcomes have no requests yet stops a prediction.
    if ((type !== 'rate' || isCounted(signal)) && !isForeseen(signal, stage.traffic)) return [];
    const ms = toMs(timeToShow({ ...signal, tolerate }, stage.traffic, stage.before));
    return [{ reason: 'tolerate', signal: signal.signal, ms: ms === null ? null : ms + delayMs } as const];
  });

const delayReasons = ({ signals }: StageToPredict): readonly StageReason[] =>
  signals.flatMap(({ signal, shadow, delayMs }) =>
    delayMs === undefined || shadow ? [] : [{ reason: 'delay', signal, ms: delayMs } as const],
  );

const activationReason = ({ traffic, activationUnits }: StageToPredict): StageReason => {
  const seconds = traffic.map((each) => activationSeconds(each, activationUnits));
  const longest = seconds.includes(null) ? null : Math.max(0, ...seconds.flatMap((each) => each ?? []));
  return { reason: 'activation', signal: null, ms: toMs(longest) };
};

const samplesReason = ({ traffic, minRequests }: StageToPredict): StageReason => {
  const rate = sum(traffic.map(candidateRate));
  return { reason: 'samples', signal: null, ms: rate > 0 ? toMs(minRequests / rate) : null };
};

const sights = (stage: StageToPredict, ms: number): StageForecast['sees'] => {
  const shares = signalShares(stage.signals);
  const slices = Array.from({ length: stage.sliceCount ?? stage.traffic.length }, () => ({ target: '', model: '' }));
  const headline = slices.length <= 1 ? 1 : 1 - sum(cellShares(slices));
  return stage.signals.flatMap((signal, i) => {
    const logBound = -Math.log(stage.alpha * (shares[i] ?? 0) * headline);
    // Of what was served within the delay before the end nothing is known yet.
    const seconds = Math.max(0, ms - (signal.delayMs ?? 0)) / 1000;
    const see = sightOf(signal, { traffic: stage.traffic, seconds }, logBound);
    return see === undefined ? [] : [{ signal: signal.signal, likely: see(LIKELY), nearlySure: see(NEARLY_SURE) }];
  });
};

/**
 * How long a stage must be expected to last, reason by reason, when the candidate is as good as control, and the
 * smallest harm it would see by then. Activation: units that come at random; tolerate: the promotion mixture along its
 * expected path (Wald); sight: Poisson events, or values as they were lately, against the detection mixture. Pure; nothing
 * is simulated.
 */
export const predictStage = (stage: StageToPredict): StageForecast => {
  const impossible = impossibilities(stage);
  const reasons: readonly StageReason[] = [
    activationReason(stage),
    samplesReason(stage),
    ...tolerateReasons(stage),
    { reason: 'bake', signal: null, ms: stage.bakeMs },
    ...delayReasons(stage),
  ];
  const isKnown = impossible.length === 0 && reasons.every(({ ms }) => ms !== null);
  const longest = Math.max(...reasons.map(({ ms }) => ms ?? 0));
  return { ms: isKnown ? longest : null, reasons, sees: sights(stage, longest), impossible };
};
