import { createPool } from '#libs/postgres';
import { platformDriverConformance, type PlatformFault } from '#test/conformance/platform-driver';
import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { PostgresRulesetFeed, PullDriver, type Queryable } from '../index.js';

const LEASE_MS = 15_000;
const POLL_MS = 200;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** As a database says it, by SQLSTATE; without one the line broke or was silent for too long. */
const failure = (message: string, code?: string): Error =>
  Object.assign(new Error(message), code === undefined ? {} : { code });

const FAILURES: Readonly<Record<PlatformFault, () => Error>> = {
  'before-effect': () => failure('connect ETIMEDOUT'),
  'after-effect': () => failure('Connection terminated unexpectedly'),
  'timeout-before-effect': () => failure('Query read timeout'),
  'timeout-after-effect': () => failure('Query read timeout'),
  throttled: () => failure('sorry, too many clients already', '53300'),
  'server-error': () => failure('the database system is starting up', '57P03'),
  'server-error-after-effect': () => failure('terminating connection', '57P01'),
  'expired-credentials': () => failure('password authentication failed', '28P01'),
  nonsense: () => failure('unexpected message', '08P01'),
};

/** A line to the database that can lose a statement or its answer, or is slow to give it. */
const unreliable = () => {
  let fault: PlatformFault | undefined;
  let hold: { go: (() => void) | undefined } | undefined;
  const line: Queryable = {
    query: async <R extends object>(text: string, values?: readonly unknown[]) => {
      const [now, mine] = [fault, hold];
      [fault, hold] = [undefined, undefined];
      const isDone = now === undefined || now.endsWith('after-effect');
      if (!isDone) throw FAILURES[now]();
      const result = await database.pool.query<R>(text, values === undefined ? [] : [...values]);
      if (mine)
        await new Promise<void>((go) => {
          mine.go = go;
        });
      if (now !== undefined) throw FAILURES[now]();
      return result;
    },
  };
  const breakNext = (when: PlatformFault) => {
    fault = when;
  };
  const delayNextAnswer = () => {
    const mine: NonNullable<typeof hold> = { go: undefined };
    hold = mine;
    return Object.assign(() => mine.go?.(), { isWaiting: () => mine.go !== undefined });
  };
  return { line, breakNext, delayNextAnswer };
};

platformDriverConformance('pull', async () => {
  await database.pool.query('truncate delivery.rulesets, delivery.instances');
  let now = Date.now();
  const { line, breakNext, delayNextAnswer } = unreliable();
  const driver = () => new PullDriver({ database: line, clock: { now: () => now }, leaseMs: LEASE_MS });
  return {
    driver,
    breakNext,
    breakNextRead: breakNext,
    delayNextAnswer,
    acknowledge: (target, instance, heartbeat) => driver().acknowledge(target, instance, heartbeat, now),
    advance: (ms) => {
      now += ms;
    },
    leaseMs: LEASE_MS,
    close: () => Promise.resolve(),
  };
});

describe('heartbeats', () => {
  const clock = { now: () => Date.now() };

  it('of a thousand instances are written in a handful of statements', async () => {
    let statements = 0;
    const counting: Queryable = {
      query: (text, values) => {
        statements += 1;
        return database.pool.query(text, values === undefined ? [] : [...values]);
      },
    };
    const driver = new PullDriver({ database: counting, clock });
    const now = Date.now();
    await driver.apply('many', {}, 3);
    statements = 0;
    await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => driver.acknowledge('many', `i-${index}`, { generation: 3 }, now)),
    );
    expect(statements).toBeLessThan(5);
    expect((await driver.observe('many')).instances).toHaveLength(1_000);
  });

  it('of the same instances through two controllers at once do not block each other', async () => {
    const drivers = [0, 1].map(() => new PullDriver({ database: database.pool, clock }));
    const beats = Array.from({ length: 30 }, (_, round) =>
      drivers.map(async (driver) => {
        const order = Array.from({ length: 50 }, (__, index) => (index * 7 + round) % 50);
        await Promise.all(order.map((i) => driver.acknowledge('shared', `i-${i}`, { generation: 0 }, Date.now())));
      }),
    );
    await Promise.all(beats.flat());
    expect((await drivers[0]?.observe('shared'))?.instances).toHaveLength(50);
  });

  it('that arrive late do not undo newer ones', async () => {
    const driver = new PullDriver({ database: database.pool, clock });
    const now = Date.now();
    await driver.apply('late', {}, 9);
    await driver.acknowledge('late', 'i-1', { generation: 9 }, now);
    await driver.acknowledge('late', 'i-1', { generation: 4 }, now - 1_000);
    expect((await driver.observe('late')).instances).toMatchObject([{ generation: 9 }]);
  });

  it('leave the first word of each generation behind: since when, and when that was heard', async () => {
    const driver = new PullDriver({ database: database.pool, clock });
    const now = Date.parse('2026-01-05T12:00:00.000Z');
    await driver.acknowledge('first-words', 'i-1', { generation: 9, since: now - 60_000 }, now);
    await driver.acknowledge('first-words', 'i-1', { generation: 9 }, now + 1_000);
    await driver.acknowledge('first-words', 'i-1', { generation: 12 }, now + 2_000);
    const { rows } = await database.pool.query(
      `select generation, since, heard_at from delivery.acknowledged where target = 'first-words' order by generation`,
    );
    const at = (ms: number): Date => new Date(now + ms);
    expect(rows).toEqual([
      { generation: 9, since: at(-60_000), heard_at: at(0) },
      { generation: 12, since: at(2_000), heard_at: at(2_000) },
    ]);
  });

  it('that the database refuses are reported to their sender, and the next ones work', async () => {
    const { line, breakNext } = unreliable();
    const driver = new PullDriver({ database: line, clock });
    breakNext('before-effect');
    await expect(driver.acknowledge('refused', 'i-1', { generation: 0 }, Date.now())).rejects.toThrow('ETIMEDOUT');
    await driver.acknowledge('refused', 'i-1', { generation: 0 }, Date.now());
    expect((await driver.observe('refused')).instances).toHaveLength(1);
  });

  it('are forgotten at once when an instance says that it ends, and remembered when it only falls silent', async () => {
    let now = Date.now();
    const driver = new PullDriver({ database: database.pool, clock: { now: () => now }, leaseMs: LEASE_MS });
    for (const instance of ['leaves', 'dies', 'stays'])
      await driver.acknowledge('left', instance, { generation: 0 }, now);
    await driver.leave('left', 'leaves');
    await driver.leave('left', 'never-there');
    now += LEASE_MS + 1;
    await driver.acknowledge('left', 'stays', { generation: 0 }, now);
    const { instances, silent, leaseMs } = await driver.observe('left');
    expect([instances, silent].map((each) => each.map(({ instance }) => instance))).toEqual([['stays'], ['dies']]);
    expect(leaseMs).toBe(LEASE_MS);
  });

  it('are forgotten when an instance has been silent for long', async () => {
    let now = Date.now();
    const driver = new PullDriver({ database: database.pool, clock: { now: () => now }, forgetAfterMs: 60_000 });
    await driver.acknowledge('old', 'gone', { generation: 0 }, now);
    now += 120_000;
    await driver.acknowledge('old', 'here', { generation: 0 }, now);
    const { rows } = await database.pool.query(`select instance from delivery.instances where target = 'old'`);
    expect(rows).toEqual([{ instance: 'here' }]);
  });
});

describe('what the database says when an apply fails', () => {
  const failing = (code: string) =>
    new PullDriver({
      clock: { now: () => 0 },
      database: { query: () => Promise.reject(Object.assign(new Error('no'), { code })) },
    });

  it.each([
    ['ECONNREFUSED', 'unknown'],
    ['57P01', 'unknown'],
    ['40P01', 'conflict'],
    ['53300', 'throttled'],
    ['42501', 'denied'],
    ['42P01', 'rejected'],
  ])('%s is the outcome %s', async (code, kind) => {
    expect(await failing(code).apply('api-tpu', {}, 1)).toMatchObject({ kind });
  });
});

describe('the feed of every controller', () => {
  let feed: PostgresRulesetFeed;
  const errors: unknown[] = [];
  const pool = () => createPool(database.url, { applicationName: 'feed-under-test' });
  let feedPool: ReturnType<typeof pool>;
  let driver: PullDriver;

  const connectListener = async (pollMs: number) => {
    feedPool = pool();
    feed = await PostgresRulesetFeed.start({ pool: feedPool, pollMs, onError: (error) => errors.push(error) });
  };

  beforeEach(async () => {
    await database.pool.query('truncate delivery.rulesets, delivery.instances');
    errors.length = 0;
    driver = new PullDriver({ database: database.pool, clock: { now: () => Date.now() } });
  });
  afterEach(async () => {
    await feed.close();
    await feedPool.end();
  });

  it('holds what was applied before it started', async () => {
    await driver.apply('api-tpu', { flags: {} }, 4);
    await connectListener(POLL_MS);
    expect(feed.current('api-tpu')).toMatchObject({ generation: 4, text: '{"flags":{}}' });
    expect(feed.current('elsewhere')).toBeUndefined();
  });

  it('learns by notification, long before the poll, what another controller applied', async () => {
    await connectListener(3_600_000);
    await driver.apply('api-tpu', { flags: {} }, 4);
    await vi.waitFor(() => expect(feed.current('api-tpu')?.generation).toBe(4), { timeout: 5_000, interval: 5 });
  });

  it('learns by the poll what no notification told', async () => {
    await connectListener(POLL_MS);
    await database.pool.query(`insert into delivery.rulesets (target, generation, ruleset) values ('quiet', 5, '{}')`);
    await vi.waitFor(() => expect(feed.current('quiet')?.generation).toBe(5), { timeout: 5_000, interval: 5 });
  });

  it('rings for every target in a burst, ends with the newest, and never goes back', async () => {
    await connectListener(3_600_000);
    const heard = new Map<string, number[]>();
    feed.onChange(({ target, generation }) => heard.set(target, [...(heard.get(target) ?? []), generation]));
    const applies = Array.from({ length: 60 }, (_, index) => driver.apply(`t-${index % 3}`, {}, index + 1));
    await Promise.all(applies);
    await vi.waitFor(
      () => expect(['t-0', 't-1', 't-2'].map((target) => feed.current(target)?.generation)).toEqual([58, 59, 60]),
      { timeout: 5_000, interval: 5 },
    );
    for (const generations of heard.values()) expect(generations).toEqual(generations.toSorted((a, b) => a - b));
  });

  it('serves what it holds while its connection is cut, says so once, and catches up', async () => {
    await driver.apply('api-tpu', {}, 4);
    await connectListener(POLL_MS);
    await database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'feed-under-test' and datname = current_database()`,
    );
    await vi.waitFor(() => expect(errors).toHaveLength(1), { timeout: 5_000, interval: 5 });
    expect(feed.current('api-tpu')?.generation).toBe(4);
    await driver.apply('api-tpu', {}, 5);
    await vi.waitFor(() => expect(feed.current('api-tpu')?.generation).toBe(5), { timeout: 5_000, interval: 5 });
    await driver.apply('api-tpu', {}, 6);
    await vi.waitFor(() => expect(feed.current('api-tpu')?.generation).toBe(6), { timeout: 5_000, interval: 5 });
  });

  it('tells once that instances acknowledged something new, and not of mere heartbeats', async () => {
    await connectListener(3_600_000);
    const news: string[] = [];
    feed.onAcknowledged((target) => news.push(target));
    await driver.acknowledge('api-tpu', 'i-1', { generation: 0 }, Date.now());
    await driver.acknowledge('api-tpu', 'i-1', { generation: 0 }, Date.now());
    await driver.acknowledge('marker', 'i-1', { generation: 0 }, Date.now());
    await vi.waitFor(() => expect(news).toContain('marker'), { timeout: 5_000, interval: 5 });
    expect(news).toEqual(['api-tpu', 'marker']);
  });
});
