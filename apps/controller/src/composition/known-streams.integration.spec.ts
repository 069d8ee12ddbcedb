import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CommandRunner, type CommandContext } from '#libs/application';
import { eventCodec, targetDecider, targetStream } from '#libs/domain';
import { PostgresEventStore } from '#libs/event-store';
import { createPool } from '#libs/postgres';
import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { uuidv7 } from './ids.js';

let database: TestDatabase;
const closing: (() => Promise<void>)[] = [];

/** A controller that hears of nobody else's events: what it knows of a stream may be old. */
const deaf = () => {
  const pool = createPool(database.url, { max: 2 });
  const store = new PostgresEventStore({ pool, codec: eventCodec });
  closing.push(async () => {
    await store.close();
    await pool.end();
  });
  return new CommandRunner(store, { now: () => Date.now() }, { next: () => uuidv7() });
};

const context = (commandId: string = randomUUID()): CommandContext => ({
  actor: { kind: 'token', name: 'ada' },
  commandId,
  fingerprint: 'same',
  correlationId: commandId,
});

const register = (runner: CommandRunner, platform: string, models: readonly string[], as = context()) =>
  runner.run('RegisterTarget', as, async (session) => {
    const { state, version } = await session.load(targetDecider, targetStream('api'));
    const command = { type: 'RegisterTarget', target: 'api', platform, labels: {}, models, driver: 'pull' } as const;
    session.decide(targetDecider, targetStream('api'), state, command);
    return { version };
  });

beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await database.drop();
});

describe('two controllers that know a stream from before', () => {
  it('decide on its newest state, whoever wrote last', async () => {
    const [one, two] = [deaf(), deaf()];
    const versions: unknown[] = [];
    for (const [n, runner] of [one, two, one, one, two, two, one].entries()) {
      const outcome = await register(runner, 'api', [`model-${n}`]);
      if (outcome.accepted) versions.push(outcome.outcome['version']);
    }
    expect(versions).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('write nothing when the newest state is what was asked for', async () => {
    const [one, two] = [deaf(), deaf()];
    await register(one, 'api', ['a']);
    await register(two, 'api', ['b']);
    expect(await register(one, 'api', ['b'])).toMatchObject({ accepted: true, events: [] });
  });

  it('give a repeated command its first outcome, also where it would be refused by now', async () => {
    const [one, two] = [deaf(), deaf()];
    const first = context();
    await register(one, 'api', ['a'], first);
    await register(two, 'api', ['b']);
    expect(await register(two, 'api', ['a'], first)).toMatchObject({ repeated: true, outcome: { version: 0 } });
    const refused = await register(two, 'bedrock', ['a']);
    expect(refused).toMatchObject({ accepted: false });
    expect(await register(one, 'bedrock', ['a'], first)).toMatchObject({ repeated: true, outcome: { version: 0 } });
  });

  it('refuse another command under a used id', async () => {
    const first = context();
    await register(deaf(), 'api', ['a'], first);
    const outcome = await register(deaf(), 'api', ['b'], { ...first, fingerprint: 'another' });
    expect(outcome).toMatchObject({ accepted: false, rejection: { code: 'idempotency-key-reused' } });
  });
});
