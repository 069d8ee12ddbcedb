import type { RecordedEvent } from '#libs/kernel';
import type { TestDatabase } from '#test/test-database';
import { createTestDatabase } from '#test/test-database';
import { createPool } from '#libs/postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { countingCodec, event, positions, to, until, upTo } from './conformance.spec-support.js';
import { PostgresEventStore, subscribe } from './index.js';

const POLL_MS = 40;
let database: TestDatabase;
const closing: (() => Promise<void>)[] = [];

const open = (url = database.url) => {
  const pool = createPool(url, { max: 4 });
  closing.push(() => pool.end());
  return new PostgresEventStore({ pool, codec: countingCodec });
};
const follow = (store: PostgresEventStore, over: Partial<Parameters<typeof subscribe>[0]> = {}) => {
  const seen: RecordedEvent[] = [];
  const subscription = subscribe({
    store,
    name: 'spec',
    after: 0,
    pollMs: POLL_MS,
    handle: (next) => void seen.push(next),
    ...over,
  });
  closing.unshift(() => subscription.stop());
  return { seen, subscription };
};

beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(() => database.clear());
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(() => database.drop());

describe('following the log', () => {
  it('gives what is there and then what comes, in order and without gaps, while others append', async () => {
    const [writer, other, reader] = [open(), open(), open()];
    await writer.append(to('before', 0, ...upTo(25).map((n) => event({ n }))));
    const { seen, subscription } = follow(reader, { pageSize: 10 });
    await Promise.all(upTo(100).map((n) => (n % 2 === 0 ? writer : other).append(to(`s-${n}`, 0, event({ n })))));
    await subscription.reached(125);
    expect(positions(seen)).toEqual(upTo(125));
  });

  it('resumes behind the position that it is given', async () => {
    const store = open();
    await store.append(to('a', 0, ...upTo(10).map((n) => event({ n }))));
    const { seen, subscription } = follow(store, { after: 7 });
    await subscription.caughtUp();
    expect(positions(seen)).toEqual([8, 9, 10]);
  });

  it('is rung by an append of its own process long before its poll', async () => {
    const store = open();
    const { subscription } = follow(store, { pollMs: 600_000 });
    await subscription.caughtUp();
    await store.append(to('a', 0, event()));
    await subscription.reached(1);
  });

  it('reads what comes soon after a read together, and at once when somebody waits for it', async () => {
    const store = open();
    let reads = 0;
    const readAll = store.readAll.bind(store);
    store.readAll = async (options) => {
      const page = await readAll(options);
      reads += 1;
      return page;
    };
    const { seen, subscription } = follow(store, { pollMs: 600_000, paceMs: 600_000 });
    await until('it has looked once', () => reads === 1);
    for (const n of upTo(5)) await store.append(to(`s-${n}`, 0, event({ n })));
    expect(reads).toBe(1);
    await subscription.reached(5);
    expect([positions(seen), reads]).toEqual([upTo(5), 2]);
  });

  it('loses nothing when every ring is lost: the poll finds it', async () => {
    const { seen, subscription } = follow(open());
    // Another process, and no doorbell between the two.
    await open().append(to('a', 0, event(), event()));
    await subscription.reached(2);
    expect(positions(seen)).toEqual([1, 2]);
  });

  it('hands over what lies before an unknown event, then stops and names it', async () => {
    const store = open();
    await store.append(to('a', 0, event(), event(), event({}, { type: 'Exploded', schemaVersion: 4 }), event()));
    const stopped: Error[] = [];
    const { seen, subscription } = follow(store, { onStopped: (error) => stopped.push(error) });
    await expect(subscription.reached(3)).rejects.toThrow(/stopped at position 2: Event Exploded v4 at position 3/);
    expect(positions(seen)).toEqual([1, 2]);
    expect(stopped).toHaveLength(1);
    expect(subscription.health()).toMatchObject({ state: 'stopped', position: 2, error: /Exploded v4/ });
    await expect(subscription.reached(4)).rejects.toThrow(/stopped/);
  });

  it('stops at the event that its handler cannot take, rather than pass over it', async () => {
    const store = open();
    await store.append(to('a', 0, event(), event(), event()));
    const handled: number[] = [];
    const { subscription } = follow(store, {
      handle: async ({ position }) => {
        if (position === 2) throw new Error('cannot take it');
        handled.push(position);
      },
    });
    await expect(subscription.reached(3)).rejects.toThrow(/cannot take it/);
    expect(handled).toEqual([1]);
  });

  it('goes on by itself when the database was away, and says so meanwhile', async () => {
    const store = open();
    const { seen, subscription } = follow(store);
    await subscription.caughtUp();
    await database.pool.query('alter table event_store.events rename to away');
    await until('it retries', () => subscription.health().state === 'retrying');
    await database.pool.query('alter table event_store.away rename to events');
    await store.append(to('a', 0, event()));
    await subscription.reached(1);
    expect([positions(seen), subscription.health().state]).toEqual([[1], 'running']);
  });
});
