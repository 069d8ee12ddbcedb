import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BoardView } from '#libs/contracts';
import { clientOf, ask, problemIn } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { faultsOfLog, readLog } from '#test/kit/log';
import { config, plan, TARGETS, track, world } from '#test/kit/manifests';
import { reachesStatus } from '#test/kit/rollouts';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;
let fleet: TinyFleet;

const client = () => clientOf(controller.operator);
const ROUTER = 'router.context';
const all = [track('everywhere', [...TARGETS])];

const cellOf = async (target: string) => {
  const board = BoardView.parse((await ask(controller.viewer, 'GET', '/v1/board')).json);
  return board.configs.find(({ config: key }) => key === ROUTER)?.cells.find((cell) => cell.target === target);
};

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  const manifests = [
    ...world(),
    plan('clears', all, { leftovers: 'clear', drain: '1s', rollbackOrder: ['vertex-tpu'] }),
    config('unsplit', { window: 1 }),
  ];
  await client().apply({ manifests, reason: 'for the test' });
  await client().apply({ manifests: [config(ROUTER, { window: 1_000_000 })], reason: 'a wider window' });
  fleet = new TinyFleet(() => controller.service, TARGETS);
  fleet.start();
  await until('every target has traffic', () => TARGETS.every((target) => (fleet.counted.get(target) ?? 0) > 0));
});

afterEach(async () => {
  expect(await faultsOfLog(database.pool)).toEqual([]);
  expect(controller.complaints).toEqual([]);
});

afterAll(async () => {
  await fleet.stop();
  await controller.stop();
  await database.drop();
});

describe('sessions that stick to a withdrawn revision', () => {
  it('are counted, shown, told to let go in the ruleset, and gone at the end of the drain', async () => {
    const { id } = await client().start({ config: ROUTER, plan: 'clears', reason: 'for the test' });
    await until('all targets serve it', async () =>
      (await client().rollout(id)).targets.every(({ converged }) => converged),
    );
    fleet.sticky = { config: ROUTER, revision: 2, requests: 7, units: ['stuck-1', 'stuck-2'] };
    const aborted = await client().command(id, 'abort', { reason: 'users report wrong answers' });
    const places = aborted.targets.map(({ target, wayBack }) => [target, wayBack?.place]);
    expect(Object.fromEntries(places)).toMatchObject({ 'vertex-tpu': 1 });
    const seen = await until('it is seen to stick', async () => {
      const view = await client().rollout(id);
      return view.targets.every(({ wayBack }) => (wayBack?.leftover?.requests ?? 0) > 0) ? view : undefined;
    });
    // Beside the two that stick, whatever came before an instance had read its new ruleset.
    expect(seen.targets[0]?.wayBack?.leftover?.units).toBeGreaterThanOrEqual(2);
    expect(seen.status).toBe('rolling-back');
    const open = seen.targets.find(({ readBack }) => readBack) ?? seen.targets[0];
    expect(await cellOf(open?.target ?? '')).toMatchObject({ takenBack: { rollout: id, revision: 2, isOver: false } });

    const over = await reachesStatus(client(), id, 'rolled-back');
    for (const { ended, wayBack } of over.targets) {
      expect(ended).toBe('drained');
      expect(wayBack?.clearedAt).not.toBeNull();
      expect(wayBack?.leftover?.requests).toBeGreaterThan(0);
    }
    // r1 was live before, but with a break.
    for (const { target, wayBack } of over.targets)
      expect(await cellOf(target)).toMatchObject({
        control: 1,
        rollout: null,
        since: wayBack?.readBackAt,
        takenBack: { rollout: id, revision: 2, at: wayBack?.askedAt, isOver: true },
      });
    const ruleset = await ask(controller.service, 'GET', '/v1/targets/api-tpu/ruleset');
    expect(ruleset.json).toMatchObject({
      flags: {
        [ROUTER]: { defaultVariant: 'r1', metadata: { stickiness: 'drop' } },
        sampler: { metadata: expect.not.objectContaining({ stickiness: 'drop' }) as object },
      },
    });
    const evaluated = await ask(controller.service, 'POST', `/v1/targets/api-tpu/ofrep/v1/evaluate/flags/${ROUTER}`, {
      body: { context: { targetingKey: 'u-1' } },
    });
    expect(evaluated.json).toMatchObject({ variant: 'r1', metadata: { stickiness: 'drop' } });
    const { leftovers } = await client().evidence(id);
    expect(leftovers.map(({ target }) => target)).toEqual(TARGETS);
    for (const { units } of leftovers) expect(units).toBeGreaterThanOrEqual(2);
    const log = await readLog(database.pool);
    const drained = log.filter(({ type, data }) => type === 'TargetDrained' && data['rollout'] === id);
    const counted = leftovers.map(({ target, units }) => [target, units]);
    const recorded = drained.map(({ data }) => [data['target'], (data['leftover'] as { units: number }).units]);
    expect(new Map(recorded as [string, number][])).toEqual(new Map(counted as [string, number][]));
    expect(fleet.rejected).toEqual([]);
  });

  it('may stick again once a revision is shown there', async () => {
    fleet.sticky = undefined;
    const reason = 'another attempt';
    const { id } = await client().start({ config: ROUTER, plan: 'clears', revision: 2, reason, vetoReason: reason });
    const flag = async () => {
      const { json } = await ask(controller.service, 'GET', '/v1/targets/api-tpu/ruleset');
      return JSON.stringify(json);
    };
    await until('it is delivered', async () => (await client().rollout(id)).targets[0]?.delivered === true);
    expect(await flag()).not.toContain('stickiness');
    await client().command(id, 'abort', { reason: 'the test is over' });
    await reachesStatus(client(), id, 'rolled-back');
  });
});

describe('a plan', () => {
  it('whose order of rollback names a target that it does not have is refused, with the field', async () => {
    const wrong = plan('wrong', [track('api', ['api-tpu'])], { rollbackOrder: ['api-tpu', 'bedrock-gpu'] });
    await client().apply({ manifests: [wrong], reason: 'for the test' });
    const body = { config: ROUTER, plan: 'wrong', revision: 1, reason: 'for the test' };
    const refused = await ask(controller.operator, 'POST', '/v1/rollouts', { body });
    expect(problemIn(refused).detail).toContain('bedrock-gpu in the order of its rollback');
  });
});
