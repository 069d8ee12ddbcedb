import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import type { TestDatabase } from '#test/test-database';
import { createTestDatabase } from '#test/test-database';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from './conformance.spec-support.js';
import { rotateSealKey } from './index.js';
import { asOwner, openSealedLog, verifyPool, type SealedLog } from './sealed-log.spec-support.js';

let database: TestDatabase;
let log: SealedLog;

beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  await database.clear();
  log = openSealedLog(database);
});
afterEach(() => log.close());
afterAll(() => database.drop());

const heads = async () =>
  (
    await log.pool.query<{ size: number; signed_at: Date }>(
      'select size, signed_at from event_store.tree_heads order by size',
    )
  ).rows;
const verified = () => verifyPool(log.pool, { keys: log.keys.all(), witness: log.file.path });

describe('rule 9: the sealer', () => {
  it('signs what was appended, tells the witness, and makes a key that only its owner can read', async () => {
    log.start();
    await log.appendSealed(3);
    await log.appendSealed(4);
    expect(statSync(log.keys.path).mode & 0o777).toBe(0o600);
    const report = await verified();
    expect(report).toMatchObject({ verdict: 'anchored', events: 7, faults: [], unsealedFrom: null });
    expect(report.anchors).toMatchObject([{ size: 7, from: 'the witness' }]);
    expect(readFileSync(log.file.path, 'utf8')).not.toContain('PRIVATE');
  });

  it('makes no head without an event, and one for many', async () => {
    await log.append(20);
    const sealer = log.start();
    await until('the witness has all', () => log.file.last()?.size === 20);
    await until('it looked again', () => sealer.state().state === 'sealing');
    expect(await heads()).toHaveLength(1);
  });

  it('seals a log that was there before it, with its stored nodes and in lines of bounded size', async () => {
    await database.pool.query(
      `insert into event_store.events (position, stream_id, stream_version, recorded_at, body, leaf)
       select n, 'many', n, now(), n::text, sha256(('\\x00'::bytea || convert_to(n::text, 'UTF8')))
       from generate_series(1, 12000) n`,
    );
    log.start();
    await until('the witness has all', () => log.file.last()?.size === 12_000);
    const lines = readFileSync(log.file.path, 'utf8').trim().split('\n');
    expect(lines.map((line) => line.includes('checkpoint'))).toEqual([false, false, true]);
    const { rows } = await log.pool.query<{ level: number; nodes: number }>(
      'select level, count(*)::int as nodes from event_store.tree_nodes group by level order by level',
    );
    expect(rows.map(({ nodes }) => nodes)).toEqual([46, 23, 11, 5, 2, 1]);
  });

  it('lets one of several seal; another takes over when it ends', async () => {
    const first = log.start();
    await log.appendSealed(2);
    const second = log.start();
    await log.appendSealed(2);
    expect([first.state().state, second.state().state]).toEqual(['sealing', 'waiting']);
    await log.stop(first);
    await log.appendSealed(2);
    expect(second.state()).toEqual({ state: 'sealing' });
    expect(await verified()).toMatchObject({ verdict: 'anchored', events: 6, faults: [] });
  });

  const POINTS = [
    'seal(first key):before',
    'seal(keep):before',
    'seal(nodes):after',
    'seal(head):after',
    'seal(keep):after',
    'seal(witness):before',
    'seal(witness):after',
  ];

  it.each(POINTS)('that dies at %s leaves what the next one continues', async (point) => {
    await log.append(300);
    let died = false;
    const dying = log.start({
      reached: (reached) => {
        if (reached !== point) return;
        died = true;
        throw new Error('killed');
      },
    });
    await until('it died', () => died);
    await log.stop(dying);
    log.start();
    await log.appendSealed(5);
    expect(await verified()).toMatchObject({ verdict: 'anchored', events: 305, faults: [], unsealedFrom: null });
    expect(log.stopped).toEqual([]);
  });

  it('goes on behind a line of the witness that was cut off in the middle', async () => {
    const first = log.start();
    await log.appendSealed(3);
    await log.stop(first);
    appendFileSync(log.file.path, '{"after":3,"leav');
    log.start();
    await log.appendSealed(3);
    expect(await verified()).toMatchObject({ verdict: 'anchored', events: 6, faults: [] });
  });

  it('gives no head an earlier time than the one before, whatever the clock says', async () => {
    let now = Date.parse('2026-11-22T10:00:00.000Z');
    log.start({ now: () => now });
    await log.appendSealed(1);
    now -= 3_600_000;
    await log.appendSealed(1);
    now += 3_600_001;
    await log.appendSealed(1);
    expect((await heads()).map(({ signed_at }) => signed_at.toISOString())).toEqual([
      '2026-11-22T10:00:00.000Z',
      '2026-11-22T10:00:00.000Z',
      '2026-11-22T10:00:00.001Z',
    ]);
  });

  it('signs nothing more where the database is older than its witness, says so, and harms no append', async () => {
    const first = log.start();
    await log.appendSealed(4);
    await log.stop(first);
    await asOwner(
      log.pool,
      'delete from event_store.events where position > 2',
      'delete from event_store.tree_heads where size > 2',
    );
    const second = log.start();
    await until('it stopped', () => second.state().state === 'stopped');
    await log.append(5);
    expect(second.state().message).toMatch(/older backup was restored.*headgate verify/);
    expect(log.stopped).toHaveLength(1);
    expect(await log.sealedTo()).toBeLessThanOrEqual(2);
  });

  it('signs no fork: neither of what its witness holds, nor of what the database held', async () => {
    const first = log.start();
    await log.appendSealed(4);
    const kept = readFileSync(log.file.path, 'utf8');
    await log.stop(first);
    await asOwner(log.pool, `update event_store.events set leaf = sha256('x') where position = 2`);
    const second = log.start();
    await until('it stopped', () => second.state().state === 'stopped');
    expect(second.state().message).toMatch(/first 4 events do not lead to the root/);
    expect(readFileSync(log.file.path, 'utf8')).toBe(kept);
  });

  it('signs nothing on top of a head that somebody else signed', async () => {
    const first = log.start();
    await log.appendSealed(4);
    await log.stop(first);
    await asOwner(log.pool, `update event_store.tree_heads set signature = decode(repeat('00', 64), 'hex')`);
    const second = log.start();
    await until('it stopped', () => second.state().state === 'stopped');
    expect(second.state().message).toMatch(/not signed by a key of this log/);
  });

  it('without the key leaves sealing to those that have it, and says what to do', async () => {
    const first = log.start();
    await log.appendSealed(2);
    await log.stop(first);
    const other = openSealedLog(database);
    const keyless = other.start();
    await until('it has no key', () => keyless.state().state === 'no-key');
    expect(keyless.state().message).toMatch(/HEADGATE_SEAL_KEY_FILE.*rotate --lost/);
    expect(other.keys.all()).toEqual([]);
    log.start();
    await log.appendSealed(2);
    await other.close();
  });

  it('goes on sealing where the witness cannot be written, and says so', async () => {
    writeFileSync(`${log.folder}/plain`, '');
    const { WitnessFile } = await import('./index.js');
    const sealer = log.start({ file: new WitnessFile(`${log.folder}/plain/witness`) });
    await log.append(3);
    await until('it is sealed', async () => (await log.sealedTo()) === 3);
    await until('it says so', () => sealer.state().message !== undefined);
    expect(sealer.state()).toMatchObject({ state: 'sealing', message: expect.stringContaining('cannot be written') });
  });

  it('catches a new or shortened witness up from the database', async () => {
    const first = log.start();
    await log.appendSealed(5);
    await log.stop(first);
    truncateSync(log.file.path, 0);
    log.start();
    await log.appendSealed(1);
    expect(await verified()).toMatchObject({ verdict: 'anchored', events: 6, faults: [] });
    expect(readFileSync(log.file.path, 'utf8')).toContain('"after":0');
  });
});

describe('rule 9: the rotation of the key', () => {
  const rotate = async (options?: { lost?: boolean }) => {
    const client = await log.pool.connect();
    try {
      return await rotateSealKey({ client, file: log.keys, now: Date.now() }, options);
    } finally {
      client.release();
    }
  };

  it('makes a key that the old one vouches for; the sealer takes it up, and the first key is enough to verify', async () => {
    log.start();
    await log.appendSealed(3);
    const [old] = log.keys.all();
    const next = await rotate();
    await log.appendSealed(3);
    expect(log.keys.all().map(({ id }) => id)).toEqual([next.id]);
    const report = await verifyPool(log.pool, { keys: old === undefined ? [] : [old], witness: log.file.path });
    expect(report).toMatchObject({ verdict: 'anchored', faults: [], sealed: { size: 6, keyId: next.id } });
  });

  it('that is cut off between database and file is finished by the sealer', async () => {
    const first = log.start();
    await log.appendSealed(2);
    await log.stop(first);
    const keep = log.keys.adopt.bind(log.keys);
    log.keys.adopt = () => {
      throw new Error('killed');
    };
    await expect(rotate()).rejects.toThrow('killed');
    log.keys.adopt = keep;
    expect(log.keys.all()).toHaveLength(2);
    log.start();
    await log.appendSealed(2);
    expect(log.keys.all()).toHaveLength(1);
    expect(await verified()).toMatchObject({ faults: [], events: 4 });
  });

  it('without the old key is refused, or said by whoever verifies with the old one', async () => {
    const first = log.start();
    await log.appendSealed(2);
    await log.stop(first);
    const [old] = log.keys.all();
    await expect(rotate({ lost: true })).rejects.toThrow(/leave --lost out/);
    const { rmSync } = await import('node:fs');
    rmSync(log.keys.path);
    await expect(rotate()).rejects.toThrow(/--key-file.*--lost/);
    const next = await rotate({ lost: true });
    log.start();
    await log.appendSealed(2);
    const held = old === undefined ? [] : [old];
    const report = await verifyPool(log.pool, { keys: held, witness: log.file.path });
    expect(report).toMatchObject({ verdict: 'altered', first: { kind: 'key', from: 3 } });
    const both = await verifyPool(log.pool, { keys: [...held, next], witness: log.file.path });
    expect(both).toMatchObject({ verdict: 'anchored', faults: [] });
  });
});
