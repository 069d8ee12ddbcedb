import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EvidenceBell, GroupCommitIntake, PostgresCountedIntake, PostgresEvidenceStore, Retention } from './index.js';
import { badOf, batchOf, exposureOf, NOON, ToldExposures } from './spec-kit.js';

const DAY = 86_400_000;
const TABLES = ['candidate_units', 'first_bad', 'first_values', 'violations', 'traffic', 'traffic_bad', 'batches'];

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const rows = async (): Promise<Record<string, number>> => {
  const counted = TABLES.map(async (table) => {
    const { rows: found } = await database.pool.query<{ n: string }>(`select count(*) as n from evidence.${table}`);
    return [table, Number(found[0]?.n)] as const;
  });
  return Object.fromEntries(await Promise.all(counted));
};

it('rule 11: ids of units and requests are gone after their days, and what they were counted for stays', async () => {
  const exposures = new ToldExposures();
  exposures.tell('api-tpu', 'router', 10, exposureOf('kept', 1_000));
  const bell = new EvidenceBell();
  const intake = new GroupCommitIntake(database.pool, exposures, bell, { lingerMs: 0 });
  const store = new PostgresEvidenceStore(database.pool, bell);
  const window = {
    arms: [{ config: 'router', revision: 2, requests: 9, units: ['u1'] }],
    bad: [badOf('u1', 2), { ...badOf('u2', 2, 'misrouted'), request: 'rq1' }],
    values: [{ signal: 'score', value: 0.5, unit: 'u3', revisions: { router: 2 } }],
  };
  await intake.submit(batchOf([window]), { token: 'fleet' }, NOON);
  const before = await store.totals('kept');
  const retention = new Retention(database.pool, 30);

  expect(await retention.forget(NOON + 3 * DAY)).toMatchObject({ units: 0 });
  expect(Object.values(await rows()).every((count) => count > 0)).toBe(true);

  expect((await retention.forget(NOON + 31 * DAY)).units).toBeGreaterThan(3);
  expect(await rows()).toEqual(Object.fromEntries(TABLES.map((table) => [table, 0])));
  expect(await store.totals('kept')).toEqual(before);
  expect((await store.foldLook('kept', NOON)).cells).not.toEqual([]);
});

it('what sources saw at last is gone after two days without them, and what they observed after two weeks', async () => {
  const counted = new Map([['timeouts', null]]);
  const exposures = new ToldExposures();
  exposures.tell('api-tpu', 'router', 10, exposureOf('counted', 1_000, { counted }));
  const bell = new EvidenceBell();
  const intake = new PostgresCountedIntake(database.pool, exposures, bell);
  const store = new PostgresEvidenceStore(database.pool, bell);
  const item = { signal: 'timeouts', target: 'api-tpu', model: 'haiku', from: NOON - 60_000, until: NOON - 1, bad: 1 };
  const arm = { config: 'router', revision: 2 };
  const step = (state: unknown) => ({ state: 'seen', counted: [{ ...item, arm, requests: 9 }], result: state });
  await intake.advance('otlp/a', step, NOON);
  const before = await store.totals('counted');
  const observed = () =>
    store.before({ signals: ['timeouts'], targets: ['api-tpu'], fromMs: NOON - 120_000, untilMs: NOON });
  const retention = new Retention(database.pool, 30);
  const seen = async () =>
    (await intake.advance('otlp/a', (state) => ({ state, counted: [], result: state }), NOON)).result;

  await retention.forget(NOON + DAY);
  expect(await seen()).toBe('seen');
  await retention.forget(NOON + 3 * DAY);
  expect(await seen()).toBeUndefined();
  expect(await observed()).toMatchObject([{ requests: 9, bad: 1 }]);
  await retention.forget(NOON + 15 * DAY);
  expect(await observed()).toEqual([]);
  expect(await store.totals('counted')).toEqual(before);
});
