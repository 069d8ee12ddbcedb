import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BEDROCK, ENVIRONMENT, startStores, VERTEX, type DemoStores } from '../../apps/simulator/src/demo/stores.js';
import { checkScenario, startSimulator, type Simulator } from '../../apps/simulator/src/simulator.js';
import { clientOf } from '../kit/http.js';
import { startInProcess, type InProcess } from '../kit/in-process.js';
import { config, plan, signal, stage, target, track } from '../kit/manifests.js';
import { reachesStatus } from '../kit/rollouts.js';
import { until } from '../kit/until.js';
import { createTestDatabase, type TestDatabase } from '../test-database.js';

let database: TestDatabase;
let folder: string;
let controller: InProcess;
let stores: DemoStores;
let fleets: Simulator | undefined;

beforeEach(async () => {
  Object.assign(process.env, ENVIRONMENT);
  folder = mkdtempSync(join(tmpdir(), 'headgate-drivers-'));
  database = await createTestDatabase();
  stores = await startStores(process.cwd(), join(folder, 'emulator.log'));
  controller = await startInProcess(database.url);
});

afterEach(async () => {
  await fleets?.stop();
  await controller.stop();
  stores.stop();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

const fleet = { models: { haiku: 1 }, instances: 2, requestsPerSecond: 400, units: 2_000 };
const scenario = checkScenario({
  seed: 7,
  window: '250ms',
  configs: [{ name: 'sampler' }],
  signals: [
    { name: 'script-errors', rate: '1%' },
    { name: 'wrong-pool', rate: '0%' },
  ],
  platforms: {
    api: { targets: { 'api-us': fleet } },
    bedrock: { targets: { [BEDROCK]: fleet } },
    vertex: { targets: { [VERTEX]: fleet } },
  },
});

it('the fleets of the demo follow a rollout through AppConfig and Parameter Manager, which throttle and lose answers, and nothing is harmed', async () => {
  const client = clientOf(controller.operator);
  const stages = { stages: [stage('10%'), stage('50%'), stage('100%')] };
  const manifests = [
    target('api-us', 'api', 'gpu'),
    target(BEDROCK, 'bedrock', 'gpu'),
    target(VERTEX, 'vertex', 'gpu'),
    signal('script-errors', 'rate'),
    signal('wrong-pool', 'invariant'),
    config('sampler', { topP: 0.9 }),
    plan(
      'everywhere',
      ['api', 'bedrock', 'vertex'].map((name) => track(name, { platform: name }, stages)),
    ),
  ];
  await client.apply({ manifests: [...stores.withDrivers(manifests)], reason: 'for the test' });
  await client.apply({ manifests: [config('sampler', { topP: 0.8 })], reason: 'for the test' });
  const { url, syncPort } = controller.controller;
  const simulator = await startSimulator({
    scenario,
    url,
    syncPort,
    token: controller.service.token ?? '',
    dataDir: join(folder, 'fleets'),
    readerOf: stores.readerOf,
  });
  fleets = simulator;
  expect(simulator.stats().sources).toEqual({ controller: 2, store: 4, disk: 0, none: 0 });
  await until('every target has traffic', async () => {
    const { traffic } = await client.preview({ config: 'sampler', plan: 'everywhere' });
    return Object.keys(traffic.perTarget).length === 3;
  });

  await stores.play();
  const { id } = await client.start({ config: 'sampler', plan: 'everywhere', reason: 'for the test' });
  await until('it has settled', async () => (await client.rollout(id)).status === 'settled', {
    timeoutMs: 50_000,
  }).catch(() => reachesStatus(client, id, 'settled'));
  const failed = (await client.events({ rollout: id, type: 'ExposureFailed' })).items.map(({ summary }) => summary);
  for (const words of [
    /bedrock.*ThrottlingException/,
    /vertex.*RESOURCE_EXHAUSTED/,
    /bedrock.*hang up/,
    /vertex.*no answer/,
  ])
    expect(failed).toContainEqual(expect.stringMatching(words));
  expect(await stores.disorder()).toEqual([]);
  await until('every instance evaluates with what was asked last', async () =>
    (await client.targets()).every(({ target: name, generation }) =>
      simulator.stats().generations[name]?.every((each) => each === generation),
    ),
  );
});
