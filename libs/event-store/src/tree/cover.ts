import { nodeHash } from './hashes.js';

/** A complete subtree: the leaves (counted from 0) from index × 2^level on, 2^level of them. */
export type NodeId = { readonly level: number; readonly index: number };

/** Leaves from `start` up to, and without, `end`, counted from 0: together one subtree of the whole tree. */
export type Range = { readonly start: number; readonly end: number };

/** The complete subtrees that a range is made of, from the left, so the largest first. */
export const coverOf = ({ start, end }: Range): readonly NodeId[] => {
  const nodes: NodeId[] = [];
  let from = start;
  for (let level = 53; level >= 0; level -= 1) {
    const width = 2 ** level;
    if (end - from < width) continue;
    nodes.push({ level, index: from / width });
    from += width;
  }
  return nodes;
};

/** The hash of a range from those of the complete subtrees that it is made of, as `coverOf` lists them. */
export const joinCover = (hashes: readonly Buffer[]): Buffer => {
  let joined: Buffer | undefined;
  for (const hash of hashes.toReversed()) joined = joined === undefined ? hash : nodeHash(hash, joined);
  if (joined === undefined) throw new Error('A range without leaves has no hash.');
  return joined;
};
