import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RolloutView } from '#libs/contracts';
import { ask, clientOf, problemIn } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { faultsOfLog, headOf, readLog } from '#test/kit/log';
import { config, plan, TARGETS, track, world } from '#test/kit/manifests';
import { reachesStatus } from '#test/kit/rollouts';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;
let fleet: TinyFleet;
/** A config of each test's own, with revision 2 to go out. */
let router: string;
let count = 0;

const client = () => clientOf(controller.operator);
const apply = (...manifests: ReturnType<typeof world>) => client().apply({ manifests, reason: 'for the test' });
const start = (name: string, revision = 2) =>
  client().start({ config: router, plan: name, revision, reason: 'it is time' });
const reaches = (id: string, ...statuses: RolloutView['status'][]): Promise<RolloutView> =>
  reachesStatus(client(), id, ...statuses);
const everywhere = (revision: number) => Object.fromEntries(TARGETS.map((target) => [target, revision]));
const served = async (): Promise<Readonly<Record<string, number>>> => {
  const { targets } = await client().at({});
  const mine = targets.map(({ target, configs }) => [target, configs.find((each) => each.config === router)?.control]);
  return Object.fromEntries(mine) as Readonly<Record<string, number>>;
};
/** The watch of the emergency plan is long; a person ends it. */
const settlesByHand = async (id: string): Promise<void> => {
  await reaches(id, 'watching');
  await client().command(id, 'promote', { reason: 'seen enough', stages: ['watch'] });
  await reaches(id, 'settled');
};

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  const tracks = [track('everywhere', [...TARGETS])];
  await apply(
    ...world(),
    plan('long-watch', tracks, { watch: '1h' }),
    plan('at-once', tracks),
    plan('api-with-long-drain', [track('api', ['api-tpu'])], { drain: '1h' }),
  );
  const first = new TinyFleet(controller.service, TARGETS);
  await until('every target has traffic', async () => {
    await first.round();
    return TARGETS.every((target) => (first.counted.get(target) ?? 0) > 0);
  });
});

beforeEach(async () => {
  count += 1;
  router = `router-${count}`;
  await apply(config(router, { window: 1 }));
  await apply(config(router, { window: 2 }));
  await apply(config(router, { window: 3 }));
  fleet = new TinyFleet(() => controller.service, TARGETS);
  fleet.start();
});

afterEach(async () => {
  await fleet.stop();
  expect(await faultsOfLog(database.pool)).toEqual([]);
  expect(controller.complaints).toEqual([]);
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

describe('A settled revision', () => {
  it('is undone on every target at once; the rollout that does it says what it reverts, by whom and why', async () => {
    await reaches((await start('at-once')).id, 'settled');
    const undo = await client().undo(router, { reason: 'wrong answers since Tuesday' });
    expect(undo).toMatchObject({ revision: 1, reverts: 2, bypass: 'wrong answers since Tuesday', plan: 'emergency' });
    expect(undo.reason).toBe('wrong answers since Tuesday');
    expect(undo.targets.map(({ control, requestedBp }) => [control, requestedBp])).toEqual([
      [2, 9_900],
      [2, 9_900],
      [2, 9_900],
    ]);
    await settlesByHand(undo.id);
    expect(await served()).toEqual(everywhere(1));
    expect((await client().config(router)).live).toEqual(everywhere(1));
  });

  it('with later ones is not undone before it is said what is meant, and nothing is written', async () => {
    await reaches((await start('at-once')).id, 'settled');
    await reaches((await start('at-once', 3)).id, 'settled');
    const head = await headOf(database.pool);
    const refused = await ask(controller.operator, 'POST', `/v1/configs/${router}/undo`, {
      body: { reason: 'r2 was wrong', revision: 2 },
    });
    expect(problemIn(refused)).toMatchObject({ status: 409, code: 'later-revisions-settled' });
    expect(problemIn(refused).detail).toContain('r3');
    expect(await headOf(database.pool)).toBe(head);
    const undo = await client().undo(router, { reason: 'r2 was wrong', revision: 2, to: 1 });
    await settlesByHand(undo.id);
    expect(await served()).toEqual(everywhere(1));
  });
});

describe('A rollout in its watch', () => {
  it('is superseded by the next one, whose abort leads back to it: that is what its targets rest on', async () => {
    const { id: watched } = await start('long-watch');
    await reaches(watched, 'watching');
    const next = await start('long-watch', 3);
    expect(next.targets.map(({ control }) => control)).toEqual([2, 2, 2]);
    expect(await reaches(watched, 'superseded')).toMatchObject({
      waitingFor: [],
      endedAt: expect.any(String) as string,
    });
    await client().command(next.id, 'abort', { reason: 'not this one' });
    await reaches(next.id, 'rolled-back');
    expect(await served()).toEqual(everywhere(2));
    expect((await client().config(router)).live).toEqual(everywhere(2));
  });

  it('is not superseded by a plan for some of its targets', async () => {
    const { id } = await start('long-watch');
    await reaches(id, 'watching');
    const body = { config: router, plan: 'only-api', revision: 3, reason: 'only a part' };
    const refused = await ask(controller.operator, 'POST', '/v1/rollouts', { body });
    expect(problemIn(refused)).toMatchObject({ status: 409, code: 'supersede-needs-all-targets' });
    await client().command(id, 'abort', { reason: 'the test is over' });
    await reaches(id, 'rolled-back');
  });
});

describe('A rollback that waits for its drain', () => {
  it('ends when a person gives the target up, and the log keeps who and why', async () => {
    const { id } = await start('api-with-long-drain');
    await until('the fleet serves it', async () => (await client().rollout(id)).targets[0]?.converged === true);
    const early = await ask(controller.operator, 'POST', `/v1/rollouts/${id}/abandon`, {
      body: { target: 'api-tpu', reason: 'too early' },
    });
    expect(problemIn(early)).toMatchObject({ status: 409, code: 'nothing-to-abandon' });
    await client().command(id, 'abort', { reason: 'changed our minds' });
    await until('it is read back', async () => (await client().rollout(id)).targets[0]?.readBack === true);
    await client().abandon(id, { target: 'api-tpu', reason: 'nobody waits an hour' });
    expect((await reaches(id, 'rolled-back')).targets[0]?.ended).toBe('abandoned');
    const given = (await readLog(database.pool)).find(({ data }) => data['outcome'] === 'abandoned');
    expect(given).toMatchObject({ data: { detail: 'nobody waits an hour' }, metadata: { actor: { kind: 'token' } } });
  });
});

describe('A manifest', () => {
  it('of a config with another default in the code gives the baseline and a revision that waits for a plan', async () => {
    const name = `${router}-coded`;
    const { results } = await apply(config(name, { window: 2 }, { codeDefault: { window: 1 } }));
    expect(results).toMatchObject([{ action: 'created', revision: 2, baseline: false }]);
    const { revisions, live } = await client().config(name);
    expect(revisions.map(({ value, baseline }) => [value, baseline])).toEqual([
      [{ window: 1 }, true],
      [{ window: 2 }, false],
    ]);
    expect(live).toEqual(everywhere(1));
  });
});
