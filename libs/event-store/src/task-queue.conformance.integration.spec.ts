import type { Task, TaskQueue } from '#libs/kernel';
import { createPool } from '#libs/postgres';
import type { TestDatabase } from '#test/test-database';
import { createTestDatabase } from '#test/test-database';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until, upTo } from './conformance.spec-support.js';
import { MemoryTaskQueue, PostgresDoorbell, PostgresTaskQueue } from './index.js';

type Opened = { readonly another: () => TaskQueue; readonly close: () => Promise<void> };
type Turning = { now: () => number };

const inMemory = async (clock: Turning): Promise<Opened> => {
  const queue = new MemoryTaskQueue(clock);
  return { another: () => queue, close: () => Promise.resolve() };
};

const inPostgres = async (clock: Turning): Promise<Opened> => {
  await database.clear();
  const doorbell = new PostgresDoorbell({ url: database.url, retryMs: 20 });
  doorbell.start();
  const closing: (() => Promise<void>)[] = [];
  const another = () => {
    const pool = createPool(database.url, { max: 3 });
    const queue = new PostgresTaskQueue({ pool, doorbell, clock });
    closing.push(async () => {
      queue.close();
      await pool.end();
    });
    return queue;
  };
  const close = async () => {
    await doorbell.stop();
    for (const end of closing) await end();
  };
  return { another, close };
};

const task = (id: string, dueAt = 0, over: Partial<Task> = {}): Task => ({
  id,
  kind: 'k',
  dueAt,
  payload: { id },
  ...over,
});

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

describe.each([
  { name: 'in memory', open: inMemory },
  { name: 'in PostgreSQL', open: inPostgres },
])('durable tasks $name', ({ open }) => {
  let opened: Opened;
  let queue: TaskQueue;
  let now: number;
  const claimIds = async (from: TaskQueue = queue, limit = 100) =>
    (await from.claim(['k'], limit, 1_000)).map(({ id }) => id);
  const claimOne = async () => {
    const [claimed] = await queue.claim(['k'], 1, 1_000);
    if (claimed === undefined) throw new Error('No task was due.');
    return claimed;
  };

  beforeEach(async () => {
    now = 10_000;
    opened = await open({ now: () => now });
    queue = opened.another();
  });
  afterEach(() => opened.close());

  it('are claimed when they are due, oldest first, and only of the kinds asked for', async () => {
    await queue.add([task('later', 10_001), task('second', 500), task('first', 400), task('other', 0, { kind: 'o' })]);
    expect(await claimIds()).toEqual(['first', 'second']);
    now = 10_001;
    expect(await claimIds()).toEqual(['later']);
    expect((await queue.claim(['o', 'x'], 10, 1_000)).map(({ payload }) => payload)).toEqual([{ id: 'other' }]);
  });

  it('are not claimed beyond the limit', async () => {
    await queue.add(upTo(5).map((n) => task(`t-${n}`, n)));
    expect(await claimIds(queue, 2)).toEqual(['t-1', 't-2']);
  });

  it('change nothing when they are added again, waiting, held or done', async () => {
    await queue.add([task('a', 1, { payload: { first: true } })]);
    await queue.add([task('a', 2, { payload: { first: false } })]);
    const held = await claimOne();
    expect(held).toMatchObject({ payload: { first: true }, dueAt: 1 });
    await queue.add([task('a')]);
    await queue.complete(held);
    await queue.add([task('a')]);
    now += 100_000;
    expect(await claimIds()).toEqual([]);
  });

  it('are held by one of many workers', async () => {
    await queue.add(upTo(60).map((n) => task(`t-${n}`, n)));
    const other = opened.another();
    const claims = await Promise.all(upTo(12).map((n) => claimIds(n % 2 === 0 ? queue : other, 10)));
    while (claims.flat().length < 60) claims.push(await claimIds());
    expect(new Set(claims.flat()).size).toBe(60);
    expect(claims.flat()).toHaveLength(60);
  });

  it('go to another worker when the lease ends, and the late one can change nothing any more', async () => {
    await queue.add([task('a')]);
    const late = await claimOne();
    expect(late).toMatchObject({ attempts: 1, leaseUntil: 11_000 });
    expect(await claimIds()).toEqual([]);
    now = 11_000;
    const next = await claimOne();
    expect(next.attempts).toBe(2);
    expect(await queue.complete(late)).toBe(false);
    expect(await queue.reschedule(late, 0, true)).toBe(false);
    expect(await queue.complete(next)).toBe(true);
    expect(await queue.complete(next)).toBe(false);
  });

  it('come back at the time they are given back for, with their attempts counted or started anew', async () => {
    await queue.add([task('a')]);
    expect(await queue.reschedule(await claimOne(), 12_000, false)).toBe(true);
    expect(await claimIds()).toEqual([]);
    now = 12_000;
    const second = await claimOne();
    expect(second).toMatchObject({ attempts: 2, dueAt: 12_000 });
    await queue.reschedule(second, 12_000, true);
    expect((await claimOne()).attempts).toBe(1);
  });

  it('are due at once when hastened', async () => {
    await queue.add([task('a', 99_000)]);
    await queue.add([task('b', 99_000), task('c', 99_000)]);
    await queue.hasten(['a', 'unknown', 'b']);
    expect(await claimIds()).toEqual(['a', 'b']);
  });

  it('are done once more when hastened while a worker held them, since it may have looked too early', async () => {
    await queue.add([task('a')]);
    const held = await claimOne();
    await queue.hasten(['a']);
    await queue.reschedule(held, 99_000, true);
    expect(await claimIds()).toEqual(['a']);
  });

  it('are delayed by no hastening', async () => {
    await queue.add([task('a', 1)]);
    await queue.hasten(['a']);
    expect((await claimOne()).dueAt).toBe(1);
  });

  it('ring when they are added, hastened or become due', async () => {
    let rings = 0;
    queue.onDue(() => (rings += 1));
    const ringsAfter = async (what: string, act: () => Promise<unknown>) => {
      const before = rings;
      await act();
      await until(`a ring after it was ${what}`, () => rings > before);
    };
    await ringsAfter('added', () => opened.another().add([task('a'), task('b', 99_000)]));
    await ringsAfter('hastened', () => opened.another().hasten(['b']));
    const held = await claimOne();
    await ringsAfter('due', () => queue.reschedule(held, 10_030, true));
  });
});

describe('durable tasks of a process that dies', () => {
  const start = () => {
    const doorbell = new PostgresDoorbell({ url: database.url, retryMs: 20 });
    doorbell.start();
    const pool = createPool(database.url, { max: 3 });
    const queue = new PostgresTaskQueue({ pool, doorbell });
    const end = async () => {
      await doorbell.stop();
      queue.close();
      await pool.end();
    };
    return { doorbell, queue, end };
  };

  it('are free at once for others, although their lease has long to run, and those of the living are not', async () => {
    await database.clear();
    const [dying, living, heir] = [start(), start(), start()];
    const isPresent = () => [dying, living, heir].every(({ doorbell }) => doorbell.present() !== undefined);
    await until('all three show that they live', isPresent);
    await dying.queue.add([task('orphan'), task('kept')]);
    const claim = async (from: typeof dying) => (await from.queue.claim(['k'], 1, 600_000)).map(({ id }) => id);
    expect(await claim(living)).toEqual(['kept']);
    const [held] = await dying.queue.claim(['k'], 1, 600_000);
    expect(held?.id).toBe('orphan');
    expect(await claim(heir)).toEqual([]);
    await dying.doorbell.stop();
    let taken: readonly string[] = [];
    await until('the orphan is taken over', async () => (taken = await claim(heir)).length > 0);
    expect(taken).toEqual(['orphan']);
    expect(held && (await dying.queue.complete(held))).toBe(false);
    await Promise.all([dying.end(), living.end(), heir.end()]);
  });

  it('and a caller whose clock is ahead gives a task back for the same moment as one whose clock is right', async () => {
    await database.clear();
    const { queue, end } = start();
    const pool = createPool(database.url, { max: 1 });
    const ahead = new PostgresTaskQueue({ pool, callersClock: { now: () => Date.now() + 3_600_000 } });
    await queue.add([task('a')]);
    const [held] = await ahead.claim(['k'], 1, 1_000);
    if (held === undefined) throw new Error('No task was due.');
    await ahead.reschedule(held, Date.now() + 3_600_000 + 50, true);
    await until('it is due again', async () => (await queue.claim(['k'], 1, 1_000)).length === 1);
    await end();
    ahead.close();
    await pool.end();
  });
});
