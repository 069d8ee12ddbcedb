import { mostOfDraw } from '#libs/statistics';
import type { ResolvedPlan } from '../events/index.js';
import { headlineOf, isByInstance, signalShares, type SignalSpec } from '../gate/index.js';
import type { Facts } from './rollout.facts.js';
import { instancesOf } from './rollout.instances.js';
import { targetsOf, type Track } from './tracks.js';

/** What a stage would draw on one target of which so many instances are live. */
export type StageDraw = { readonly target: string; readonly chosen: number; readonly of: number };

/** The draws of one stage, and the largest e-value that they and those before them could give before long. */
export type StageReach = {
  readonly track: string;
  readonly stage: string;
  readonly draws: readonly StageDraw[];
  readonly largestE: number;
};

type Signal = ResolvedPlan['signals'][number];

const specOf = ({ signal, type, shadow, weight, source }: Signal): SignalSpec => ({
  signal,
  type,
  shadow,
  weight,
  ...(source === null ? {} : { source }),
});

/** What is judged by the draw and decides. */
const isDecidedByDraw = (signal: SignalSpec): boolean =>
  !signal.shadow && signal.type !== 'invariant' && isByInstance({ assignment: 'instance' }, signal);

/** Newly chosen of those not chosen before, stage by stage, as if all instances stayed. */
const drawsOfStage = (track: Track, index: number, live: Readonly<Record<string, readonly string[]>>) =>
  track.targets.map(({ target }) => {
    const of = live[target]?.length ?? 0;
    const chosenAt = (stage: number): number => (of < 2 ? 0 : instancesOf(of, track.stages[stage]?.exposureBp ?? 0));
    const chosen = chosenAt(index);
    const before = index === 0 ? 0 : chosenAt(index - 1);
    return { target, chosen, of, logMost: mostOfDraw(of - before, chosen - before) };
  });

const reachOf = (track: Track, live: Readonly<Record<string, readonly string[]>>) => {
  let logMost = 0;
  return track.stages.map((stage, index) => {
    const draws = drawsOfStage(track, index, live);
    logMost += draws.reduce((sum, draw) => sum + draw.logMost, 0);
    return { track: track.name, stage: stage.name, draws, logMost };
  });
};

const digits = (value: number): string => String(Number(value.toPrecision(3)));

/** A pool of evidence: what is taken back together, and its part of alpha. */
const poolsOf = ({ rollbackScope, tracks, alpha }: ResolvedPlan) =>
  rollbackScope === 'rollout'
    ? [{ tracks, alpha }]
    : tracks.map((track) => ({ tracks: [track], alpha: alpha / tracks.length }));

/** Why nothing of a pool could be shown before its tracks are fully exposed; undefined where it could. */
const refusalOf = (
  plan: ResolvedPlan,
  { tracks, alpha }: ReturnType<typeof poolsOf>[number],
  live: Readonly<Record<string, readonly string[]>>,
): string | undefined => {
  const before = tracks.flatMap((track) => reachOf(track, live).at(track.stages.length > 1 ? -2 : -1) ?? []);
  const largest =
    headlineOf(targetsOf(tracks).length) * Math.exp(before.reduce((sum, { logMost }) => sum + logMost, 0));
  const signals = plan.signals.map(specOf);
  const shares = signalShares(signals);
  const unable = signals
    .map((spec, i) => ({ spec, needed: 1 / (alpha * (shares[i] ?? 0)) }))
    .filter(({ spec, needed }) => isDecidedByDraw(spec) && largest < needed);
  const [first] = unable;
  if (first === undefined) return undefined;
  const drawn = before.flatMap(({ draws }) => draws.map(({ target, chosen, of }) => `${chosen} of ${of} on ${target}`));
  return (
    `By instance this plan could never tell that the change does harm before it is everywhere: with ${drawn.join(', ')} ` +
    `the strongest evidence to be had is ${digits(largest)}, and ${unable.map(({ spec }) => spec.signal).join(', ')} ` +
    `would need ${digits(first.needed)} (alpha ${digits(alpha)}). Run more instances, choose shares nearer to half, raise alpha, ` +
    'make these signals shadow so that invariants alone decide, or say in the plan why that is accepted (acceptBlind).'
  );
};

/**
 * What the stages of a plan would draw from the instances that are live, and whether that can ever tell: an e-value of a
 * draw is at most the number of ways in which the lot can fall. `refusal`: why a start is refused, in words.
 */
export const instanceReach = (
  plan: ResolvedPlan,
  live: NonNullable<Facts['instances']>,
): { readonly stages: readonly StageReach[]; readonly refusal: string | undefined } => {
  const stages = plan.tracks.flatMap((track) =>
    reachOf(track, live).map(({ logMost, draws, ...stage }) => ({
      ...stage,
      draws: draws.map(({ target, chosen, of }) => ({ target, chosen, of })),
      largestE: Math.exp(logMost),
    })),
  );
  const refusals = plan.acceptBlind === null ? poolsOf(plan).flatMap((pool) => refusalOf(plan, pool, live) ?? []) : [];
  return { stages, refusal: refusals[0] };
};
