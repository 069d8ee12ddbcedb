import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { adminOf, endChildren, startChild, type ChildController } from '../kit/child.js';
import { clientOf, type Door } from '../kit/http.js';
import { faultsOfLog, headOf, readLog } from '../kit/log.js';
import { config, TARGETS, world } from '../kit/manifests.js';
import { reachesStatus } from '../kit/rollouts.js';
import { TinyFleet } from '../kit/tiny-fleet.js';
import { until } from '../kit/until.js';
import { createTestDatabase, type TestDatabase } from '../test-database.js';

const HARM = { config: 'router.context', revision: 2, signal: 'script-errors', perWindow: 30 } as const;
const BASE = { config: 'router.context', revision: 1, signal: 'script-errors', perWindow: 5 } as const;

let database: TestDatabase;
let controller: ChildController;
let fleet: TinyFleet;
let token: string | undefined;

const door = (): Door => ({ url: controller.url, token });
const client = () => clientOf(door());

beforeEach(async () => {
  database = await createTestDatabase();
  controller = await startChild({ databaseUrl: database.url, bundled: true });
  token = adminOf(controller).token;
  await client().apply({ manifests: world() });
  await client().apply({ manifests: [config('router.context', { window: 1_000_000 })] });
  fleet = new TinyFleet(door, TARGETS);
  await until('every target has traffic', async () => {
    await fleet.round();
    return TARGETS.every((target) => (fleet.counted.get(target) ?? 0) > 0);
  });
}, 30_000);

afterEach(async () => {
  await fleet.stop();
  await endChildren();
  await database.drop();
});

const start = () => client().start({ config: 'router.context', plan: 'three-platforms', reason: 'a wider window' });
const dieAndComeBack = async (): Promise<void> => {
  await controller.kill9();
  controller = await startChild({ databaseUrl: database.url, dataDir: controller.dataDir, bundled: true });
};
const seen = (type: string): Promise<unknown> =>
  until(`there is a ${type}`, async () => (await readLog(database.pool)).some((event) => event.type === type), {
    everyMs: 5,
  });
/** Requests that the evidence counts, of each target; what was counted twice or not at all shows here. */
const countedRequests = async (): Promise<ReadonlyMap<string, number>> => {
  const { rows } = await database.pool.query<{ target: string; requests: string }>(
    'select target, sum(requests) as requests from evidence.traffic group by target',
  );
  return new Map(rows.map(({ target, requests }) => [target, Number(requests)]));
};

const settlesEverywhere = async (id: string): Promise<void> => {
  await reachesStatus(client(), id, 'settled');
  for (const target of TARGETS) {
    await until(`${target} serves r2 to everyone`, () => fleet.arms(target, 'router.context')[0]?.revision === 2);
    expect(fleet.arms(target, 'router.context')).toEqual([{ revision: 2, shareBp: 10_000 }]);
  }
};

const goesBackEverywhere = async (id: string): Promise<void> => {
  const { targets } = await reachesStatus(client(), id, 'rolled-back');
  const ended = targets.filter((target) => target.generation > 0);
  expect(ended.map(({ readBack, ended: how }) => ({ readBack, how }))).toEqual(
    ended.map(() => ({ readBack: true, how: 'drained' })),
  );
  for (const target of TARGETS) {
    expect(fleet.arms(target, 'router.context')).toEqual([{ revision: 1, shareBp: 10_000 }]);
  }
};

const nothingLostOrDoubled = async (): Promise<void> => {
  await fleet.stop();
  expect(await faultsOfLog(database.pool)).toEqual([]);
  expect(await countedRequests()).toEqual(fleet.counted);
  expect(fleet.rejected).toEqual([]);
};

describe('A controller that is killed', () => {
  it('right after a start was answered goes on with it when it is back: the rollout settles on every target', async () => {
    fleet.start();
    const { id } = await start();
    await dieAndComeBack();
    await settlesEverywhere(id);
    await nothingLostOrDoubled();
  });

  it('again and again while stages pass loses no stage and passes none twice', async () => {
    fleet.start();
    const { id } = await start();
    for (let deaths = 0; deaths < 3; deaths += 1) {
      const head = await headOf(database.pool);
      await until('something happens', async () => (await headOf(database.pool)) > head + 2, { everyMs: 5 });
      await dieAndComeBack();
    }
    await settlesEverywhere(id);
    await nothingLostOrDoubled();
    const passed = (await readLog(database.pool)).filter(({ type }) => type === 'StagePassed');
    expect(passed).toHaveLength(6);
  });

  it('in the moment of a rollback takes the change back all the same, once', async () => {
    fleet.faults = [HARM, BASE];
    fleet.start();
    const { id } = await start();
    await seen('RollbackStarted');
    await dieAndComeBack();
    await goesBackEverywhere(id);
    await nothingLostOrDoubled();
  });

  it('before it could see the harm sees it when it is back', async () => {
    fleet.start();
    const { id } = await start();
    fleet.faults = [HARM, BASE];
    await dieAndComeBack();
    await goesBackEverywhere(id);
    await nothingLostOrDoubled();
  });
});
