import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, manifest, plan, signal, stage, target } from '#test/kit/manifests';
import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { until } from '#test/kit/until';

let database: TestDatabase;
let controller: InProcess;

const signals = { signals: [{ signal: 'script-errors' }, { signal: 'first-token', tolerate: 1.5 }] };
const tracks = [{ name: 'api', targets: ['api-tpu'], stages: [stage('20%', { activation: 0 }), stage('100%')] }];

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  const apply = (...manifests: ReturnType<typeof config>[]) =>
    clientOf(controller.operator).apply({ manifests, reason: 'for the test' });
  await apply(
    target('api-tpu', 'api', 'tpu'),
    signal('script-errors', 'rate'),
    manifest('Signal', 'first-token', { type: 'distribution', title: 'time to first token', unit: 'ms' }),
    config('router.context', { window: 200_000 }),
    plan('measured', tracks, { ...signals, watch: '1h' }),
  );
  await apply(config('router.context', { window: 1_000_000 }));
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

const preview = async () => {
  const told = await clientOf(controller.operator).preview({ config: 'router.context', plan: 'measured' });
  return { ...told, sight: told.stages[0]?.signals.find((each) => each.signal === 'first-token') };
};

/** A second of requests under a generation, a part of them measured: units by number, latencies a twentieth apart. */
const send = (generation: number, from: number, revisionOf: (unit: number) => number) => {
  const units = Array.from({ length: 400 }, (_, n) => from + n);
  const requests = (revision: number): number => units.filter((unit) => revisionOf(unit) === revision).length;
  return clientOf(controller.service).sendOutcomes({
    batch: randomUUID(),
    target: 'api-tpu',
    instance: 'one',
    windows: [
      {
        from: new Date(Date.now() - 1e3).toISOString(),
        ms: 1e3,
        model: 'haiku',
        generation,
        requests: units.length,
        arms: [1, 2].flatMap((revision) =>
          requests(revision) === 0
            ? []
            : [
                {
                  config: 'router.context',
                  revision,
                  requests: requests(revision),
                },
              ],
        ),
        bad: units
          .filter((unit) => unit % 40 === 0)
          .map((unit) => ({
            signal: 'script-errors',
            unit: `u${unit}`,
            revisions: { 'router.context': revisionOf(unit) },
          })),
        values: units.map((unit) => ({
          signal: 'first-token',
          unit: `u${unit}`,
          value: 100 * 1.05 ** (unit % 60),
          revisions: { 'router.context': revisionOf(unit) },
        })),
      },
    ],
  });
};

it('A preview does not know what a latency would see, until a rollout has measured it', async () => {
  await send(1, 0, () => 1);
  const before = await preview();
  expect(before.sight).toMatchObject({ known: false, smallestHarm: null, predictedMs: null });
  expect(before.warnings.join()).toContain('What first-token can see, and when, is not known yet');
  expect(before.stages[0]?.signals.find((each) => each.signal === 'script-errors')).toMatchObject({ known: true });

  const { id } = await clientOf(controller.operator).start({
    config: 'router.context',
    plan: 'measured',
    reason: 'a wider window',
  });
  const generation = await until('a generation is asked of the target', async () => {
    const { targets } = await clientOf(controller.operator).rollout(id);
    return targets[0]?.generation === undefined || targets[0].generation === 0 ? undefined : targets[0].generation;
  });
  await send(generation, 1_000, (unit) => (unit % 5 === 0 ? 2 : 1));
  const after = await until('the latency is known', async () => {
    const told = await preview();
    return told.sight?.known === true ? told : undefined;
  });
  expect(after.sight?.smallestHarm).toBeGreaterThan(1);
  expect(after.sight?.nearlySure).toBeGreaterThanOrEqual(after.sight?.smallestHarm ?? Number.POSITIVE_INFINITY);
  expect(after.sight?.predictedMs).toBeGreaterThanOrEqual(0);
  expect(after.watch.signals.find((each) => each.signal === 'first-token')).toMatchObject({ known: true });
  expect(after.warnings.join()).not.toContain('is not known yet');
});
