import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { PostgresPastWriter } from './past-writer.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const upTo = (position: number) => ({ upTo: position, rows: [], spans: [], mentions: [] });

describe('several controllers that write the past', () => {
  it('do not wait for each other over what is there already', async () => {
    const writer = new PostgresPastWriter(database.pool);
    expect(await writer.write(0, upTo(5))).toBe(5);
    const other = await database.pool.connect();
    await other.query('begin');
    await other.query('select from read_models.past_editions where live for update');
    try {
      // Were it to wait for the row, this test would run out of time.
      expect(await writer.write(3, upTo(4))).toBe(5);
      expect(await writer.write(3, upTo(5))).toBe(5);
    } finally {
      await other.query('rollback');
      other.release();
    }
  });

  it('keep nothing behind a gap, which the one that comes first has to fold', async () => {
    const writer = new PostgresPastWriter(database.pool);
    const kept = await writer.position();
    expect(await writer.write(kept + 2, upTo(kept + 3))).toBe(kept);
    expect(await writer.position()).toBe(kept);
  });
});
