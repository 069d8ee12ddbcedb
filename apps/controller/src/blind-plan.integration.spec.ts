import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, clientOf, problemIn } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, plan, signal, stage, target } from '#test/kit/manifests';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;

const rates = { signals: [{ signal: 'script-errors', tolerate: 'none' }] };
const tracks = [{ name: 'api', targets: ['api-tpu'], stages: [stage('10%', { activation: 0 }), stage('100%')] }];

/** Ten requests in ten minutes, one of them bad: too few for any rate to tell anything in seconds. */
beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  const apply = (...manifests: ReturnType<typeof config>[]) =>
    clientOf(controller.operator).apply({ manifests, reason: 'for the test' });
  await apply(
    target('api-tpu', 'api', 'tpu'),
    signal('script-errors', 'rate'),
    signal('wrong-pool', 'invariant'),
    config('router.context', { window: 200_000 }),
    plan('blind', tracks, { ...rates, watch: '1s' }),
    plan('accepted', tracks, { ...rates, watch: '1s', acceptBlind: 'the cluster is new and nobody uses it' }),
    plan('patient', tracks, { ...rates, watch: '30d' }),
    plan('with-invariant', tracks, { watch: '1s' }),
  );
  await apply(config('router.context', { window: 1_000_000 }));
  const at = Date.now() - 600_000;
  const window = (from: number, requests: number, bad: number) => ({
    from: new Date(from).toISOString(),
    ms: 1_000,
    model: 'haiku',
    generation: 1,
    requests,
    arms: [{ config: 'router.context', revision: 1, requests }],
    bad: Array.from({ length: bad }, (_, n) => ({
      signal: 'script-errors',
      unit: `u${n}`,
      revisions: { 'router.context': 1 },
    })),
  });
  await clientOf(controller.service).sendOutcomes({
    batch: randomUUID(),
    target: 'api-tpu',
    instance: 'one',
    windows: [window(at + 5_000, 5, 1), window(at + 590_000, 5, 0)],
  });
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

const start = (name: string) =>
  ask(controller.operator, 'POST', '/v1/rollouts', {
    body: { config: 'router.context', plan: name, reason: 'a wider window' },
  });
const previewOf = (name: string) => clientOf(controller.operator).preview({ config: 'router.context', plan: name });

describe('A plan that could never tell', () => {
  it('is refused where it is started, and its preview says so before', async () => {
    expect(problemIn(await start('blind'))).toMatchObject({ status: 422, code: 'plan-never-tells' });
    expect((await previewOf('blind')).warnings.join(' ')).toContain('a start is refused');
  });

  it('can tell when its watch is long enough, and the preview says how much harm is done by then', async () => {
    const { watch, warnings } = await previewOf('patient');
    expect(warnings.join(' ')).not.toContain('a start is refused');
    const [sight] = watch.signals;
    expect(sight?.smallestHarm).toBeGreaterThan(1);
    expect(sight?.nearlySure).toBeGreaterThan(sight?.smallestHarm ?? Number.POSITIVE_INFINITY);
    expect(sight?.harmedAnswers).toBeGreaterThan(0);
    expect(watch.requests).toBeGreaterThan(10_000);
  });

  it('is started where it has an invariant, which the first violation breaks, or says why it is accepted', async () => {
    const { warnings } = await previewOf('accepted');
    expect(warnings.join(' ')).toContain('accepted by the plan: the cluster is new and nobody uses it');
    expect((await previewOf('with-invariant')).warnings.join(' ')).not.toContain('could ever tell');
    expect((await start('accepted')).status).toBe(201);
  });
});
