import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { binOf, type Binning } from './bins.js';
import {
  EvidenceBell,
  IntakeBusyError,
  IntakeClosedError,
  PostgresCountedIntake,
  PostgresEvidenceStore,
  type Counted,
} from './index.js';
import { exposureOf, NOON, ToldExposures } from './spec-kit.js';

let database: TestDatabase;
let exposures: ToldExposures;
let bell: EvidenceBell;
let intake: PostgresCountedIntake;
let store: PostgresEvidenceStore;
let rollout = '';
let number = 0;

const counted = new Map<string, Binning | null>([
  ['timeouts', null],
  ['duration', 'by-size'],
]);

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.clear();
  rollout = `counted-${(number += 1)}`;
  exposures = new ToldExposures();
  exposures.tell('api-tpu', 'router', 10, exposureOf(rollout, 1_000, { counted }));
  bell = new EvidenceBell();
  intake = new PostgresCountedIntake(database.pool, exposures, bell);
  store = new PostgresEvidenceStore(database.pool, bell);
});

const item = (over: Partial<Counted> = {}): Counted => ({
  signal: 'timeouts',
  target: 'api-tpu',
  model: 'haiku',
  from: NOON - 10_000,
  until: NOON,
  requests: 0,
  bad: 0,
  ...over,
});
const onArm = (revision: number, requests: number, bad: number, over: Partial<Counted> = {}): Counted =>
  item({ arm: { config: 'router', revision }, requests, bad, ...over });
const count = (items: readonly Counted[], through = intake) =>
  through.advance('source', (state) => ({ state: state ?? 'begun', counted: items, result: state }), NOON);
const samples = async () => (await store.requests(rollout)).samples;

describe('each step of a source', () => {
  it('goes on from the one before, whichever controller has it, and what it says is counted once', async () => {
    const other = new PostgresCountedIntake(database.pool, exposures, bell, { maxFlush: 3 });
    const next = (state: unknown) => {
      const seen = typeof state === 'number' ? state : 0;
      return { state: seen + 1, counted: [onArm(2, 10, 1)], result: seen };
    };
    const steps = Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? intake : other).advance('one', next, NOON));
    const seen = (await Promise.all(steps)).map(({ result }) => result);
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, n) => n));
    expect(await samples()).toEqual([
      { signal: 'timeouts', target: 'api-tpu', model: 'haiku', candidate: 400, control: 0 },
    ]);
  });

  it('that throws fails alone: it leaves its state as it was, and nothing of it is counted', async () => {
    await intake.advance('broken', () => ({ state: 'kept', counted: [], result: 0 }), NOON);
    const breaks = () => {
      throw new Error('nonsense');
    };
    const [failed, counts] = await Promise.allSettled([
      intake.advance('broken', breaks, NOON),
      count([onArm(2, 10, 0)]),
      count([onArm(1, 90, 0)]),
    ]);
    expect(failed).toMatchObject({ status: 'rejected', reason: { message: 'nonsense' } });
    expect(counts.status).toBe('fulfilled');
    expect(await samples()).toMatchObject([{ candidate: 10, control: 90 }]);
    const seen = await intake.advance('broken', (state) => ({ state, counted: [], result: state }), NOON);
    expect(seen.result).toBe('kept');
  });

  it('never waits for another in a circle, in whatever order sources come to two controllers', async () => {
    const other = new PostgresCountedIntake(database.pool, exposures, bell);
    const names = Array.from({ length: 60 }, (_, n) => `source-${n}`);
    const send = (through: PostgresCountedIntake, order: readonly string[]) =>
      Promise.all(
        order.map((name, n) =>
          through.advance(name, () => ({ state: n, counted: [onArm(2, 1, 0), onArm(1, 9, 0)], result: n }), NOON),
        ),
      );
    for (let turn = 0; turn < 5; turn += 1) await Promise.all([send(intake, names), send(other, names.toReversed())]);
    expect(await samples()).toMatchObject([{ candidate: 600, control: 5_400 }]);
  });

  it('is turned away when too many wait, and when the intake is being stopped, and those taken are answered', async () => {
    const small = new PostgresCountedIntake(database.pool, exposures, bell, { maxWaiting: 1, maxFlush: 1 });
    const taken = [count([onArm(2, 1, 0)], small), count([onArm(2, 1, 0)], small), count([onArm(2, 1, 0)], small)];
    await expect(count([], small)).rejects.toThrow(IntakeBusyError);
    await small.close();
    expect(await Promise.all(taken)).toHaveLength(3);
    await expect(count([], small)).rejects.toThrow(IntakeClosedError);
  });

  it('rings once its evidence can be read', async () => {
    const rung: string[] = [];
    const stop = store.onEvidence((rollouts) => rung.push(...rollouts));
    await count([onArm(2, 10, 1)]);
    await vi.waitFor(() => expect(rung).toEqual([rollout]));
    stop();
  });
});

describe('what is counted on the arms of a rollout', () => {
  it('comes to its looks with the requests, also where the config is assigned by unit', async () => {
    await count([onArm(2, 10, 1), onArm(1, 90, 3), onArm(2, 20, 0)]);
    const { cells } = await store.foldLook(rollout, NOON);
    expect(cells).toEqual([
      {
        candidateBad: 1,
        candidateRequests: 30,
        controlBad: 3,
        controlRequests: 90,
        model: 'haiku',
        shareBp: 1_000,
        signal: 'timeouts',
        target: 'api-tpu',
      },
    ]);
    expect(await samples()).toMatchObject([{ signal: 'timeouts', candidate: 30, control: 90 }]);
  });

  it('counts under the generation that served it, or under the newest where none is named', async () => {
    exposures.tell('api-tpu', 'router', 20, exposureOf(rollout, 5_000, { counted }));
    const arm = { config: 'router', revision: 2 };
    await count([item({ arm: { ...arm, generation: 10 }, requests: 5, bad: 1 }), item({ arm, requests: 7, bad: 2 })]);
    const { cells } = await store.foldLook(rollout, NOON);
    expect(cells.map(({ shareBp, candidateBad }) => [shareBp, candidateBad])).toEqual([
      [1_000, 1],
      [5_000, 2],
    ]);
  });

  it('puts values into bins, as often as they were measured', async () => {
    const values = [
      [812, 4],
      [500, 1],
    ] as const;
    await count([onArm(2, 0, 0, { signal: 'duration', values }), onArm(1, 0, 0, { signal: 'duration', values })]);
    const { cells } = await store.foldLook(rollout, NOON);
    expect(cells.map(({ bins }) => bins)).toEqual([
      [
        [binOf(500, 'by-size'), 1, 1],
        [binOf(812, 'by-size'), 4, 4],
      ],
    ]);
    expect(await samples()).toMatchObject([{ signal: 'duration', candidate: 5, control: 5 }]);
  });

  it('is of no rollout where it is of another revision, or tells of a time before the rollout as well', async () => {
    const startedAt = NOON - 5_000;
    exposures.tell('api-tpu', 'router', 30, exposureOf(rollout, 5_000, { counted, startedAt }));
    const { refused } = await count([onArm(4, 10, 1), onArm(2, 10, 1), onArm(2, 10, 1, { from: startedAt })]);
    expect(refused).toEqual([]);
    expect(await samples()).toMatchObject([{ candidate: 10, control: 0 }]);
  });

  it('tells by hash buckets of control how far units are apart, once there are eight', async () => {
    const bads = [30, 2, 25, 1, 3, 40, 2];
    const bucket = (n: number, bad: number) => onArm(1, 1_000, bad, { bucket: n });
    await count([...bads.map((bad, n) => bucket(n, bad)), onArm(2, 100, 1, { bucket: 3 })]);
    const first = await store.foldLook(rollout, NOON);
    expect(first.cells.map(({ dispersion }) => dispersion)).toEqual([undefined]);
    await count([bucket(7, 9), onArm(2, 100, 1)]);
    const { cells } = await store.foldLook(rollout, NOON);
    // Eight buckets of 1,000 with 112 bad ones: each may be expected to have 14.
    const rate = 14 / 1_000;
    const terms = [...bads, 9].map((bad) => (bad - 14) ** 2 / (1_000 * rate * (1 - rate)));
    const expected = terms.reduce((sum, term) => sum + term, 0) / 7;
    expect(cells[0]?.dispersion).toBeCloseTo(expected, 2);
    expect(JSON.stringify(cells[0])).toMatch(/"controlRequests":\d+,"dispersion":[\d.]+,"model"/);
    expect((await store.readLooks(rollout, 0)).map(({ look }) => look)).toEqual([1, 2]);
  });

  it('never takes less than chance alone would make for the spread', async () => {
    await count([...Array(8).keys()].map((bucket) => onArm(1, 1_000, 14, { bucket })));
    const { cells } = await store.foldLook(rollout, NOON);
    expect(cells[0]?.dispersion).toBe(1);
  });
});

describe('what is counted of a slice as a whole', () => {
  it('stands on the candidate of every rollout that runs there and counts the signal', async () => {
    exposures.tell('api-tpu', 'sampling', 11, exposureOf('another', 2_000, { counted, candidate: 3 }));
    exposures.tell('api-gpu', 'router', 12, exposureOf('elsewhere', 2_000, { counted }));
    exposures.tell('api-tpu', 'prompt', 13, exposureOf('of-outcomes', 2_000));
    exposures.tell('api-tpu', 'tools', 14, exposureOf('taken-back', 0, { counted }));
    await count([item({ requests: 100, bad: 2 })]);
    for (const [name, expected] of [
      [rollout, [100, 0]],
      ['another', [100, 0]],
      ['elsewhere', undefined],
      ['of-outcomes', undefined],
      ['taken-back', undefined],
    ] as const) {
      const [sample] = (await store.requests(name)).samples;
      expect(sample && [sample.candidate, sample.control], name).toEqual(expected);
    }
  });

  it('tells by itself that there are arms, while nothing has come of control yet', async () => {
    await count([item({ requests: 100, bad: 2 })]);
    // Of revisions that the rollout has nothing to do with.
    await count([onArm(7, 50, 1)]);
    expect(await store.toldArms(rollout)).toEqual([]);
    await count([onArm(2, 50, 1)]);
    await count([onArm(2, 50, 1), item({ signal: 'duration', values: [[8, 3]] })]);
    expect(await store.toldArms(rollout)).toEqual(['timeouts']);
    expect((await samples()).find(({ signal }) => signal === 'timeouts')).toMatchObject({ candidate: 100, control: 0 });
  });

  it('is no evidence of arms: once they are told it counts no more, and what was counted before is taken out again', async () => {
    const badInLooks = async (): Promise<number> => {
      await store.takeLook(rollout, NOON);
      const cells = (await store.readLooks(rollout, 0)).flatMap((look) => look.cells);
      return cells.reduce((sum, { candidateBad }) => sum + candidateBad, 0);
    };
    await count([item({ requests: 100, bad: 20 })]);
    expect(await badInLooks()).toBe(20);
    await count([item({ requests: 100, bad: 30 }), item({ signal: 'duration', values: [[8, 3]] })]);
    await count([item({ requests: 100, bad: 40 }), onArm(1, 50, 1), item({ requests: 100, bad: 50 })]);
    expect(await badInLooks()).toBe(0);
    expect(await samples()).toMatchObject([
      { signal: 'duration', candidate: 3, control: 0 },
      { signal: 'timeouts', candidate: 0, control: 50 },
    ]);
    await count([item({ requests: 100, bad: 60 })], new PostgresCountedIntake(database.pool, exposures, bell));
    await count([onArm(2, 9, 2)]);
    expect(await badInLooks()).toBe(2);
    expect((await samples()).find(({ signal }) => signal === 'timeouts')).toMatchObject({ candidate: 9, control: 50 });
  });

  it('counts nowhere where another controller tells the arms at the same time', async () => {
    const controllers = [0, 1, 2].map(() => new PostgresCountedIntake(database.pool, exposures, bell));
    const items = [[item({ requests: 100, bad: 20 })], [onArm(2, 9, 2)], [item({ requests: 100, bad: 30 })]];
    await Promise.all(
      controllers.map((each, n) =>
        each.advance(`source ${n}`, (state) => ({ state: state ?? n, counted: items[n] ?? [], result: n }), NOON),
      ),
    );
    await count([item({ requests: 100, bad: 60 })]);
    expect(await samples()).toMatchObject([{ signal: 'timeouts', candidate: 9, control: 0 }]);
  });

  it('can be asked for of the time before, by whole minutes, whatever ran there', async () => {
    const minute = 60_000;
    await count([
      item({ from: NOON - 3 * minute, until: NOON - 2 * minute + 1, requests: 100, bad: 2 }),
      onArm(1, 50, 1, { from: NOON - 2 * minute, until: NOON - minute }),
      item({ requests: 7, bad: 7 }),
      item({ target: 'api-gpu', signal: 'duration', from: NOON - 2 * minute, until: NOON - minute, values: [[8, 3]] }),
    ]);
    const asked = { signals: ['timeouts', 'duration'], targets: ['api-tpu', 'api-gpu'] };
    expect(await store.before({ ...asked, fromMs: NOON - 10 * minute, untilMs: NOON + 30_000 })).toEqual([
      { signal: 'duration', target: 'api-gpu', model: 'haiku', requests: 0, bad: 0, valueCount: 3, valueSum: 24 },
      { signal: 'timeouts', target: 'api-tpu', model: 'haiku', requests: 150, bad: 3, valueCount: 0, valueSum: 0 },
    ]);
    expect(await store.before({ ...asked, fromMs: NOON, untilMs: NOON + 1 })).toEqual([]);
  });
});

describe('items that are wrong are refused one by one', () => {
  it.each([
    ['of a signal that nobody registered', { signal: 'unheard-of' }, 'unknown-signal'],
    ['of a signal that comes as outcomes', { signal: 'refusal' }, 'not-counted-by-source'],
    ['on a target that is not there', { target: 'mars' }, 'unknown-target'],
    ['of a model that the target does not serve', { model: 'opus' }, 'unknown-model'],
    ['of a config that is not there', { arm: { config: 'nothing', revision: 1 } }, 'unknown-config'],
    ['of a revision that is not there', { arm: { config: 'router', revision: 9 } }, 'unknown-revision'],
    ['of a generation to come', { arm: { config: 'router', revision: 2, generation: 101 } }, 'unknown-generation'],
    ['with fewer than no requests', { requests: -1 }, 'not-a-count'],
    ['with no number of requests', { requests: Number.NaN }, 'not-a-count'],
    ['with part of a request', { requests: 1.5 }, 'not-a-count'],
    ['with more bad requests than requests', { requests: 3, bad: 4 }, 'more-bad-than-requests'],
    ['with values of a rate', { values: [[1, 1]] }, 'wrong-kind-of-signal'],
    ['with requests where values are wanted', { signal: 'duration', requests: 3 }, 'wrong-kind-of-signal'],
    ['with a value beyond the range', { signal: 'rating', values: [[1.5, 1]] }, 'value-out-of-range'],
    ['that ends more than a minute from now', { until: NOON + 60_001 }, 'window-in-future'],
    ['that ends before it begins', { until: NOON - 20_000 }, 'wrong-window'],
    ['of a bucket that is an id', { bucket: 4_711 }, 'wrong-bucket'],
  ] as const)('%s', async (_, over, code) => {
    const { refused } = await count([onArm(2, 10, 1), item(over as Partial<Counted>), onArm(1, 20, 0)]);
    expect(refused).toMatchObject([{ index: 1, code, where: expect.stringContaining(' on ') as unknown }]);
    expect(await samples()).toMatchObject([{ candidate: 10, control: 20 }]);
  });

  it('but a clock that is a little ahead counts as now', async () => {
    const { refused } = await count([onArm(2, 10, 1, { until: NOON + 59_000 })]);
    expect(refused).toEqual([]);
    const [seen] = await store.lastSeen(rollout, ['api-tpu']);
    expect(seen?.measured['timeouts']).toEqual({ from: NOON - 10_000, until: NOON });
  });
});
