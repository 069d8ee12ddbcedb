import {
  alphaOfStart,
  resolvePlan,
  type KnownSignal,
  type KnownTarget,
  type PlanSpec,
  type ResolvedPlan,
} from '#libs/domain';

type Track = PlanSpec['tracks'][number];
type Stage = Track['stages'][number];
type Signal = PlanSpec['signals'][number];

const target = (name: string, platform: string, hardware: string, ...models: readonly string[]): KnownTarget => ({
  target: name,
  platform,
  labels: { region: name.slice(name.indexOf('-') + 1), hardware },
  models: models.length > 0 ? models : ['sonnet'],
});

/** Two targets of the API and one of Bedrock: enough for tracks, slices and labels. */
export const SOME_TARGETS: readonly KnownTarget[] = [
  target('api-us', 'api', 'trainium'),
  target('api-eu', 'api', 'tpu'),
  target('bedrock-us', 'bedrock', 'trainium'),
];

/** An invariant, a guardrail, and a rate that is only looked at. */
export const SOME_SIGNALS: readonly KnownSignal[] = [
  { signal: 'wrong-pool', type: 'invariant', title: 'requests served by the wrong pool' },
  { signal: 'script-errors', type: 'rate', title: 'script errors' },
  { signal: 'refusals', type: 'rate', title: 'refusals' },
];

/** The same work done twice: by it parity is told. */
export const A_PAIRED_SIGNAL: KnownSignal = { signal: 'golden-answers', type: 'paired', title: 'golden answers' };

/** A stage by its share in basis points: bakes for 60 s, wants 50 units. */
export const aStage = (exposure: number, change: Partial<Stage> = {}): Stage => ({
  exposure,
  bake: 60_000,
  activation: 50,
  samples: 0,
  tolerate: {},
  ...change,
});

export const aSignal = (signal: string, change: Partial<Signal> = {}): Signal => ({
  signal,
  harm: 1,
  weight: 1,
  shadow: false,
  ...change,
});

/** A track over the targets of one platform with stages 1%, 10%, 50%, 100%. */
export const aTrack = (name: string, change: Partial<Track> = {}): Track => ({
  name,
  targets: { platform: name },
  stages: [100, 1_000, 5_000, 10_000].map((exposure) => aStage(exposure)),
  ...change,
});

/** The plan of most specifications: track api, then, after api/50%, track bedrock. */
export const aPlanSpec = (change: Partial<PlanSpec> = {}): PlanSpec => ({
  alpha: 0.001,
  holdback: 100,
  watch: 600_000,
  drain: 30_000,
  grace: 60_000,
  signals: [aSignal('wrong-pool'), aSignal('script-errors'), aSignal('refusals', { shadow: true })],
  tracks: [aTrack('api'), aTrack('bedrock', { after: 'api/50%' })],
  ...change,
});

/** The same as a rollout pins it. Throws what is wrong with the plan. */
export const aPlan = (
  change: Partial<PlanSpec> = {},
  catalogue: { readonly targets?: readonly KnownTarget[]; readonly signals?: readonly KnownSignal[] } = {},
): ResolvedPlan => {
  const { targets = SOME_TARGETS, signals = SOME_SIGNALS } = catalogue;
  const resolved = resolvePlan('careful', 1, aPlanSpec(change), { targets, signals });
  if ('rejection' in resolved) throw new Error(resolved.rejection.message);
  return { ...resolved.plan, alpha: alphaOfStart(resolved.plan.alpha, 0) };
};
