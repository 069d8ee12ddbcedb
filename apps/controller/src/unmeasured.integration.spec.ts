import { afterAll, beforeAll, expect, it } from 'vitest';
import { clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, plan, stage, track, world } from '#test/kit/manifests';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;
let fleet: TinyFleet;

const client = () => clientOf(controller.operator);

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  const stages = [stage('10%', { bake: '1h' }), stage('100%')];
  await client().apply({
    manifests: [...world(), plan('slow', [track('api', ['api-tpu'], { stages })], { grace: '1s' })],
  });
  await client().apply({ manifests: [config('sampler', { top_k: 50 })] });
  fleet = new TinyFleet(controller.service, ['api-tpu']);
  fleet.signals = ['script-errors', 'wrong-pool'];
  fleet.start();
  await until('the target has traffic', () => (fleet.counted.get('api-tpu') ?? 0) > 0);
});

afterAll(async () => {
  await fleet.stop();
  await controller.stop();
  await database.drop();
});

it('a fleet that stops to measure one signal holds the rollout by that name, and lets it go on when it measures again', async () => {
  const { id } = await client().start({ config: 'sampler', plan: 'slow', revision: 2, reason: 'better answers' });
  const bakes = async () => (await client().rollout(id)).waitingFor.some((what) => what.includes('bake'));
  await until('the stage bakes', bakes);
  fleet.signals = ['script-errors'];
  const held = await until('the rollout is held', async () => (await client().rollout(id)).held ?? undefined);
  expect(held).toMatchObject({
    by: 'policy',
    reason: 'wrong-pool is not measured on api-tpu: see whether its check still runs there',
  });
  fleet.signals = ['script-errors', 'wrong-pool'];
  await until('it goes on', async () => (await client().rollout(id)).held === null);
  expect(fleet.rejected).toEqual([]);
});
