import type { InstanceDraw } from '../events/index.js';
import type { Facts } from './rollout.facts.js';
import type { Exposure, Rollout } from './rollout.state.js';
import type { Track } from './tracks.js';

/** Instances of one target that an exposure can name: the list is in the event and in the ruleset. */
export const MOST_INSTANCES = 2_000;

const WHOLE = 10_000;

const mixed = (word: number): number => {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};

/** A number from 0 to 2^32 - 1 that a name falls on, evenly spread: MurmurHash3 over its UTF-16 units. */
const lotOf = (name: string): number => {
  let h = 0x9747b28c;
  for (let i = 0; i < name.length; i += 1) {
    const k = Math.imul(name.charCodeAt(i), 0xcc9e2d51);
    h ^= Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64;
  }
  return mixed(h ^ name.length);
};

/** How many of n instances a share is: its part rounded, at least one; below everything at least one is left. */
export const instancesOf = (n: number, shareBp: number): number => {
  const part = Math.max(1, Math.round((n * shareBp) / WHOLE));
  return shareBp >= WHOLE ? n : Math.min(part, n - 1);
};

/** What an exposure is asked of. */
type Asked = { readonly rollout: string; readonly target: string; readonly shareBp: number };

/**
 * Draws the instances that serve the candidate: those that were chosen before stay, and of the others that are live the
 * ones on which the lowest lots fall. The lot is thrown anew for each exposure, so whoever is chosen is chosen evenly from
 * those that were not before, whenever they came. The same names give the same draw, in whatever order.
 */
export const drawInstances = (
  { rollout, target, shareBp }: Asked,
  live: readonly string[],
  before: readonly string[],
): InstanceDraw => {
  const kept = new Set(before);
  const salted = (name: string): number => lotOf(`${rollout}:${target}:${shareBp}:${name}`);
  const others = [...new Set(live)]
    .filter((name) => !kept.has(name))
    .map((name) => ({ name, lot: salted(name) }))
    .toSorted((a, b) => a.lot - b.lot || (a.name < b.name ? -1 : 1))
    .map(({ name }) => name);
  const keptLive = new Set(live.filter((name) => kept.has(name))).size;
  const fresh = Math.max(0, instancesOf(others.length + keptLive, shareBp) - keptLive);
  return {
    candidate: [...before, ...others.slice(0, fresh)].toSorted(),
    control: others.slice(fresh).toSorted(),
  };
};

/** Why nothing can be drawn on a target at a share; undefined where it can. */
export const drawFault = (target: string, live: readonly string[], shareBp: number): string | undefined => {
  if (shareBp <= 0 || shareBp >= WHOLE) return undefined;
  const n = live.length;
  if (n > MOST_INSTANCES)
    return `${target} has ${n} live instances, and an exposure can name ${MOST_INSTANCES} at most: divide it into several targets`;
  if (n > 1) return undefined;
  const seen = n === 0 ? 'no live instance' : 'one live instance';
  return `${target} has ${seen}, and some must serve the candidate while others stay on control: connect at least two`;
};

type Drawing = Pick<Rollout, 'id' | 'assignment'> & {
  readonly targets: Readonly<Record<string, Pick<Rollout['targets'][string], 'wanted'>>>;
};

/** What is really asked of a target: the share, and the instances where they are drawn. */
export type Draws = (target: string, shareBp: number) => Pick<Exposure, 'shareBp' | 'instances'>;

/**
 * Draws for a rollout from the instances that are live. Other configs are split, and nothing is drawn where everybody
 * serves the same. Where the lot cannot be thrown everybody serves the candidate: only what goes without stages gets
 * there, and neither an emergency nor an undo may fail for a holdback.
 */
export const drawsOf =
  ({ id, assignment, targets }: Drawing, live: Facts['instances'] = {}): Draws =>
  (target, shareBp) => {
    if (assignment !== 'instance' || shareBp <= 0 || shareBp >= WHOLE) return { shareBp, instances: null };
    const here = live[target] ?? [];
    if (drawFault(target, here, shareBp) !== undefined) return { shareBp: WHOLE, instances: null };
    const before = targets[target]?.wanted?.instances?.candidate ?? [];
    return { shareBp, instances: drawInstances({ rollout: id, target, shareBp }, here, before) };
  };

/** Why a track cannot enter a stage: the lot cannot be thrown on one of its targets. Empty where it can. */
export const drawFaults = (
  { assignment }: Pick<Rollout, 'assignment'>,
  track: Track,
  index: number,
  live: Facts['instances'] = {},
): readonly string[] => {
  const stage = track.stages[index];
  if (assignment !== 'instance' || stage === undefined) return [];
  return track.targets.flatMap(({ target }) => drawFault(target, live[target] ?? [], stage.exposureBp) ?? []);
};

/** How many instances of a target must be seen on the candidate, and how many of those chosen are gone. */
export const chosenNow = (
  rollout: Rollout,
  target: string,
  facts: Facts,
): { readonly here: number; readonly gone: number } => {
  const live = new Set(facts.instances?.[target] ?? []);
  const draw = rollout.targets[target]?.wanted?.instances ?? null;
  if (draw === null) return { here: Math.max(1, live.size), gone: 0 };
  const here = draw.candidate.filter((name) => live.has(name)).length;
  return { here: Math.max(1, here), gone: draw.candidate.length - here };
};
