import { reject, type Rejection } from '#libs/kernel';
import { afterOf } from './plan.names.js';
import type { PlanSpec } from './plan.types.js';

export const duplicate = (names: readonly string[]): string | undefined =>
  names.find((name, index) => names.indexOf(name) !== index);

/** One fault of a plan, with its field. */
export const faults = (code: string, pointer: string, message: string): Rejection[] => {
  const decision = reject(code, message, pointer);
  return decision.accepted ? [] : [decision.rejection];
};

/** Tracks that have to get somewhere before this one may begin. */
const awaitedBy = ({ after, parity = [] }: PlanSpec['tracks'][number]): readonly string[] => [
  ...(after === undefined ? [] : [afterOf(after).track]),
  ...parity.flatMap(({ between }) => between),
];

/** Whether a track may begin only once it has begun: itself, or by way of others. */
export const waitsForItself = (plan: PlanSpec, name: string): boolean => {
  const seen = new Set<string>();
  const waiting = [name];
  for (let current = waiting.pop(); current !== undefined; current = waiting.pop()) {
    const awaited = plan.tracks.filter((track) => track.name === current).flatMap(awaitedBy);
    if (awaited.includes(name)) return true;
    waiting.push(...awaited.filter((each) => !seen.has(each)));
    for (const each of awaited) seen.add(each);
  }
  return false;
};
