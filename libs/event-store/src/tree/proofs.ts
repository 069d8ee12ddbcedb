import type { Range } from './cover.js';
import { nodeHash } from './hashes.js';

/** The largest power of two below `size`, which is at least 2. */
const splitOf = (size: number): number => {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
};

/** The subtrees whose hashes are the inclusion proof of a leaf (index from 0), in order (RFC 9162, section 2.1.3.1). */
export const inclusionRanges = (index: number, size: number): readonly Range[] => {
  const path: Range[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    path.push(index < middle ? { start: middle, end } : { start, end: middle });
    if (index < middle) end = middle;
    else start = middle;
  }
  return path.toReversed();
};

/** The subtrees whose hashes are the consistency proof between two sizes, in order (RFC 9162, section 2.1.4.1). */
export const consistencyRanges = (first: number, second: number): readonly Range[] => {
  if (first === 0 || first === second) return [];
  const proof: Range[] = [];
  let start = 0;
  let end = second;
  let isWhole = true;
  while (first !== end) {
    const middle = start + splitOf(end - start);
    if (first <= middle) {
      proof.push({ start: middle, end });
      end = middle;
    } else {
      proof.push({ start, end: middle });
      start = middle;
      isWhole = false;
    }
  }
  if (!isWhole) proof.push({ start, end });
  return proof.toReversed();
};

const isOdd = (value: number): boolean => value % 2 === 1;
const half = (value: number): number => Math.floor(value / 2);

/** Whether a leaf (index from 0) is in the tree of that size and root (RFC 9162, section 2.1.3.2). */
export const verifyInclusion = (
  leaf: Buffer,
  index: number,
  head: { readonly size: number; readonly root: Buffer },
  proof: readonly Buffer[],
): boolean => {
  if (index >= head.size) return false;
  let node = index;
  let last = head.size - 1;
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      hash = nodeHash(sibling, hash);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else hash = nodeHash(hash, sibling);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && hash.equals(head.root);
};

type Head = { readonly size: number; readonly root: Buffer };

/** Whether the tree of the second head only adds to that of the first (RFC 9162, section 2.1.4.2). */
export const verifyConsistency = (first: Head, second: Head, proof: readonly Buffer[]): boolean => {
  if (first.size > second.size) return false;
  if (first.size === second.size) return proof.length === 0 && first.root.equals(second.root);
  if (first.size === 0) return proof.length === 0;
  const path = Number.isInteger(Math.log2(first.size)) ? [first.root, ...proof] : proof;
  const [seed, ...rest] = path;
  if (seed === undefined) return false;
  let node = first.size - 1;
  let last = second.size - 1;
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  let [old, whole] = [seed, seed];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      old = nodeHash(sibling, old);
      whole = nodeHash(sibling, whole);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else whole = nodeHash(whole, sibling);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && old.equals(first.root) && whole.equals(second.root);
};
