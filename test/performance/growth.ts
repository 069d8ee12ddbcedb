import { randomUUID } from 'node:crypto';
import { PostgresEventStore, PostgresLogTree, subscribe } from '#libs/event-store';
import type { EventCodec } from '#libs/kernel';
import { createPool } from '#libs/postgres';
import type { Pool } from 'pg';
import { sampleEvent } from './append.js';
import type { Bench, BenchContext, Figures } from './harness.js';
import { ratioOf, round, summarise, takeTurns } from './harness.js';

const CALLERS = 16;
const SECONDS = 2;
const ROUNDS = 5;
const CHUNK = 100_000;
const PER_STREAM = 20;
const codec: EventCodec = { decode: (event) => event, check: () => undefined };

/** Rows as an append writes them, made by the database: the bodies differ in position, stream and version only. */
const FILL = `insert into event_store.events (position, stream_id, stream_version, recorded_at, body, leaf)
  select n, stream, version, now(), body, sha256('\\x00'::bytea || convert_to(body, 'UTF8'))
  from (select n, 'rollout-' || ((n - 1) / ${PER_STREAM}) as stream, ((n - 1) % ${PER_STREAM} + 1)::integer as version
        from generate_series($1::bigint, $2::bigint) as n) as rows,
  lateral (select $3 || n || ',"recordedAt":"2026-11-22T10:00:00.000Z","schemaVersion":1,"streamId":"' || stream
                  || '","streamVersion":' || version || ',"type":"ExposureRequested"}' as body) as bodies`;

const fill = async (pool: Pool, from: number, to: number): Promise<void> => {
  const { data, eventId, metadata } = sampleEvent(0);
  const head = `{"data":${JSON.stringify(data)},"eventId":"${eventId}","metadata":${JSON.stringify(metadata)},"position":`;
  for (let first = from + 1; first <= to; first += CHUNK)
    await pool.query(FILL, [first, Math.min(first + CHUNK - 1, to), head]);
  await pool.query('vacuum analyze event_store.events');
};

const bytesOf = async (pool: Pool): Promise<{ readonly table: number; readonly indexes: number }> => {
  const { rows } = await pool.query<{ table: string; indexes: string }>(
    `select pg_table_size('event_store.events') as table, pg_indexes_size('event_store.events') as indexes`,
  );
  return { table: Number(rows[0]?.table), indexes: Number(rows[0]?.indexes) };
};

const appendRate = async (store: PostgresEventStore): Promise<number> => {
  let done = 0;
  const start = performance.now();
  const call = async (): Promise<void> => {
    while (performance.now() - start < SECONDS * 1_000) {
      const streams = [{ streamId: `new-${randomUUID()}`, expectedVersion: 0, events: [sampleEvent(done)] }];
      await store.append({ streams });
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, call));
  return (done * 1_000) / (performance.now() - start);
};

const timed = async (times: number, work: (n: number) => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  for (let n = 0; n < times; n += 1) await work(n);
  return (performance.now() - start) / times;
};

/** What a controller does when it starts: it reads the whole log. Events each second. */
const readRate = async (store: PostgresEventStore): Promise<number> => {
  const head = await store.head();
  const start = performance.now();
  const reader = subscribe({ store, name: 'growth', after: 0, pageSize: 2_000, handle: () => undefined });
  await reader.reached(head);
  await reader.stop();
  return (head * 1_000) / (performance.now() - start);
};

type Side = { readonly size: number; readonly pool: Pool; readonly store: PostgresEventStore };

const NAMES = ['small', 'large'] as const;

const open = async (context: BenchContext, name: string, size: number): Promise<Side> => {
  const pool = createPool(await context.database(`growth_${name}`), { max: 4 });
  await fill(pool, 0, size);
  const store = new PostgresEventStore({ pool, codec });
  await appendRate(store);
  return { size, pool, store };
};

const streamMs = ({ store, size }: Side): Promise<number> =>
  timed(100, (n) => store.readStream(`rollout-${(n * 7_919) % (size / PER_STREAM)}`));

const pageMs = ({ pool, size }: Side): Promise<number> => {
  const tree = new PostgresLogTree(pool, () => ({ state: 'off' }));
  return timed(20, (n) => tree.bodies(Math.floor((size / 20) * n), 1_000));
};

const figuresOf = async ({ pool, store, size }: Side): Promise<Figures> => {
  const { table, indexes } = await bytesOf(pool);
  return {
    events: size,
    tableBytesPerEvent: round(table / size),
    indexBytesPerEvent: round(indexes / size),
    readsPerSecond: round(await readRate(store), 4),
  };
};

/** What a log costs as it grows: room, appends, one stream, one page, and the whole of it. Sizes take turns. */
export const growth: Bench = {
  measures: 'what a log of 5 million events costs beside one of 1 million: bytes, appends, a stream, a page, all of it',
  quick: '100,000 and 20,000 events instead of 5 and 1 million',
  musts: [{ key: 'appendsKept', atLeast: 0.7 }],
  run: async (context) => {
    const small = await open(context, 'small', context.quick ? 20_000 : 1_000_000);
    const large = await open(context, 'large', context.quick ? 100_000 : 5_000_000);
    const turns = (measure: (side: Side) => Promise<number>): Promise<Record<(typeof NAMES)[number], number[]>> =>
      takeTurns(ROUNDS, { small: () => measure(small), large: () => measure(large) });
    try {
      const appends = await turns(({ store }) => appendRate(store));
      const streams = await turns(streamMs);
      const pages = await turns(pageMs);
      const sizes = [await figuresOf(small), await figuresOf(large)];
      const both = ({ small: a, large: b }: typeof appends) => ({ small: summarise(a), large: summarise(b) });
      return {
        appendsKept: ratioOf(appends.large, appends.small).median,
        appendsPerSecond: both(appends),
        readStreamMs: both(streams),
        pageOf1000Ms: both(pages),
        sizes,
      };
    } finally {
      await Promise.all([small, large].map(async ({ store, pool }) => store.close().then(() => pool.end())));
    }
  },
};
