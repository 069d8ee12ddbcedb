import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Compactor, UnchainedLooksError, type CompactedLook, type NamedLook } from './compact.js';
import type { LookCell, StoredLook } from './evidence-store.js';
import { NOON } from './spec-kit.js';

const HOUR = 3_600_000;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const chained = (before: string, look: string): string => sha256(before + look);

const cellOf = (over: Partial<LookCell> = {}): LookCell => ({
  candidateBad: 1,
  controlBad: 2,
  model: 'haiku',
  shareBp: 1_000,
  signal: 'script-error',
  target: 'api-tpu',
  ...over,
});

const lookOf = (look: number, at: number, cells: readonly LookCell[] = [cellOf()]): StoredLook => ({
  rollout: 'ro-1',
  look,
  at,
  cells,
  digest: sha256(JSON.stringify(cells)),
});

const compact = (looks: readonly StoredLook[], named: readonly NamedLook[] = []): readonly CompactedLook[] => {
  const compactor = new Compactor(named, chained);
  for (const look of looks) compactor.tell(look);
  return compactor.end('ro-1');
};

const chainUpTo = (looks: readonly StoredLook[], last: number): string =>
  looks.filter(({ look }) => look <= last).reduce((digest, look) => chained(digest, look.digest), '');

describe('Looks that are compacted', () => {
  it('are one for each hour, under the number and the time of the last, with their cells summed', () => {
    const looks = [lookOf(1, NOON), lookOf(4, NOON + 5_000), lookOf(9, NOON + HOUR), lookOf(11, NOON + HOUR + 1)];
    expect(compact(looks)).toEqual([
      {
        rollout: 'ro-1',
        look: 4,
        at: NOON + 5_000,
        standsFor: 2,
        chain: chainUpTo(looks, 4),
        cells: [cellOf({ candidateBad: 2, controlBad: 4 })],
      },
      {
        rollout: 'ro-1',
        look: 11,
        at: NOON + HOUR + 1,
        standsFor: 2,
        chain: chainUpTo(looks, 11),
        cells: [cellOf({ candidateBad: 2, controlBad: 4 })],
      },
    ]);
  });

  it('add requests and bins; what is counted up to a look is that of the last one', () => {
    const byRequest = cellOf({ candidateRequests: 10, controlRequests: 90 });
    const late = (served: number) => cellOf({ shareBp: 500, candidateServed: served, controlServed: 9 * served });
    const values = (bins: LookCell['bins'] & {}) => cellOf({ signal: 'score', candidateBad: 0, controlBad: 0, bins });
    const [only, ...others] = compact([
      lookOf(1, NOON, [
        byRequest,
        late(10),
        values([
          [0.5, 1, 2],
          [1, 0, 3],
        ]),
      ]),
      lookOf(2, NOON, [
        byRequest,
        late(20),
        values([
          [0.25, 1, 1],
          [1, 1, 1],
        ]),
      ]),
    ]);
    expect(others).toEqual([]);
    expect(only?.cells).toEqual([
      values([
        [0.25, 1, 1],
        [0.5, 1, 2],
        [1, 1, 4],
      ]),
      cellOf({ shareBp: 500, candidateBad: 2, candidateServed: 20, controlBad: 4, controlServed: 180 }),
      cellOf({ candidateBad: 2, candidateRequests: 20, controlBad: 4, controlRequests: 180 }),
    ]);
  });

  it('are cut after each look that a verdict names, empty looks too', () => {
    const looks = [1, 2, 5, 6].map((look) => lookOf(look, NOON + look));
    const named = [3, 4, 5].map((look) => ({ look, digest: chainUpTo(looks, look) }));
    expect(compact(looks, named).map(({ look, standsFor }) => [look, standsFor])).toEqual([
      [2, 2],
      [5, 1],
      [6, 1],
    ]);
  });

  it('are left alone where a verdict names other ones', () => {
    const looks = [lookOf(1, NOON), lookOf(2, NOON)];
    expect(() => compact(looks, [{ look: 1, digest: chainUpTo(looks, 2) }])).toThrow(UnchainedLooksError);
    expect(() => compact(looks, [{ look: 2, digest: 'ab' }])).toThrow('headgate explain ro-1 --recompute');
  });

  it('rule 12: keep every count, and every digest that a verdict names, however they come', () => {
    const cell = fc.record({
      candidateBad: fc.nat(5),
      controlBad: fc.nat(5),
      signal: fc.constantFrom('script-error', 'refusal'),
      target: fc.constantFrom('api-tpu', 'api-gpu'),
      shareBp: fc.constantFrom(100, 1_000),
    });
    const drawn = fc.array(
      fc.tuple(
        fc.array(cell, { minLength: 1, maxLength: 4 }),
        fc.nat(HOUR),
        fc.integer({ min: 1, max: 3 }),
        fc.boolean(),
      ),
      { maxLength: 30 },
    );
    const sumOf = (looks: readonly Pick<StoredLook, 'cells'>[]) => {
      const sums = new Map<string, [number, number]>();
      for (const { signal, target, shareBp, candidateBad, controlBad } of looks.flatMap(({ cells }) => cells)) {
        const [candidate, control] = sums.get(`${signal} ${target} ${shareBp}`) ?? [0, 0];
        sums.set(`${signal} ${target} ${shareBp}`, [candidate + candidateBad, control + controlBad]);
      }
      return [...sums].toSorted();
    };
    fc.assert(
      fc.property(drawn, (steps) => {
        let [at, number] = [NOON, 0];
        const looks = steps.map(([cells, ms, numbers]) => lookOf((number += numbers), (at += ms), cells.map(cellOf)));
        const named = looks
          .filter((_, i) => steps[i]?.[3])
          .map(({ look }) => ({ look, digest: chainUpTo(looks, look) }));
        const compacted = compact(looks, named);
        expect(sumOf(compacted)).toEqual(sumOf(looks));
        expect(compacted.reduce((sum, { standsFor }) => sum + standsFor, 0)).toBe(looks.length);
        for (const { look, digest } of named) {
          expect(compacted.find((each) => each.look === look)?.chain).toBe(digest);
          const upTo = (all: readonly Pick<StoredLook, 'cells' | 'look'>[]) =>
            sumOf(all.filter((each) => each.look <= look));
          expect(upTo(compacted)).toEqual(upTo(looks));
        }
      }),
      { numRuns: 200 },
    );
  });
});
