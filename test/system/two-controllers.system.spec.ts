import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { RolloutView } from '#libs/contracts';
import { adminOf, endChildren, startChild, type ChildController } from '../kit/child.js';
import { ask, clientOf, problemIn, type Door } from '../kit/http.js';
import { faultsOfLog, readLog } from '../kit/log.js';
import { config, TARGETS, world } from '../kit/manifests.js';
import { reachesStatus } from '../kit/rollouts.js';
import { TinyFleet } from '../kit/tiny-fleet.js';
import { until } from '../kit/until.js';
import { createTestDatabase, type TestDatabase } from '../test-database.js';

let database: TestDatabase;
let controllers: ChildController[];
let token: string | undefined;
let turn = 0;

const doors = (): readonly Door[] => controllers.map(({ url }) => ({ url, token }));
/** The next controller that lives: hardly two calls in a row meet the same one. */
const anyDoor = (): Door => {
  const all = doors();
  turn += 1;
  return all[turn % all.length] ?? { url: '' };
};

beforeEach(async () => {
  database = await createTestDatabase();
  controllers = await Promise.all([1, 2].map(() => startChild({ databaseUrl: database.url, bundled: true })));
}, 40_000);

afterEach(async () => {
  await endChildren();
  await database.drop();
});

it('two controllers on one database share commands, outcomes and work; when one is killed the other goes on and nothing is lost or doubled', async () => {
  const first = controllers.filter(({ dataDir }) => existsSync(join(dataDir, 'admin.token')));
  expect(first, 'exactly one of them made the first admin').toHaveLength(1);
  token = first[0] && adminOf(first[0]).token;
  await until('both know the token', async () =>
    (await Promise.all(doors().map((door) => ask(door, 'GET', '/v1/tokens')))).every(({ status }) => status === 200),
  );
  await clientOf(anyDoor()).apply({ manifests: world() });
  await clientOf(anyDoor()).apply({ manifests: [config('router.context', { window: 1_000_000 })] });

  const fleet = new TinyFleet(anyDoor, TARGETS).start();
  await until('every target has traffic', () => TARGETS.every((target) => (fleet.counted.get(target) ?? 0) > 0));

  // The same command at both at once, under one key: one start, one answer.
  const body = { config: 'router.context', plan: 'three-platforms', reason: 'a wider window' };
  const starts = await Promise.all(
    [...doors(), ...doors()].map((door) =>
      until('the start is answered', async () => {
        const answer = await ask(door, 'POST', '/v1/rollouts', { body, headers: { 'idempotency-key': 'start' } });
        // The other controller may not have read the manifests yet.
        return answer.status === 404 ? undefined : answer;
      }),
    ),
  );
  expect(starts.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
  const [started] = starts.map(({ json }) => json as RolloutView);
  const id = started?.id ?? '';
  expect(new Set(starts.map(({ json }) => (json as RolloutView).id))).toEqual(new Set([id]));

  // Sixty people change twelve configs at both controllers while the rollout is on its way; then one controller dies.
  const edits = Array.from({ length: 60 }, (_, n) => {
    const manifests = [config(`edited-${n % 12}`, { edit: n })];
    return { key: `edit-${n}`, manifests };
  });
  const send = async (edit: (typeof edits)[number]): Promise<number> => {
    for (;;) {
      try {
        const answer = await ask(anyDoor(), 'POST', '/v1/manifests', {
          body: { manifests: edit.manifests },
          headers: { 'idempotency-key': edit.key },
        });
        if (answer.status === 200) return answer.status;
        expect(problemIn(answer)).toMatchObject({ status: 503, code: 'too-much-contention' });
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
    }
  };
  const edited = Promise.all(edits.map(send));
  await until('the first stage has passed', async () =>
    (await readLog(database.pool)).some(({ type }) => type === 'StagePassed'),
  );
  const [victim] = controllers.splice(0, 1);
  await victim?.kill9();
  await edited;

  await reachesStatus(clientOf(anyDoor()), id, 'settled');
  for (const target of TARGETS)
    await until(`${target} serves r2 to everyone`, () => fleet.arms(target, 'router.context')[0]?.revision === 2);
  await fleet.stop();

  expect(await faultsOfLog(database.pool)).toEqual([]);
  const log = await readLog(database.pool);
  const proposed = log.filter(
    ({ type, data }) => type === 'RevisionProposed' && String(data['key']).startsWith('edited-'),
  );
  expect(proposed.map(({ data }) => (data['value'] as { edit: number }).edit).toSorted((a, b) => a - b)).toEqual(
    edits.map((_, n) => n),
  );
  expect(log.filter(({ type }) => type === 'StagePassed')).toHaveLength(6);
  expect(log.filter(({ type }) => type === 'RolloutPlanned')).toHaveLength(1);
  expect(fleet.rejected).toEqual([]);
  const { rows } = await database.pool.query<{ target: string; requests: string }>(
    'select target, sum(requests) as requests from evidence.traffic group by target',
  );
  expect(new Map(rows.map(({ target, requests }) => [target, Number(requests)]))).toEqual(fleet.counted);
}, 60_000);
