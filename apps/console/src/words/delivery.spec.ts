import { describe, expect, it } from 'vitest';
import type { RolloutView } from '#libs/contracts';
import { arrivalOf, backWords, exposureWords, inOrder, leftoverWords, wayBack } from './delivery.js';

type Target = RolloutView['targets'][number];
type Way = NonNullable<Target['wayBack']>;

const asked: Way = {
  askedAt: '2025-08-29T12:00:00.000Z',
  place: 1,
  requestsPerSecond: 120,
  readBackAt: null,
  endedAt: null,
  leftover: null,
  clearedAt: null,
};

const target = (over: Partial<Target> = {}, way: Partial<Way> = {}): Target => ({
  target: 'api-us',
  control: 1,
  requestedBp: 0,
  purpose: 'rollback',
  generation: 7,
  delivered: false,
  converged: false,
  readBack: false,
  ended: null,
  error: null,
  failingSince: null,
  silent: [],
  wayBack: { ...asked, ...way },
  ...over,
});

const leftover = {
  requests: 1_204,
  units: 13,
  oldestAt: '2025-08-29T12:00:01.000Z',
  newestAt: '2025-08-29T12:00:14.000Z',
};

const stepsOf = (of: Target): readonly string[] =>
  wayBack(of).map(({ words, isDone }) => `${isDone ? 'done' : 'open'}: ${words}`);

describe('The way back of a target', () => {
  it('is nothing where the candidate is not taken back', () => expect(wayBack(target({ wayBack: null }))).toEqual([]));

  it('begins with nothing done', () =>
    expect(stepsOf(target())).toEqual([
      'open: delivered',
      'open: every instance has it',
      'open: read back',
      'open: drained',
    ]));

  it('says how long each step took', () => {
    const way = { readBackAt: '2025-08-29T12:00:01.100Z', endedAt: '2025-08-29T12:05:00.000Z' };
    expect(stepsOf(target({ delivered: true, converged: true, readBack: true, ended: 'drained' }, way))).toEqual([
      'done: delivered',
      'done: every instance has it',
      'done: read back after 1.1 s',
      'done: drained after 5 min',
    ]);
  });

  it('does not say of one that was given up that it was ever read back', () => {
    const given = target({ ended: 'abandoned' }, { endedAt: '2025-08-29T12:05:00.000Z' });
    expect(stepsOf(given)).not.toContain('open: read back');
    expect(stepsOf(given).at(-1)).toBe('done: given up by a person after 5 min');
  });

  it('is of those only who talk, where somebody does not', () =>
    expect(stepsOf(target({ converged: true, silent: ['pod-9'] }))).toContain(
      'done: every instance that talks has it',
    ));
});

describe('A rollback over all targets', () => {
  const targets = [
    target({ target: 'vertex-eu', error: 'no answer' }, { place: 3 }),
    target({ target: 'api-us', readBack: true, ended: 'drained' }, { leftover }),
    target({ target: 'bedrock-us', readBack: true }, { place: 2 }),
    target({ target: 'api-eu', purpose: null, wayBack: null }),
  ];

  it('is in the order in which its targets were asked, without those that were never reached', () =>
    expect(inOrder(targets).map((each) => each.target)).toEqual(['api-us', 'bedrock-us', 'vertex-eu']));

  it('is summed up: read back, over, still seen, tried again', () =>
    expect(backWords(targets, 2)).toBe(
      '2 of 3 targets read back, 1 of 3 drained or ended otherwise, 1,204 requests still came to r2, 1 target being tried again',
    ));
});

describe('What still came to a withdrawn revision', () => {
  it.each([
    [leftover, '1,204 requests of 13 units'],
    [{ requests: 1, units: 0 }, '1 request'],
    [{ requests: 9_000, units: 512 }, '9,000 requests of at least 512 units'],
  ])('%o: %s', (seen, words) => expect(leftoverWords(seen)).toBe(words));
});

describe('What a stage serves', () => {
  it.each([
    ['10%', 1_000, undefined],
    ['100%', 9_900, '99%, the rest is held back'],
    ['canary', 100, '1% of the traffic'],
  ])('a stage named %s of %d: %s', (name, exposureBp, words) => expect(exposureWords(name, exposureBp)).toBe(words));
});

describe('What was asked for on a target', () => {
  const instances = [7, 6].map((generation) => ({
    instance: `pod-${generation}`,
    generation,
    seenAt: '2026-11-28T07:00:00.000Z',
    error: null,
  }));
  const known = { instances };

  it('is not reached, not delivered, on its way and there', () => {
    expect(arrivalOf(target({ purpose: null }), known).words).toBe('not reached yet');
    const staged = { purpose: 'stage', requestedBp: 1_000, wayBack: null } as const;
    expect(arrivalOf(target(staged), known)).toMatchObject({ words: 'not delivered yet', deliveredBp: null });
    expect(arrivalOf(target({ ...staged, delivered: true }), known)).toMatchObject({
      words: 'instances take it up',
      acknowledged: 1,
      live: 2,
    });
    expect(arrivalOf(target({ ...staged, delivered: true, converged: true }), known).words).toBe(
      'every instance has it',
    );
  });
});
