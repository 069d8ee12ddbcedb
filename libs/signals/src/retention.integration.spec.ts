import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EvidenceBell, GroupCommitIntake, PostgresEvidenceStore, Retention } from './index.js';
import { badOf, batchOf, exposureOf, NOON, ToldExposures } from './spec-kit.js';

const DAY = 86_400_000;
const HOUR = 3_600_000;
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

describe('Minutes of traffic and of violations', () => {
  const retention = () => new Retention(database.pool, 30);
  const intakeOf = (): GroupCommitIntake =>
    new GroupCommitIntake(database.pool, new ToldExposures(), new EvidenceBell(), { lingerMs: 0 });
  const served = (at: number) =>
    batchOf([{ from: new Date(at).toISOString(), requests: 5, bad: [badOf('u1', 2, 'misrouted')] }]);
  const daysOf = async (table: string): Promise<readonly string[]> => {
    const { rows: found } = await database.pool.query<{ name: string }>(
      `select distinct tableoid::regclass::text as name from evidence.${table} order by 1`,
    );
    return found.map(({ name }) => name.replace(`evidence.${table}_`, ''));
  };
  const reads = () => new PostgresEvidenceStore(database.pool, new EvidenceBell());

  beforeEach(() => database.clear());

  it('lie in a table for each day, made ahead, so that what is too old goes without leaving dead rows', async () => {
    await retention().forget(NOON);
    await intakeOf().submit(served(NOON - HOUR), { token: 'fleet' }, NOON);
    await intakeOf().submit(served(NOON + 7 * DAY), { token: 'fleet' }, NOON + 7 * DAY + HOUR);
    expect(await daysOf('traffic')).toEqual(['20250901', '20250908']);
    expect(await daysOf('violations_seen')).toEqual(['20250901', '20250908']);
    await retention().forget(NOON + 15 * DAY);
    expect(await daysOf('traffic')).toEqual(['20250908']);
    expect(await daysOf('violations_seen')).toEqual([]);
    const { rows: left } = await database.pool.query(`select to_regclass('evidence.traffic_20250901') as day`);
    expect(left).toEqual([{ day: null }]);
  });

  it('are taken from any day, however late or old, and get its table with the next round', async () => {
    await intakeOf().submit(served(NOON - 20 * DAY), { token: 'fleet' }, NOON);
    await intakeOf().submit(served(NOON - 9 * DAY), { token: 'fleet' }, NOON);
    expect(await daysOf('traffic')).toEqual(['rest']);
    await retention().forget(NOON);
    expect(await daysOf('traffic')).toEqual(['20250823']);
    const { requests } = await reads().traffic({ now: NOON, spanMs: 10 * DAY });
    expect(requests).toHaveLength(1);
  });

  it('are counted up in the same rows before and after their day got its table', async () => {
    const at = NOON - 3 * DAY;
    await intakeOf().submit(served(at), { token: 'fleet' }, NOON);
    await retention().forget(NOON);
    await intakeOf().submit(served(at), { token: 'fleet' }, NOON);
    const { rows: found } = await database.pool.query('select requests::int from evidence.traffic');
    expect(found).toEqual([{ requests: 10 }]);
  });

  it('keep nobody waiting: a day that is in use for long is dropped in a later round', async () => {
    const exists = async (): Promise<boolean> => {
      const { rows: found } = await database.pool.query<{ day: string | null }>(
        `select to_regclass('evidence.traffic_20250901') as day`,
      );
      return found[0]?.day !== null;
    };
    await retention().forget(NOON);
    const reader = await database.pool.connect();
    await reader.query('begin');
    await reader.query('select from evidence.traffic_20250901');
    await retention().forget(NOON + 30 * DAY);
    const whileRead = await exists();
    await reader.query('commit');
    reader.release();
    expect(whileRead).toBe(true);
    await retention().forget(NOON + 30 * DAY);
    expect(await exists()).toBe(false);
  });

  it('are lost or refused by nobody while several controllers make days and others write', async () => {
    const intake = intakeOf();
    const late = Array.from({ length: 60 }, (_, n) => NOON - (n % 6) * DAY - n * 60_000);
    const written = late.map((at) => intake.submit(served(at), { token: 'fleet' }, NOON));
    const rounds = [retention(), retention(), retention()].map((each) => each.forget(NOON));
    const receipts = await Promise.all(written);
    await Promise.all(rounds);
    await retention().forget(NOON);
    expect(receipts.every(({ acceptedWindows }) => acceptedWindows === 1)).toBe(true);
    const { rows: found } = await database.pool.query('select sum(requests)::int as requests from evidence.traffic');
    expect(found).toEqual([{ requests: 300 }]);
    expect(await daysOf('traffic')).not.toContain('rest');
  });
});
