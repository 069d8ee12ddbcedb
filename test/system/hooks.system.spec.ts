import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { adminOf, endChildren, startChild } from '../kit/child.js';
import { clientOf, type Door } from '../kit/http.js';
import { startHookReceiver, type HookReceiver } from '../kit/hook-receiver.js';
import { config } from '../kit/manifests.js';
import { until } from '../kit/until.js';
import { createTestDatabase, type TestDatabase } from '../test-database.js';

let database: TestDatabase;
let receiver: HookReceiver;

beforeEach(async () => {
  database = await createTestDatabase();
  receiver = await startHookReceiver();
});

afterEach(async () => {
  await endChildren();
  await receiver.close();
  await database.drop();
});

const KEYS = ['one', 'two', 'three'];
const ENV = { HEADGATE_HOOK_LOOPBACK: 'allow' };

const revise = async (door: Door, value: number): Promise<void> => {
  await clientOf(door).apply({ manifests: KEYS.map((key) => config(key, { value })), reason: 'for the test' });
};

/** For each config, the revisions that were told, in order, without repetitions. */
const told = (): Readonly<Record<string, readonly (number | undefined)[]>> =>
  Object.fromEntries(
    KEYS.map((key) => [
      key,
      [...new Set(receiver.taken.filter(({ data }) => data.config === key).map(({ data }) => data.revision))],
    ]),
  );

const everyRevision = (last: number) =>
  Object.fromEntries(KEYS.map((key) => [key, Array.from({ length: last }, (_, index) => index + 1)]));

/** Whoever is killed between an answer and its note sends again, so it is not enough to count what came. */
const toldUpTo = (last: number): Promise<true | undefined> =>
  until(`all is told up to r${last}`, () => isDeepStrictEqual(told(), everyRevision(last)) || undefined);

it(
  'events reach a hook once from two controllers; when the one that sends is killed the other goes on in order, and none is lost',
  { timeout: 150_000 },
  async () => {
    const first = await startChild({ bundled: true, databaseUrl: database.url, env: ENV });
    const keyFile = join(first.dataDir, 'hook-key');
    const admin = adminOf(first);
    receiver.secret = (await clientOf(admin).addHook({ url: receiver.url, types: ['RevisionProposed'] })).secret;
    const second = await startChild({
      bundled: true,
      databaseUrl: database.url,
      env: { ...ENV, HEADGATE_HOOK_KEY_FILE: keyFile },
    });
    for (let value = 1; value <= 5; value += 1) await revise(admin, value);
    await toldUpTo(5);
    expect(receiver.attempts, 'nothing was sent twice').toHaveLength(15);

    // Whoever sends now waits for an answer when it is killed, or between two attempts.
    receiver.reply = () => 'hang';
    await revise(admin, 6);
    await until('an attempt is under way', () => receiver.attempts.length > 15);
    copyFileSync(keyFile, join(second.dataDir, 'hook-key'));
    await first.kill9();
    receiver.reply = () => 204;
    await revise({ ...admin, url: second.url }, 7);
    await toldUpTo(7);

    await second.kill9();
    const third = await startChild({ bundled: true, databaseUrl: database.url, env: ENV, dataDir: second.dataDir });
    await revise({ ...admin, url: third.url }, 8);
    await toldUpTo(8);
    expect(receiver.refused).toEqual([]);
  },
);
