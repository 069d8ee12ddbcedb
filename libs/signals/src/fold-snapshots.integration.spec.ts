import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PostgresFoldSnapshots } from './index.js';

let database: TestDatabase;
let snapshots: PostgresFoldSnapshots;
let number = 0;
let rollout = '';

beforeAll(async () => {
  database = await createTestDatabase();
  snapshots = new PostgresFoldSnapshots(database.pool);
});
afterAll(() => database.drop());
beforeEach(() => {
  rollout = `rollout-${(number += 1)}`;
});

const bytesOf = (text: string): Buffer => Buffer.from(text);

describe('snapshots of folded evidence', () => {
  it('come back byte for byte, those of many rollouts together', async () => {
    const written = Array.from(
      { length: 70 },
      (_, index) => [`${rollout}-${index}`, randomBytes(index * 900)] as const,
    );
    await Promise.all(written.map(([name, bytes]) => snapshots.write(name, 1, bytes)));
    expect(await snapshots.read(rollout)).toBeUndefined();
    const read = await Promise.all(written.map(([name]) => snapshots.read(name)));
    expect(read.map((bytes, index) => bytes?.equals(written[index]?.[1] ?? bytesOf('none')))).toEqual(
      written.map(() => true),
    );
  });

  it('give way to later ones only, whichever controller comes first', async () => {
    const other = new PostgresFoldSnapshots(database.pool);
    await snapshots.write(rollout, 7, bytesOf('seven'));
    await other.write(rollout, 6, bytesOf('six'));
    await other.write(rollout, 7, bytesOf('seven again'));
    expect(String(await other.read(rollout))).toBe('seven');
    const looks = Array.from({ length: 20 }, (_, index) => ((index * 7) % 20) + 8);
    await Promise.all(looks.map((look) => (look % 2 ? other : snapshots).write(rollout, look, bytesOf(`at ${look}`))));
    expect(String(await snapshots.read(rollout))).toBe('at 27');
  });

  it('are gone once removed, and those of other rollouts are not', async () => {
    for (const name of [rollout, `${rollout}-other`]) await snapshots.write(name, 3, bytesOf(name));
    await snapshots.remove(rollout);
    await snapshots.remove(rollout);
    expect(await snapshots.read(rollout)).toBeUndefined();
    expect(await snapshots.read(`${rollout}-other`)).toBeDefined();
  });
});
