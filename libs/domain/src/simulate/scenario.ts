import type { Precision } from '#libs/kernel';
import type { PlanSpec } from '../plan/index.js';
import type { Curve } from './curve.js';

/** Where a number comes from: a named source, an assumption in words, or a number of each in one place. */
export type Provenance = { readonly source: string | null; readonly assumption: string | null };

/** Labels that must all match one of their values; `platform`, `target` and `model` are labels too. Empty: everywhere. */
export type Place = Readonly<Record<string, readonly string[]>>;

/** People or sessions that stay on one arm of a rollout. Targets may share a population. */
export type Population = Provenance & { readonly name: string; readonly units: number };

export type ScenarioTarget = Provenance & {
  readonly target: string;
  readonly platform: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly population: string;
  readonly instances: number;
  readonly traffic: readonly { readonly model: string; readonly perSecond: number }[];
  /** Traffic swings by this part of its mean, highest at `peakHour` UTC. */
  readonly swing: number;
  readonly peakHour: number;
  /** From the asking until the first instance evaluates with it, and from there until the last one does. */
  readonly applyMs: number;
  readonly convergeMs: number;
};

/** Pairs of answers to one prompt, compared with a reference, at several batch sizes. */
export type ProbeSpec = {
  readonly everyMs: number;
  /** Fresh prompts per batch size and slice, each run. */
  readonly prompts: number;
  readonly batchSizes: readonly number[];
};

export type ScenarioSignal = Provenance & {
  readonly signal: string;
  /** `paired`: it has a probe, and nothing else measures it. */
  readonly type: 'invariant' | 'rate' | 'paired';
  readonly title: string;
  /** Bad share of requests today; of a probe: share of prompts on which a healthy side disagrees with the reference. */
  readonly base: number;
  /** Part of the units from which all of it comes (clients that are always broken); null: from anyone. */
  readonly brokenUnits: number | null;
  readonly probe: ProbeSpec | null;
};

export type ScenarioPlan = { readonly plan: string; readonly spec: PlanSpec };

/** A share over time in one place, as it really went. */
export type RealCourse = { readonly where: Place; readonly share: Curve };

export type Published = { readonly text: string; readonly source: string };

export type ScenarioChange = Provenance & {
  readonly change: string;
  readonly title: string;
  readonly config: string;
  readonly assignment: 'unit' | 'request';
  /** Another change whose very revision goes out here, elsewhere or later; null: a revision of its own. */
  readonly revisionOf: string | null;
  /** Null for a change that was live already. */
  readonly plan: string | null;
  /** Further plans under which the change is run alone, to compare. */
  readonly alsoWith: readonly string[];
  /** When it starts on the virtual clock, ms since 1970. */
  readonly startsAt: number;
  readonly occurred: { readonly on: string; readonly precision: Precision; readonly conflicts: readonly string[] };
  /** Live since `startsAt` at the shares of `really`, settled before anyone looked. */
  readonly imported: boolean;
  readonly vetoReason: string | null;
  readonly really: readonly RealCourse[];
  readonly published: readonly Published[];
};

/** What a change does to requests that run it; times are since `startsAt` of the change. */
export type ScenarioFault = Provenance & {
  readonly fault: string;
  readonly change: string;
  /** Null: harm that no live signal sees. */
  readonly signal: string | null;
  readonly where: Place;
  /** Bad share of the requests that run the change. */
  readonly rate: Curve;
  /** A unit that is hit stays hit for so many requests, spread over so long. */
  readonly sticky: { readonly requests: number; readonly overMs: number } | null;
};

/** A change that multiplies the rate of another change's fault for requests that run both. */
export type Amplifier = Provenance & {
  readonly amplifier: string;
  readonly change: string;
  readonly fault: string;
  readonly times: Curve;
};

/** How often the candidate disagrees with the reference in a paired probe, at the batch sizes where the fault shows. */
export type ProbeFault = Provenance & {
  readonly fault: string;
  readonly change: string;
  readonly signal: string;
  readonly where: Place;
  readonly batchSizes: readonly number[];
  readonly disagreement: number;
};

/** What a script claims about its own outcome; everything that is given must hold. */
export type Expectation = {
  readonly change: string;
  readonly plan: string | null;
  readonly ends: 'settled' | 'rolled-back' | null;
  /** `<track>/<stage>` in which it was stopped. */
  readonly stage: string | null;
  readonly by: string | null;
  readonly method: string | null;
  readonly withinMs: number | null;
  /** A change that the report must show as live on the same targets when this one was stopped. */
  readonly alongside: string | null;
  /** Highest share of the really affected requests that may be affected with Headgate. */
  readonly affectedAtMost: number | null;
};

export type Scenario = {
  readonly name: string;
  readonly title: string;
  readonly seed: number;
  /** Virtual time, ms since 1970. */
  readonly from: number;
  readonly until: number;
  readonly populations: readonly Population[];
  readonly targets: readonly ScenarioTarget[];
  readonly signals: readonly ScenarioSignal[];
  readonly plans: readonly ScenarioPlan[];
  readonly changes: readonly ScenarioChange[];
  readonly faults: readonly ScenarioFault[];
  readonly amplifiers: readonly Amplifier[];
  readonly probeFaults: readonly ProbeFault[];
  readonly expect: readonly Expectation[];
};

/** One slice of traffic of a scenario. */
export type Slice = { readonly target: ScenarioTarget; readonly model: string; readonly perSecond: number };

export const slicesOf = ({ targets }: Pick<Scenario, 'targets'>): readonly Slice[] =>
  targets.flatMap((target) => target.traffic.map(({ model, perSecond }) => ({ target, model, perSecond })));

/** Whether a slice has all labels of a place. */
export const isIn = (place: Place, { target, model }: Pick<Slice, 'target' | 'model'>): boolean =>
  Object.entries(place).every(([label, values]) => {
    if (label === 'platform') return values.includes(target.platform);
    if (label === 'target') return values.includes(target.target);
    return values.includes((label === 'model' ? model : target.labels[label]) ?? '');
  });

const DAY_MS = 86_400_000;

/** Requests per second of a slice at a virtual time: its mean with a daily swing. */
export const trafficAt = ({ target, perSecond }: Slice, at: number): number => {
  const hours = (at % DAY_MS) / 3_600_000;
  return perSecond * (1 + target.swing * Math.cos(((hours - target.peakHour) / 12) * Math.PI));
};
