import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AppendResult, EventStore, RecordedEvent } from '#libs/kernel';
import { UnknownEventError } from '#libs/kernel';
import { createPool } from '#libs/postgres';
import type { TestDatabase } from '#test/test-database';
import { createTestDatabase } from '#test/test-database';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { command, countingCodec, event, numbers, positions, to, until, upTo } from './conformance.spec-support.js';
import { MemoryEventStore, PostgresEventStore } from './index.js';

type Opened = {
  /** As another process would see the same log. */
  readonly another: () => EventStore;
  readonly close: () => Promise<void>;
};

const inMemory = async (): Promise<Opened> => {
  const store = new MemoryEventStore({ codec: countingCodec, clock: { now: () => Date.now() } });
  return { another: () => store, close: () => Promise.resolve() };
};

const inPostgres = async (): Promise<Opened> => {
  await database.clear();
  const pools: ReturnType<typeof createPool>[] = [];
  const another = () => {
    const pool = createPool(database.url, { max: 3 });
    pools.push(pool);
    return new PostgresEventStore({ pool, codec: countingCodec });
  };
  const close = async () => {
    for (const pool of pools) await pool.end();
  };
  return { another, close };
};

const kinds = (results: readonly AppendResult[]) => {
  const counts: Record<string, number> = {};
  for (const { kind } of results) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
};

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

describe.each([
  { name: 'in memory', open: inMemory },
  { name: 'in PostgreSQL', open: inPostgres },
])('the log $name', ({ open }) => {
  let opened: Opened;
  let store: EventStore;

  beforeEach(async () => {
    opened = await open();
    store = opened.another();
  });
  afterEach(() => opened.close());

  it('numbers events within their stream and over all streams, from 1', async () => {
    await store.append(to('a', 0, event({ n: 1 }), event({ n: 2 })));
    await store.append(to('b', 0, event({ n: 3 })));
    await store.append(to('a', 2, event({ n: 4 })));
    const all = await store.readAll({ after: 0, limit: 10 });
    expect(all.map(({ streamId, streamVersion, position }) => [streamId, streamVersion, position])).toEqual([
      ['a', 1, 1],
      ['a', 2, 2],
      ['b', 1, 3],
      ['a', 3, 4],
    ]);
    expect(await store.head()).toBe(4);
  });

  it('is empty at first', async () => {
    expect(await store.head()).toBe(0);
    expect(await store.readAll({ after: 0, limit: 10 })).toEqual([]);
    expect(await store.readStream('nobody')).toEqual([]);
  });

  it('gives back exactly what it stored, whatever JSON can carry', async () => {
    const data = {
      text: 'Grüße, 世界, "quoted", back\\slash, \u2028, 🚰, nul \u0000, {braces}, \ud800',
      numbers: [0, -1.5, 1e21, 1e-7, 9007199254740991, 0.1],
      'key with "quotes"': { nested: [null, true, false, [], {}] },
      z: 1,
      a: 2,
    };
    const appended = await store.append(to('odd/stream "id", ö', 0, event(data)));
    const read = await store.readStream('odd/stream "id", ö');
    expect(read[0]?.data).toEqual(data);
    expect(appended).toEqual({ kind: 'appended', events: read });
    expect(read[0]?.recordedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('reads a stream on from a version, and the log on from a position in pages', async () => {
    await store.append(to('a', 0, ...upTo(5).map((n) => event({ n }))));
    expect(numbers(await store.readStream('a', { afterVersion: 3 }))).toEqual([4, 5]);
    expect(positions(await store.readAll({ after: 1, limit: 2 }))).toEqual([2, 3]);
    expect(positions(await store.readAll({ after: 4, limit: 2 }))).toEqual([5]);
  });

  it('reads the events at some positions, in order, each once, and leaves out what is not there', async () => {
    await store.append(to('a', 0, ...upTo(5).map((n) => event({ n }))));
    expect(positions(await store.readPositions([4, 2, 9, 2]))).toEqual([2, 4]);
    expect(await store.readPositions([])).toEqual([]);
  });

  it('refuses a decision on an old version, names the stream and both versions, and writes nothing', async () => {
    await store.append(to('a', 0, event()));
    const late = await store.append({ ...to('a', 0, event()), command: command('late') });
    expect(late).toEqual({ kind: 'conflict', streamId: 'a', expected: 0, actual: 1 });
    expect(await store.head()).toBe(1);
    expect(await store.findCommand('late')).toBeUndefined();
  });

  it('appends to several streams or to none of them', async () => {
    await store.append(to('taken', 0, event()));
    const streams = (['free', 'taken'] as const).map((streamId) => ({
      streamId,
      expectedVersion: 0,
      events: [event()],
    }));
    expect(await store.append({ streams })).toEqual({ kind: 'conflict', streamId: 'taken', expected: 0, actual: 1 });
    expect(await store.readStream('free')).toEqual([]);

    const [free] = streams;
    const again = await store.append({ streams: [...(free ? [free] : []), ...to('taken', 1, event()).streams] });
    expect(again.kind).toBe('appended');
    expect(await store.head()).toBe(3);
  });

  it('checks a stream without appending to it', async () => {
    await store.append(to('freeze', 0, event()));
    const mine = to('mine', 0, event()).streams;
    const stale = await store.append({ streams: [...mine, ...to('freeze', 0).streams] });
    expect(stale).toMatchObject({ kind: 'conflict', streamId: 'freeze', actual: 1 });
    const fresh = await store.append({ streams: [...mine, ...to('freeze', 1).streams] });
    expect(fresh.kind).toBe('appended');
    expect(await store.readStream('freeze')).toHaveLength(1);
  });

  it('appends at any version when no version is expected', async () => {
    await store.append(to('a', 'any', event()));
    await store.append(to('a', 'any', event()));
    expect((await store.readStream('a')).map(({ streamVersion }) => streamVersion)).toEqual([1, 2]);
  });

  it('answers a repeated command with its first outcome and changes nothing', async () => {
    const request = { ...to('a', 0, event()), command: command('c', 'same', { id: 'r-1' }) };
    await store.append(request);
    expect(await store.append(request)).toEqual({ kind: 'repeated', outcome: { id: 'r-1' }, lastPosition: 1 });
    expect(await store.head()).toBe(1);
    expect(await store.findCommand('c')).toEqual({ fingerprint: 'same', outcome: { id: 'r-1' }, lastPosition: 1 });
  });

  it('refuses another command under a used id', async () => {
    await store.append({ ...to('a', 0, event()), command: command('c', 'one') });
    const other = await store.append({ ...to('b', 0, event()), command: command('c', 'two') });
    expect(other).toEqual({ kind: 'command-reused', commandId: 'c' });
  });

  it('remembers a command that appended nothing', async () => {
    await store.append(to('a', 0, event()));
    await store.append({ ...to('a', 1), command: command('nothing') });
    expect(await store.append({ ...to('a', 1), command: command('nothing') })).toMatchObject({
      kind: 'repeated',
      lastPosition: 1,
    });
  });

  it('refuses events that do not fit their schema, an empty stream id and a stream listed twice', async () => {
    await expect(store.append(to('a', 0, event({ refused: true })))).rejects.toThrow(/does not fit its schema/);
    await expect(store.append(to('', 0, event()))).rejects.toThrow(/empty stream id/);
    const twice = [...to('a', 0, event()).streams, ...to('a', 1, event()).streams];
    await expect(store.append({ streams: twice })).rejects.toThrow(/lists the stream a twice/);
    expect(await store.head()).toBe(0);
  });

  it('reads old events in the newest version of their type', async () => {
    await store.append(to('a', 0, event({ count: 7 }, { schemaVersion: 1 })));
    expect(await store.readStream('a')).toMatchObject([{ schemaVersion: 2, data: { n: 7 } }]);
  });

  it('stops a reader at an unknown or newer event with a message that names event and version', async () => {
    await store.append(to('a', 0, event({}, { type: 'Exploded', schemaVersion: 4 })));
    await store.append(to('b', 0, event({}, { schemaVersion: 3 })));
    await expect(store.readStream('a')).rejects.toThrow(/Exploded v4 at position 1 is unknown to this build/);
    await expect(store.readAll({ after: 1, limit: 9 })).rejects.toThrow(/Counted v3 at position 2 is newer .*\(v2\)/);
    await expect(store.readStream('b')).rejects.toBeInstanceOf(UnknownEventError);
  });

  it('lets exactly one of fifty simultaneous decisions on the same version win', async () => {
    const other = opened.another();
    const results = await Promise.all(
      upTo(50).map((n) => (n % 2 === 0 ? store : other).append(to('a', 0, event({ n })))),
    );
    expect(kinds(results)).toEqual({ appended: 1, conflict: 49 });
    expect(await store.head()).toBe(1);
  });

  it('accepts a command once, however many send it at the same time', async () => {
    const other = opened.another();
    const results = await Promise.all(
      upTo(40).map((n) => (n % 2 === 0 ? store : other).append({ ...to('a', 'any', event()), command: command('c') })),
    );
    expect(kinds(results)).toEqual({ appended: 1, repeated: 39 });
    expect(await store.readStream('a')).toHaveLength(1);
  });

  it('refuses each of the simultaneous requests alone', async () => {
    await store.append(to('old', 0, event()));
    const results = await Promise.all([
      store.append(to('x', 0, event())),
      store.append(to('old', 0, event())),
      store.append(to('y', 0, event())),
      store.append(to('x', 0, event())),
      store.append(to('x', 1, event())),
    ]);
    expect(results.map(({ kind }) => kind)).toEqual(['appended', 'conflict', 'appended', 'conflict', 'appended']);
    expect(positions(await store.readAll({ after: 0, limit: 10 }))).toEqual([1, 2, 3, 4]);
  });

  it('never deadlocks when two append to the same streams in opposite order', async () => {
    const other = opened.another();
    const both = (first: string, second: string) => ({
      streams: [...to(first, 'any', event()).streams, ...to(second, 'any', event()).streams],
    });
    const results = await Promise.all(
      upTo(30).map((n) => (n % 2 === 0 ? store.append(both('a', 'b')) : other.append(both('b', 'a')))),
    );
    expect(kinds(results)).toEqual({ appended: 30 });
    expect(await store.readStream('a')).toHaveLength(30);
  });

  it('shows a reader every event once and in order while two processes append', async () => {
    const other = opened.another();
    const reader = opened.another();
    const total = 600;
    const write = async (to_: EventStore, worker: number) => {
      for (const n of upTo(total / 20)) {
        const result = await to_.append(to(`${worker}-${n % 7}`, n % 5 === 0 ? 0 : 'any', event({ worker, n })));
        if (result.kind === 'conflict') await to_.append(to(`${worker}-again`, 'any', event({ worker, n })));
      }
    };
    const writing = Promise.all(upTo(20).map((worker) => write(worker % 2 === 0 ? store : other, worker)));
    const seen: RecordedEvent[] = [];
    while (seen.length < total) {
      seen.push(...(await reader.readAll({ after: seen.at(-1)?.position ?? 0, limit: 50 })));
      await nextTurn();
    }
    await writing;
    expect(positions(seen)).toEqual(upTo(total));
    expect(await reader.head()).toBe(total);
    expect(new Set(seen.map(({ data }) => `${String(data['worker'])}/${String(data['n'])}`)).size).toBe(total);
    const versions = new Map<string, number>();
    for (const { streamId, streamVersion } of seen) {
      expect([streamId, streamVersion]).toEqual([streamId, (versions.get(streamId) ?? 0) + 1]);
      versions.set(streamId, streamVersion);
    }
    expect(seen.map(({ recordedAt }) => recordedAt)).toEqual(seen.map(({ recordedAt }) => recordedAt).toSorted());
  });

  it('rings after a commit, and no longer once unsubscribed', async () => {
    const heard: number[] = [];
    const silence = store.onCommit((position) => heard.push(position));
    await store.append(to('a', 0, event(), event()));
    await until('the ring', () => heard.includes(2));
    silence();
    await store.append(to('a', 2, event()));
    await nextTurn();
    expect(heard).not.toContain(3);
  });
});
