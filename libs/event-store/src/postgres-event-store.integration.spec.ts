import { createHash } from 'node:crypto';
import type { AppendRequest } from '#libs/kernel';
import { createPool } from '#libs/postgres';
import type { TestDatabase } from '#test/test-database';
import { createTestDatabase } from '#test/test-database';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { command, countingCodec, event, numbers, positions, to, until, upTo } from './conformance.spec-support.js';
import { canonicalBody, canonicalJson, leafHash, PostgresDoorbell, PostgresEventStore } from './index.js';

let database: TestDatabase;
const closing: (() => Promise<void>)[] = [];

const open = (options: { doorbell?: PostgresDoorbell } = {}) => {
  const pool = createPool(database.url, { max: 4 });
  closing.push(() => pool.end());
  return new PostgresEventStore({ pool, codec: countingCodec, ...options });
};
const ringing = (onError?: (error: unknown) => void) => {
  const doorbell = new PostgresDoorbell({ url: database.url, retryMs: 20, ...(onError ? { onError } : {}) });
  doorbell.start();
  closing.unshift(() => doorbell.stop());
  return doorbell;
};
const appendOk = async (store: PostgresEventStore, request: AppendRequest) => {
  const result = await store.append(request);
  if (result.kind !== 'appended') throw new Error(`Not appended: ${JSON.stringify(result)}`);
  return result.events;
};

beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(() => database.clear());
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(() => database.drop());

describe('the bytes of the log', () => {
  const stored = async () => {
    const { rows } = await database.pool.query<{ body: string; leaf: Buffer }>(
      'select body, leaf from event_store.events order by position',
    );
    return rows;
  };

  it('are the whole recorded event in canonical JSON, so that they can be made again from what is read', async () => {
    const store = open();
    const metadata = { ...event().metadata, reason: 'späte "Gründe" \u0007', traceparent: '00-ab-cd-01' };
    await appendOk(store, to('straße', 0, event({ z: 1, a: { b: [1e21, 0.1] } }, { metadata }), event({ n: -0 })));
    const read = await store.readAll({ after: 0, limit: 10 });
    const rows = await stored();
    expect(rows.map(({ body }) => body)).toEqual(read.map(canonicalBody));
    for (const { body } of rows) expect(canonicalJson(JSON.parse(body))).toBe(body);
  });

  it('hash to the leaf SHA-256(0x00 and the bytes), computed here without the database', async () => {
    await appendOk(open(), to('a', 0, event({ text: '世界' })));
    const [row] = await stored();
    const independent = createHash('sha256')
      .update(Buffer.concat([Buffer.from([0]), Buffer.from(row?.body ?? '', 'utf8')]))
      .digest('hex');
    expect(row?.leaf.toString('hex')).toBe(independent);
    expect(leafHash(row?.body ?? '').toString('hex')).toBe(independent);
  });

  it('cannot be changed or deleted by a statement', async () => {
    await appendOk(open(), to('a', 0, event()));
    for (const statement of [
      `update event_store.events set body = ''`,
      'delete from event_store.events',
      'truncate event_store.events',
    ])
      await expect(database.pool.query(statement)).rejects.toThrow(/append-only/);
  });
});

describe('failures of the database', () => {
  it('reject one impossible append and leave those beside it alone', async () => {
    const store = open();
    const results = await Promise.allSettled([
      store.append(to('a', 0, event())),
      store.append(to('nul \u0000 in a stream id', 0, event())),
      store.append(to('b', 0, event())),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await store.head()).toBe(2);
  });

  it('that cut connections lose no acknowledged event, and repeating each command appends each once', async () => {
    const store = open();
    const cut = () =>
      database.pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'headgate'
         and datname = current_database()`,
      );
    const sendUntilKnown = async (n: number) => {
      for (;;) {
        try {
          return await store.append({ ...to(`s-${n}`, 'any', event({ n })), command: command(`c-${n}`) });
        } catch (error) {
          expect(String(error)).toMatch(/terminat|Connection|ECONNRESET|EPIPE|closed/i);
        }
      }
    };
    // Every other of six callers cuts all connections after each of its appends, while the others are under way.
    const caller = async (first: number) => {
      for (let n = first; n <= 60; n += 6) {
        await sendUntilKnown(n);
        if (n % 2 === 0) await cut();
      }
    };
    await Promise.all(upTo(6).map(caller));
    const all = await open().readAll({ after: 0, limit: 100 });
    expect(numbers(all).toSorted((a, b) => Number(a) - Number(b))).toEqual(upTo(60));
    expect(positions(all)).toEqual(upTo(60));
  });
});

describe('the doorbell', () => {
  it('brings the commits of another process', async () => {
    const heard: number[] = [];
    open({ doorbell: ringing() }).onCommit((position) => heard.push(position));
    const writer = open();
    await until('the doorbell listens', () => heard.length > 0);
    await appendOk(writer, to('a', 0, event(), event()));
    await until('the ring', () => heard.includes(2));
  });

  it('listens again after its connection was cut', async () => {
    const heard: number[] = [];
    const errors: unknown[] = [];
    open({ doorbell: ringing((error) => errors.push(error)) }).onCommit((position) => heard.push(position));
    const writer = open();
    await until('the doorbell listens', () => heard.length > 0);
    await database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'headgate-doorbell'
       and datname = current_database()`,
    );
    await until('the connection breaks', () => errors.length > 0);
    const rings = heard.length;
    await until('it listens again', () => heard.length > rings);
    await appendOk(writer, to('a', 0, event()));
    await until('the ring', () => heard.includes(1));
  });
});
