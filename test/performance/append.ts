import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql';
import { canonicalBody, PostgresEventStore } from '#libs/event-store';
import type { EventCodec, NewEvent, RecordedEvent } from '#libs/kernel';
import { createPool } from '#libs/postgres';
import { Pool } from 'pg';
import type { Bench, BenchContext, Figures } from './harness.js';
import { ratioOf, summarise, takeTurns } from './harness.js';
import { findPgbench, runPgbench, runRawInserts } from './raw-inserts.js';

const TWO_PROCESS_SECONDS = 3;
const codec: EventCodec = { decode: (event) => event, check: () => undefined };

/** An event of ordinary size: 414 bytes of data, as a stage that was entered. */
export const sampleEvent = (n: number): NewEvent => ({
  eventId: randomUUID(),
  type: 'ExposureRequested',
  schemaVersion: 1,
  data: {
    rolloutId: '0198f0c0-7d7a-7000-8000-00000000000a',
    targets: ['api/tpu/us-east', 'api/trainium/us-west', 'api/gpu/eu-central'],
    exposure: { basisPoints: 1_000, of: 10_000 },
    control: 'r41',
    candidate: 'r42',
    note: 'x'.repeat(150),
    n,
  },
  metadata: {
    actor: { kind: 'automation', name: 'controller' },
    commandId: '0198f0c0-7d7a-7000-8000-00000000000b',
    correlationId: '0198f0c0-7d7a-7000-8000-00000000000c',
    occurredAt: '2026-11-22T10:00:00.000Z',
    precision: 'instant',
  },
});

/** Callers that append one event after the other until the time is over; answers appends/s. */
const rate = async (callers: number, seconds: number, append: (n: number) => Promise<void>): Promise<number> => {
  let done = 0;
  const start = performance.now();
  const end = start + seconds * 1_000;
  const call = async () => {
    while (performance.now() < end) {
      await append(done);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return done / ((performance.now() - start) / 1_000);
};

/** Appends one event to a new stream, with its command id. */
export const appendOnce = async (store: PostgresEventStore, n: number): Promise<void> => {
  const result = await store.append({
    streams: [{ streamId: `rollout-${randomUUID()}`, expectedVersion: 0, events: [sampleEvent(n)] }],
    command: { id: randomUUID(), fingerprint: createHash('sha256').update(String(n)).digest('hex'), outcome: { n } },
  });
  if (result.kind !== 'appended') throw new Error(`An append to a new stream was answered with ${result.kind}.`);
};

export const openStore = (url: string) => {
  const pool = createPool(url, { max: 4 });
  return { store: new PostgresEventStore({ pool, codec }), pool };
};

const openEmmett = async (url: string) => {
  const pool = new Pool({ connectionString: url, max: 16 });
  const peer = getPostgreSQLEventStore(url, { connectionOptions: { pool } });
  await peer.schema.migrate();
  const append = async (n: number) => {
    const { type, data, metadata } = sampleEvent(n);
    const event = { type, data, metadata, kind: 'Event' as const };
    await peer.appendToStream(`rollout-${randomUUID()}`, [event], { expectedStreamVersion: 0n });
  };
  const close = async () => {
    await peer.close();
    await pool.end();
  };
  return { append, close };
};

/** Reads while others write: any position that comes late or out of turn is seen. */
const watch = async (store: PostgresEventStore, running: () => boolean) => {
  let position = 0;
  let misordered = 0;
  const ids = new Set<string>();
  const versions = new Set<string>();
  for (;;) {
    const last = !running();
    const page: readonly RecordedEvent[] = await store.readAll({ after: position, limit: 1_000 });
    for (const event of page) {
      if (event.position !== position + 1) misordered += 1;
      position = event.position;
      ids.add(event.eventId);
      versions.add(`${event.streamId}/${event.streamVersion}`);
    }
    if (page.length === 0 && last) return { seen: position, misordered, distinct: Math.min(ids.size, versions.size) };
    if (page.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
};

const twoProcesses = async (context: BenchContext) => {
  const url = await context.database('bench_two');
  const worker = fileURLToPath(new URL('./append-worker.js', import.meta.url));
  let running = 2;
  const counts = [0, 1].map(async () => {
    const child = spawn(process.execPath, [worker, url, String(TWO_PROCESS_SECONDS)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    running -= 1;
    if (code !== 0) throw new Error(`A writing process ended with status ${code}.`);
    return Number(output);
  });
  const { store, pool } = openStore(url);
  const [watched, ...written] = await Promise.all([watch(store, () => running > 0), ...counts]);
  await pool.end();
  const acknowledged = written.reduce((sum, count) => sum + count, 0);
  return { acknowledged, lost: acknowledged - watched.distinct, misordered: watched.misordered, seen: watched.seen };
};

const measure = async (context: BenchContext): Promise<Figures> => {
  const seconds = context.quick ? 1 : 3;
  const rounds = 5;
  const { store, pool } = openStore(await context.database('bench_ours'));
  const emmett = await openEmmett(await context.database('bench_peer', { empty: true }));
  const rawUrl = await context.database('bench_raw', { empty: true });
  const row = {
    ...sampleEvent(0),
    streamId: `rollout-${randomUUID()}`,
    streamVersion: 1,
    position: 100_000,
    recordedAt: '2026-11-22T10:00:00.000Z',
  };
  const body = canonicalBody(row);
  const pgbench = findPgbench();
  const raw = pgbench === undefined ? await runRawInserts(rawUrl, body) : await runPgbench(pgbench, rawUrl, body);
  context.say(
    `  the other side: ${raw.described}; the row is ${body.length} bytes; ${rounds} rounds of ${seconds} s a side`,
  );

  const sides = {
    ours16: () => rate(16, seconds, (n) => appendOnce(store, n)),
    ours64: () => rate(64, seconds, (n) => appendOnce(store, n)),
    raw: () => raw.rate(16, seconds),
    peer16: () => rate(16, seconds, emmett.append),
  };
  for (const warmUp of [sides.ours16, sides.raw, sides.peer16]) await warmUp();
  const measured = await takeTurns(rounds, sides);
  await pool.end();
  await emmett.close();
  await raw.close();
  const two = await twoProcesses(context);
  return report(context, measured, { two, raw: raw.described });
};

const report = (
  context: BenchContext,
  measured: Record<'ours16' | 'ours64' | 'raw' | 'peer16', number[]>,
  more: { two: Awaited<ReturnType<typeof twoProcesses>>; raw: string },
): Figures => {
  const labels = {
    ours16: 'ours, 16 callers',
    ours64: 'ours, 64 callers',
    raw: more.raw,
    peer16: 'Emmett, 16 callers',
  };
  for (const [side, rounds] of Object.entries(measured)) {
    const { median, spread } = summarise(rounds);
    context.say(`  ${labels[side as keyof typeof labels].padEnd(44)} ${median} appends/s (spread ${spread})`);
  }
  const { two } = more;
  context.say(
    `  two processes with 64 callers each: ${two.acknowledged} acknowledged, ${two.lost} lost, ${two.misordered} out of order`,
  );
  const ratio = ratioOf(measured.ours16, measured.raw);
  const ratio64 = ratioOf(measured.ours64, measured.raw);
  const peer = ratioOf(measured.ours16, measured.peer16);
  return {
    ratio: ratio.median,
    ratio64: ratio64.median,
    peer: peer.median,
    lost: two.lost,
    misordered: two.misordered,
    against: more.raw,
    spreads: { ratio: ratio.spread, ratio64: ratio64.spread, peer: peer.spread },
    appendsPerSecond: Object.fromEntries(Object.entries(measured).map(([side, rounds]) => [side, summarise(rounds)])),
    twoProcesses: { ...two, appendsPerSecond: Math.round(two.acknowledged / TWO_PROCESS_SECONDS) },
  };
};

export const append: Bench = {
  measures:
    'one-event appends with position, canonical bytes, leaf and command id (fsync on), against single-row inserts of the same row, and against Emmett',
  quick: '1 s a side instead of 3',
  musts: [
    { key: 'ratio', atLeast: 0.7 },
    { key: 'ratio64', atLeast: 1.2 },
    { key: 'peer', atLeast: 2.5 },
    { key: 'lost', atMost: 0 },
    { key: 'misordered', atMost: 0 },
  ],
  run: measure,
};
