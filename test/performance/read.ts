import { PostgresEventStore, subscribe } from '#libs/event-store';
import type { Decider, EventCodec, RecordedEvent } from '#libs/kernel';
import { fold, UnknownEventError } from '#libs/kernel';
import { createPool } from '#libs/postgres';
import type { Pool } from 'pg';
import { sampleEvent } from './append.js';
import type { Bench, BenchContext, Figures } from './harness.js';
import { ratioOf, summarise, takeTurns } from './harness.js';

const PAGE = 2_000;
const PER_STREAM = 20;

/** Every fourth event is stored in version 1, which had no control. */
const codec: EventCodec = {
  decode: (event) => {
    if (event.type !== 'ExposureRequested')
      throw new UnknownEventError(event.type, event.schemaVersion, event.position, undefined);
    if (event.schemaVersion > 2) throw new UnknownEventError(event.type, event.schemaVersion, event.position, 2);
    return event.schemaVersion === 2 ? event : { ...event, schemaVersion: 2, data: { ...event.data, control: 'r0' } };
  },
  check: () => undefined,
};

type State = { readonly events: number; readonly exposure: number; readonly control: unknown };

const decider: Pick<Decider<State, never, RecordedEvent>, 'initial' | 'evolve'> = {
  initial: { events: 0, exposure: 0, control: null },
  evolve: (state, { data }) => ({
    events: state.events + 1,
    exposure: state.exposure + Number(data['n']),
    control: data['control'] ?? null,
  }),
};

const fill = async (store: PostgresEventStore, total: number): Promise<void> => {
  const appendStream = async (stream: number) => {
    const events = Array.from({ length: PER_STREAM }, (_, n) => ({
      ...sampleEvent(n),
      schemaVersion: n % 4 === 0 ? 1 : 2,
    }));
    await store.append({ streams: [{ streamId: `rollout-${stream}`, expectedVersion: 0, events }] });
  };
  const streams = total / PER_STREAM;
  for (let from = 0; from < streams; from += 200)
    await Promise.all(Array.from({ length: Math.min(200, streams - from) }, (_, n) => appendStream(from + n)));
};

/** What a subscriber gets: decoded, upcast, folded by stream. Answers events/s. */
const bySubscription = async (store: PostgresEventStore, total: number): Promise<number> => {
  const states = new Map<string, State>();
  const start = performance.now();
  const subscription = subscribe({
    store,
    name: 'bench',
    after: 0,
    pageSize: PAGE,
    handle: (event) =>
      void states.set(event.streamId, decider.evolve(states.get(event.streamId) ?? decider.initial, event)),
  });
  await subscription.reached(total);
  const rate = total / ((performance.now() - start) / 1_000);
  await subscription.stop();
  check([...states.values()], total);
  return rate;
};

/** The floor: the same pages by bare pg, each body parsed, nothing else. Answers events/s. */
const byBarePg = async (pool: Pool, total: number): Promise<number> => {
  const start = performance.now();
  let position = 0;
  let parsed = 0;
  while (parsed < total) {
    const { rows } = await pool.query<{ position: number; body: string }>({
      name: 'bare',
      text: 'select position, body from event_store.events where position > $1 order by position limit $2',
      values: [position, PAGE],
    });
    for (const row of rows) if (JSON.parse(row.body) !== null) parsed += 1;
    position = rows.at(-1)?.position ?? position;
  }
  return total / ((performance.now() - start) / 1_000);
};

/** A reader that skips its work would be fast. */
const check = (states: readonly State[], total: number): void => {
  const sum = fold<number, State>({ initial: 0, evolve: (events, state) => events + state.events }, states);
  const exposure = (PER_STREAM * (PER_STREAM - 1)) / 2;
  if (sum !== total || states.some((state) => state.exposure !== exposure || state.control === null))
    throw new Error(`The subscription folded ${sum} of ${total} events, or folded them wrongly.`);
};

const measure = async (context: BenchContext): Promise<Figures> => {
  const total = context.quick ? 50_000 : 200_000;
  const rounds = context.quick ? 5 : 7;
  const pool = createPool(await context.database('bench_read'), { max: 4 });
  const store = new PostgresEventStore({ pool, codec });
  await fill(store, total);
  await pool.query('vacuum analyze event_store.events');
  context.say(`  ${total} events in ${total / PER_STREAM} streams, pages of ${PAGE}, ${rounds} rounds`);
  const sides = { ours: () => bySubscription(store, total), raw: () => byBarePg(pool, total) };
  for (const warmUp of Object.values(sides)) await warmUp();
  const measured = await takeTurns(rounds, sides);
  await pool.end();
  const [ours, raw, ratio] = [summarise(measured.ours), summarise(measured.raw), ratioOf(measured.ours, measured.raw)];
  context.say(`  one subscription, decoded, upcast, folded  ${ours.median} events/s (spread ${ours.spread})`);
  context.say(`  bare pg, read and parsed                   ${raw.median} events/s (spread ${raw.spread})`);
  return { ratio: ratio.median, spread: ratio.spread, events: total, eventsPerSecond: { ours, raw } };
};

export const read: Bench = {
  measures:
    'one subscription over the log, decoded, upcast and folded, against bare pg reading and parsing the same rows',
  quick: '50,000 events instead of 200,000, 5 rounds instead of 7',
  musts: [{ key: 'ratio', atLeast: 0.6 }],
  run: measure,
};
