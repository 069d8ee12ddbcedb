import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coverOf, joinCover, type Range } from './cover.js';
import { Frontier } from './frontier.js';
import { EMPTY_ROOT } from './hashes.js';
import { consistencyRanges, inclusionRanges, verifyConsistency, verifyInclusion } from './proofs.js';

const sha = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const leafOf = (hex: string): Buffer => sha(Buffer.of(0), Buffer.from(hex, 'hex'));

/** The definition of RFC 9162, section 2.1.1, word by word. */
const naiveRoot = (leaves: readonly Buffer[]): Buffer => {
  const [only] = leaves;
  if (only === undefined) return sha();
  if (leaves.length === 1) return only;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha(Buffer.of(1), naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split)));
};

const rootOf = (leaves: readonly Buffer[]): Buffer => {
  const frontier = new Frontier();
  for (const leaf of leaves) frontier.append(leaf);
  return frontier.root();
};
const leavesOf = (count: number): readonly Buffer[] =>
  Array.from({ length: count }, (_, n) => sha(Buffer.of(0), Buffer.from(`leaf ${n}`)));
const hashesOf = (leaves: readonly Buffer[], ranges: readonly Range[]): readonly Buffer[] =>
  ranges.map(({ start, end }) => naiveRoot(leaves.slice(start, end)));
const headOf = (leaves: readonly Buffer[], size: number) => ({ size, root: naiveRoot(leaves.slice(0, size)) });

/** The inputs and roots that implementations of certificate transparency share. */
const INPUTS = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

const sizes = fc.integer({ min: 1, max: 300 });
const pairs = fc.tuple(sizes, sizes).map(([a, b]) => ({ first: Math.min(a, b), second: Math.max(a, b) }));

describe('rule 9: the tree over the log', () => {
  it('has the roots that other implementations of certificate transparency give', () => {
    const leaves = INPUTS.map(leafOf);
    expect(new Frontier().root()).toEqual(EMPTY_ROOT);
    expect(EMPTY_ROOT.toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(leaves.map((_, n) => rootOf(leaves.slice(0, n + 1)).toString('hex'))).toEqual(ROOTS);
  });

  it('has the root of the definition at every size', () => {
    const leaves = leavesOf(140);
    for (let size = 0; size <= leaves.length; size += 1)
      expect(rootOf(leaves.slice(0, size)), `size ${size}`).toEqual(naiveRoot(leaves.slice(0, size)));
  });

  it('goes on from the roots of its complete subtrees as if it had never stopped', () => {
    fc.assert(
      fc.property(pairs, ({ first, second }) => {
        const leaves = leavesOf(second);
        const roots = hashesOf(
          leaves,
          coverOf({ start: 0, end: first }).map(({ level, index }) => ({
            start: index * 2 ** level,
            end: (index + 1) * 2 ** level,
          })),
        );
        const restored = Frontier.restored(first, roots);
        for (const leaf of leaves.slice(first)) restored.append(leaf);
        expect(restored.root()).toEqual(naiveRoot(leaves));
        expect(joinCover(roots)).toEqual(naiveRoot(leaves.slice(0, first)));
      }),
      { numRuns: 60 },
    );
  });

  it('names each complete subtree once, with its hash', () => {
    const leaves = leavesOf(37);
    const seen: string[] = [];
    const frontier = new Frontier((level, index, hash) => {
      const range = leaves.slice(index * 2 ** level, (index + 1) * 2 ** level);
      expect(Buffer.from(hash, 'binary')).toEqual(naiveRoot(range));
      seen.push(`${level}/${index}`);
    }, 2);
    for (const leaf of leaves) frontier.append(leaf);
    expect(seen.toSorted()).toEqual(
      [
        '2/0',
        '2/1',
        '2/2',
        '2/3',
        '2/4',
        '2/5',
        '2/6',
        '2/7',
        '2/8',
        '3/0',
        '3/1',
        '3/2',
        '3/3',
        '4/0',
        '4/1',
        '5/0',
      ].toSorted(),
    );
  });

  it('proves every leaf of every small tree, and no other leaf or place', () => {
    for (let size = 1; size <= 40; size += 1) {
      const leaves = leavesOf(size);
      const head = headOf(leaves, size);
      for (const [index, leaf] of leaves.entries()) {
        const proof = hashesOf(leaves, inclusionRanges(index, size));
        expect(verifyInclusion(leaf, index, head, proof)).toBe(true);
        expect(verifyInclusion(sha(leaf), index, head, proof)).toBe(false);
        expect(verifyInclusion(leaf, index, head, [...proof, leaf])).toBe(false);
        expect(verifyInclusion(leaf, (index + 1) % (size + 1), head, proof)).toBe(false);
        if (proof.length > 0) expect(verifyInclusion(leaf, index, head, proof.slice(1))).toBe(false);
      }
    }
  });

  it('proves that it only grew, between any two sizes, and never that it was altered', () => {
    fc.assert(
      fc.property(pairs, fc.nat(), ({ first, second }, place) => {
        const leaves = leavesOf(second);
        const [old, now] = [headOf(leaves, first), headOf(leaves, second)];
        const proof = hashesOf(leaves, consistencyRanges(first, second));
        expect(verifyConsistency(old, now, proof)).toBe(true);
        const altered = leaves.with(place % first, sha(Buffer.from('altered')));
        const forged = hashesOf(altered, consistencyRanges(first, second));
        expect(verifyConsistency(old, headOf(altered, second), forged)).toBe(false);
        expect(verifyConsistency(old, { ...now, root: sha(now.root) }, proof)).toBe(false);
        if (first < second) expect(verifyConsistency(now, old, proof)).toBe(false);
      }),
      { numRuns: 100 },
    );
  });
});
