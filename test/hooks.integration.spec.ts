import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HookView } from '#libs/contracts';
import { ask, clientOf, problemIn } from './kit/http.js';
import { harmfulRollout } from './kit/harmful-rollout.js';
import { startHookReceiver, type HookReceiver } from './kit/hook-receiver.js';
import { startInProcess, type InProcess } from './kit/in-process.js';
import { hear } from './kit/hear.js';
import { config } from './kit/manifests.js';
import { readLog } from './kit/log.js';
import { until } from './kit/until.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

let database: TestDatabase;
let controller: InProcess;
let receiver: HookReceiver;

const start = (env: Readonly<Record<string, string>> = {}): Promise<InProcess> =>
  startInProcess(database.url, { env: { HEADGATE_HOOK_LOOPBACK: 'allow', ...env } });

beforeEach(async () => {
  database = await createTestDatabase();
  receiver = await startHookReceiver();
});

afterEach(async () => {
  await controller.stop();
  await receiver.close();
  await database.drop();
});

const addHook = async (over: { types?: string[]; configs?: string[]; path?: string } = {}): Promise<string> => {
  const { path = '', ...rest } = over;
  const added = await clientOf(controller.admin).addHook({ url: `${receiver.url}${path}`, ...rest });
  receiver.secret = added.secret;
  return added.id;
};

const hook = async (): Promise<HookView> => {
  const [first] = await clientOf(controller.admin).hooks();
  if (!first) throw new Error('There is no hook.');
  return first;
};

/** One event in the stream of a config: a new revision. */
const revise = async (key: string, value: number): Promise<void> => {
  await clientOf(controller.admin).apply({ manifests: [config(key, { value })], reason: 'for the test' });
};

const revisionsOf = (key: string) =>
  receiver.taken.filter(({ data }) => data.config === key).map(({ data }) => data.revision);

const taken = (count: number) => until(`${count} events are taken`, () => receiver.taken.length >= count);

describe('events out', () => {
  it('tell of a rollout from its start to its end in order, as official libraries read and verify them', async () => {
    controller = await start();
    const id = await addHook();
    const rollout = await harmfulRollout(controller);
    await until('its end is told', () => receiver.taken.some(({ data }) => data.event === 'RolledBack'));

    expect(receiver.refused).toEqual([]);
    const told = receiver.taken.filter(({ data }) => data.rollout === rollout);
    expect(told.map(({ data }) => data.event)).toEqual(
      expect.arrayContaining([
        'RolloutStarted',
        'StageEntered',
        'DegradationDetected',
        'RollbackStarted',
        'RolledBack',
      ]),
    );
    const positions = told.map(({ data }) => data.position);
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    const end = told.at(-1);
    expect(end?.event).toMatchObject({
      specversion: '1.0',
      type: 'dev.headgate.RolledBack.v1',
      source: `/headgate/rollouts/${rollout}`,
      subject: 'router.context',
      partitionkey: `rollout-${rollout}`,
    });
    expect(end?.event.id).toBe(end?.id);
    expect(end?.data).toMatchObject({
      config: 'router.context',
      revision: 2,
      summary: expect.stringContaining('rolled back on'),
    });
    expect(await hook()).toMatchObject({ id, state: 'delivering', waiting: 0, dead: 0, delivered: positions.at(-1) });
  });

  it('hold no values, no ids of units and no secrets, and the log does not hold what signs them', async () => {
    controller = await start();
    await addHook({ types: ['RevisionProposed', 'TokenIssued', 'VerdictRecorded', 'DegradationDetected'] });
    await harmfulRollout(controller);
    await revise('prompt', 424_242);
    await until('the revision is told', () => revisionsOf('prompt').length === 1);

    const sent = JSON.stringify(receiver.attempts.map(({ event }) => event));
    expect(sent).not.toContain('424242');
    const { rows: units } = await database.pool.query<{ unit: string }>(
      'select unit from evidence.first_bad union select unit from evidence.candidate_units',
    );
    expect(units.length).toBeGreaterThan(0);
    expect(units.filter(({ unit }) => sent.includes(unit))).toEqual([]);
    const log = JSON.stringify(await readLog(database.pool));
    expect(log).toContain('HookAdded');
    expect(log).not.toContain(receiver.secret.slice('whsec_'.length));
  });

  it('are told of on the stream of admins each time that something changes, and to nobody else', async () => {
    controller = await start();
    const id = await addHook();
    const frame = `event: deliveries\ndata: ${JSON.stringify({ hooks: [id] })}`;
    const ofOthers = hear(controller.operator, '?progress=true', (text) => text.includes('the last one'));
    for (const value of [1, 2]) {
      const heard = hear(
        controller.admin,
        '?progress=true',
        (text) => text.includes(frame),
        () => revise('prompt', value),
      );
      expect(await heard).not.toContain(receiver.url);
    }
    await clientOf(controller.admin).apply({ manifests: [config('prompt', { value: 3 })], reason: 'the last one' });
    expect(await ofOthers).not.toContain('deliveries');
  });

  it('that a receiver cannot take now keep only later ones of the same stream waiting, and come in order', async () => {
    controller = await start();
    await addHook({ types: ['RevisionProposed'] });
    let isDown = true;
    receiver.reply = ({ data }) => (data.config === 'one' && isDown ? 503 : 204);
    await revise('one', 1);
    await until('the first was refused', () => receiver.attempts.length > 0);
    await revise('one', 2);
    await revise('two', 1);

    await until('the other stream goes on', () => revisionsOf('two').length === 1);
    expect(revisionsOf('one')).toEqual([]);
    const retried = await until('only what is refused waits', async () => {
      const known = await hook();
      return known.waiting === 2 && known;
    });
    expect(retried).toMatchObject({ state: 'retrying', error: expect.stringMatching(/answered 503/) });
    expect(Date.parse(retried.failingSince ?? '')).toBeLessThanOrEqual(Date.now());
    isDown = false;
    await until('all is told', () => revisionsOf('one').length === 2);
    expect(revisionsOf('one')).toEqual([1, 2]);
    // A receiver can tell a repetition by its id.
    expect(new Set(receiver.attempts.filter(({ data }) => data.revision === 1).map(({ id }) => id)).size).toBe(2);
    await until('nothing is wrong any more', async () => (await hook()).state === 'delivering');
    expect((await hook()).failingSince).toBeNull();
  });

  it('are sent no more to a receiver that says it is gone, until somebody resumes it: then it goes on where it stopped', async () => {
    controller = await start();
    const id = await addHook({ types: ['RevisionProposed'] });
    receiver.reply = () => 410;
    await revise('one', 1);
    await until('it is disabled', async () => (await hook()).state === 'disabled');
    await revise('one', 2);
    const attempts = receiver.attempts.length;
    expect(attempts).toBe(1);
    const disabled = (await readLog(database.pool)).find(({ type }) => type === 'HookDisabled');
    expect(Date.parse((await hook()).failingSince ?? '')).toBeGreaterThanOrEqual(
      Date.parse(disabled?.metadata.occurredAt ?? '') - 1,
    );

    receiver.reply = () => 204;
    await clientOf(controller.admin).resumeHook(id);
    await taken(2);
    expect(revisionsOf('one')).toEqual([1, 2]);
    expect((await readLog(database.pool)).map(({ type }) => type)).toEqual(
      expect.arrayContaining(['HookAdded', 'HookDisabled', 'HookResumed']),
    );
  });

  it('are given up after the time that is set, visibly, so that later ones go on; resumed, they are sent after all', async () => {
    controller = await start({ HEADGATE_HOOK_HOURS: '0.001' });
    const id = await addHook({ types: ['RevisionProposed'] });
    receiver.reply = ({ data }) => (data.revision === 1 ? 500 : 204);
    await revise('one', 1);
    await until('it is given up', async () => (await hook()).dead === 1);
    expect(await hook()).toMatchObject({ state: 'dead', error: 'it answered 500' });
    await revise('one', 2);
    await taken(1);

    receiver.reply = () => 204;
    await clientOf(controller.admin).resumeHook(id);
    await taken(2);
    expect(revisionsOf('one')).toEqual([2, 1]);
    await until('nothing is wrong any more', async () => (await hook()).state === 'delivering');
  });

  it('go to nowhere but by https or, where that is allowed, to this machine, and never along a redirect', async () => {
    controller = await start();
    const add = async (url: string) => problemIn(await ask(controller.admin, 'POST', '/v1/hooks', { body: { url } }));
    expect(await add('http://relay.example.com/x')).toMatchObject({ status: 422, code: 'hook-url-refused' });
    expect(await add('https://169.254.169.254/latest')).toMatchObject({ code: 'hook-url-refused' });
    expect(await add('https://user:pass@relay.example.com/')).toMatchObject({ status: 400 });
    expect(await add('ftp://relay.example.com/')).toMatchObject({ status: 400 });

    receiver.reply = () => 'moved';
    await addHook({ types: ['RevisionProposed'] });
    await revise('one', 1);
    await until('it is said', async () => /redirects are not followed/.test((await hook()).error ?? ''));
    expect(receiver.refused).toEqual([]);
    await controller.stop();
    controller = await startInProcess(database.url);
    for (const url of [receiver.url, 'https://localhost:1/x', 'https://[::1]:1/x', 'https://[::ffff:127.0.0.1]/x'])
      expect(await add(url)).toMatchObject({ code: 'hook-url-refused', errors: [{ pointer: '/url' }] });
  });

  it('can be of some types and of some configs; what is unknown is refused, and a removed hook is told nothing', async () => {
    controller = await start();
    const client = clientOf(controller.admin);
    await expect(addHook({ types: ['StageEnterd'] })).rejects.toThrow('there is no event StageEnterd');
    await expect(addHook({ configs: ['one'] })).rejects.toThrow('There is no config one');
    await revise('one', 1);
    await revise('two', 1);
    const id = await addHook({ types: ['RevisionProposed'], configs: ['two'] });
    await revise('one', 2);
    await revise('two', 2);
    await taken(1);
    expect(receiver.taken.map(({ data }) => [data.config, data.revision])).toEqual([['two', 2]]);
    await client.removeHook(id);
    await until('nothing of it is left', async () => {
      const { rows } = await database.pool.query('select from hooks.progress');
      return rows.length === 0;
    });
    expect(await client.hooks()).toEqual([]);
    await expect(client.resumeHook(id)).rejects.toThrow('There is no hook');
  });

  it('are not signed by a controller without the key, which says so', async () => {
    controller = await start();
    await addHook({ types: ['RevisionProposed'] });
    await controller.stop();
    controller = await start();
    await until('it is said', async () => (await hook()).state === 'stuck');
    expect((await hook()).error).toContain('HEADGATE_HOOK_KEY_FILE');
  });
});
