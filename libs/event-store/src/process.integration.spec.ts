import { createPool } from '#libs/postgres';
import type { EventStore, ProcessManager, TaskQueue } from '#libs/kernel';
import type { TestDatabase } from '#test/test-database';
import { createTestDatabase } from '#test/test-database';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { countingCodec, event, to, until, upTo } from './conformance.spec-support.js';
import type { ProcessRunner, ProcessRunnerOptions, ProcessStore } from './index.js';
import {
  MemoryEventStore,
  MemoryProcessStore,
  MemoryTaskQueue,
  PostgresEventStore,
  PostgresProcessStore,
  PostgresTaskQueue,
  runProcessManager,
} from './index.js';

/** One task for each event, named after it. */
const manager: ProcessManager = {
  name: 'spec',
  react: (next) => [{ id: `${next.eventId}/0`, kind: 'count', dueAt: 0, payload: { position: next.position } }],
};

type Controller = { readonly store: EventStore; readonly tasks: TaskQueue; readonly processes: ProcessStore };
type Opened = { readonly controller: () => Controller; readonly close: () => Promise<void> };

const inMemory = async (): Promise<Opened> => {
  const clock = { now: () => Date.now() };
  const store = new MemoryEventStore({ codec: countingCodec, clock });
  const tasks = new MemoryTaskQueue(clock);
  const processes = new MemoryProcessStore({ store, tasks });
  return { controller: () => ({ store, tasks, processes }), close: () => Promise.resolve() };
};

const inPostgres = async (): Promise<Opened> => {
  await database.clear();
  const pools: ReturnType<typeof createPool>[] = [];
  const controller = () => {
    const pool = createPool(database.url, { max: 3 });
    pools.push(pool);
    const store = new PostgresEventStore({ pool, codec: countingCodec });
    const tasks = new PostgresTaskQueue({ pool });
    return { store, tasks, processes: new PostgresProcessStore({ pool, store, tasks }) };
  };
  const close = async () => {
    for (const pool of pools) await pool.end();
  };
  return { controller, close };
};

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

describe.each([
  { name: 'in memory', open: inMemory },
  { name: 'in PostgreSQL', open: inPostgres },
])('a process manager $name', ({ open }) => {
  let opened: Opened;
  const runners: ProcessRunner[] = [];

  const run = (controller: Controller, over: Partial<ProcessRunnerOptions> = {}) => {
    const { processes, store } = controller;
    const runner = runProcessManager({ manager, processes, store, pollMs: 40, pageSize: 7, ...over });
    runners.push(runner);
    return runner;
  };
  const claimAll = async (tasks: TaskQueue) => {
    const claimed = await tasks.claim(['count'], 10_000, 60_000);
    return claimed.map(({ payload }) => Number(payload['position'])).toSorted((a, b) => a - b);
  };

  beforeEach(async () => {
    opened = await open();
  });
  afterEach(async () => {
    for (const runner of runners.splice(0)) await runner.stop();
    await opened.close();
  });

  it('turns every event into its task once, with two controllers at work', async () => {
    const [one, two] = [opened.controller(), opened.controller()];
    const [first, second] = [run(one), run(two)];
    await Promise.all(upTo(80).map((n) => (n % 2 === 0 ? one : two).store.append(to(`s-${n}`, 0, event({ n })))));
    await until('all are handled', () => Math.max(first.health().position, second.health().position) === 80);
    expect(await claimAll(one.tasks)).toEqual(upTo(80));
  });

  it('goes on from its checkpoint after a restart, and repeats nothing', async () => {
    const controller = opened.controller();
    await controller.store.append(to('a', 0, event(), event()));
    const before = run(controller);
    await until('both are handled', () => before.health().position === 2);
    await before.stop();
    expect(before.health().state).toBe('stopped');
    expect(await claimAll(controller.tasks)).toEqual([1, 2]);

    await controller.store.append(to('a', 2, event()));
    const seen: number[] = [];
    const react: ProcessManager['react'] = (next) => {
      seen.push(next.position);
      return manager.react(next);
    };
    const after = run(controller, { manager: { ...manager, react } });
    await until('the new one is handled', () => after.health().position === 3);
    expect(seen).toEqual([3]);
  });

  it('is rung long before its poll', async () => {
    const controller = opened.controller();
    const runner = run(controller, { pollMs: 600_000 });
    await controller.store.append(to('a', 0, event()));
    await until('the event is handled', () => runner.health().position === 1);
  });

  it('misses nothing when the ring is lost', async () => {
    const controller = opened.controller();
    const runner = run({
      ...controller,
      store: new MemoryEventStore({ codec: countingCodec, clock: { now: () => 0 } }),
    });
    await controller.store.append(to('a', 0, event()));
    await until('the event is handled', () => runner.health().position === 1);
  });

  it('stops loudly at an unknown event, after those before it, and says which', async () => {
    const controller = opened.controller();
    await controller.store.append(to('a', 0, event(), event({}, { type: 'Exploded', schemaVersion: 4 }), event()));
    const stopped: string[] = [];
    const runner = run(controller, { onStopped: ({ message }) => stopped.push(message) });
    await until('it stops', () => runner.health().state === 'stopped');
    expect(runner.health()).toMatchObject({ name: 'spec', position: 1 });
    expect(runner.health().error).toMatch(/Exploded v4 at position 2 is unknown to this build/);
    expect(stopped).toHaveLength(1);
    expect(await claimAll(controller.tasks)).toEqual([1]);
  });

  it('keeps tasks and checkpoint together: a reaction that fails leaves neither, and is tried again', async () => {
    const controller = opened.controller();
    await controller.store.append(to('a', 0, event(), event(), event()));
    let failing = true;
    const react: ProcessManager['react'] = (next) => {
      if (failing && next.position === 3) throw new Error('not yet');
      return manager.react(next);
    };
    const errors: string[] = [];
    const runner = run(controller, { manager: { ...manager, react }, onError: ({ message }) => errors.push(message) });
    await until('it fails', () => runner.health().state === 'retrying');
    expect([await claimAll(controller.tasks), runner.health().position]).toEqual([[], 0]);
    failing = false;
    await until('all are handled', () => runner.health().position === 3);
    expect(await claimAll(controller.tasks)).toEqual([1, 2, 3]);
    expect(errors[0]).toBe('not yet');
  });
});
