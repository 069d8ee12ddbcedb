import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkScenario, startSimulator, type Simulator } from '../../apps/simulator/src/simulator.js';
import { clientOf } from '../kit/http.js';
import { startInProcess, type InProcess } from '../kit/in-process.js';
import { config, manifest, signal, stage, target, track } from '../kit/manifests.js';
import { reachesStatus } from '../kit/rollouts.js';
import { until } from '../kit/until.js';
import { createTestDatabase, type TestDatabase } from '../test-database.js';

const BUILD = 'server.build';
const build = (version: string) => config(BUILD, { version }, { assignment: 'instance' });

const stages = ['25%', '50%', '100%'].map((exposure) => stage(exposure, { bake: '2s' }));
const plan = (name: string, alpha: number, tolerate: string | number = 'none') =>
  manifest('Plan', name, {
    alpha,
    holdback: '10%',
    watch: '2s',
    drain: '1s',
    grace: '30s',
    signals: [
      { signal: 'script-errors', tolerate },
      { signal: 'wrong-pool', weight: 0.25 },
    ],
    tracks: [track('api', ['api-tpu'], { stages })],
  });

/** Eight instances; the third build writes in the wrong script, a fifth of the time. */
const scenario = checkScenario({
  seed: 11,
  window: '250ms',
  heartbeat: '250ms',
  configs: [{ name: BUILD, assignment: 'instance' }],
  signals: [
    { name: 'script-errors', rate: '1%' },
    { name: 'wrong-pool', rate: '0%' },
  ],
  platforms: {
    api: {
      targets: {
        'api-tpu': {
          labels: { hardware: 'tpu' },
          models: { haiku: 1 },
          instances: 8,
          requestsPerSecond: 1_600,
          units: 5_000,
        },
      },
    },
  },
  faults: [{ name: 'wrong-script', config: BUILD, revision: 3, signal: 'script-errors', rate: '20%' }],
});

let database: TestDatabase;
let here: InProcess;
let fleet: Simulator;
let dataDir: string;

beforeAll(async () => {
  setLogVerbosity(logVerbosity.NONE);
  dataDir = mkdtempSync(join(tmpdir(), 'headgate-by-instance-'));
  database = await createTestDatabase();
  here = await startInProcess(database.url);
  const registered = [
    target('api-tpu', 'api', 'tpu'),
    signal('script-errors', 'rate'),
    signal('wrong-pool', 'invariant'),
  ];
  await clientOf(here.admin).apply({
    manifests: [
      ...registered,
      build('1.0'),
      plan('builds', 0.1),
      plan('too-careful', 0.001),
      plan('too-strict', 0.1, 2),
    ],
  });
  await clientOf(here.admin).apply({ manifests: [build('1.1')] });
  const { url, syncPort } = here.controller;
  fleet = await startSimulator({ scenario, url, syncPort, token: here.service.token ?? '', dataDir });
  await until('eight instances have acknowledged', () => Promise.resolve(fleet.stats().connected === 8));
}, 60_000);

afterAll(async () => {
  await fleet.stop();
  await here.stop();
  await database.drop();
  rmSync(dataDir, { recursive: true, force: true });
});

const operator = () => clientOf(here.operator);

it('a good server build goes to 2, 4 and 7 of 8 instances and settles; a bad one is caught on 2 and taken back', async () => {
  const preview = await until('there is traffic', async () => {
    const seen = await operator().preview({ config: BUILD, plan: 'builds' });
    return (seen.traffic.perTarget['api-tpu'] ?? 0) > 0 ? seen : undefined;
  });
  expect(preview.stages.map(({ instances }) => instances)).toEqual(
    [2, 4, 7].map((chosen) => [{ target: 'api-tpu', chosen, of: 8 }]),
  );
  expect((await operator().preview({ config: BUILD, plan: 'too-careful' })).warnings.join(' ')).toContain(
    '4 of 8 on api-tpu the strongest evidence',
  );
  await expect(operator().start({ config: BUILD, plan: 'too-careful', reason: 'a try' })).rejects.toThrow(
    'could never tell',
  );
  await expect(operator().start({ config: BUILD, plan: 'too-strict', reason: 'a try' })).rejects.toThrow(
    'can not be shown to be below x2',
  );

  const good = await operator().start({ config: BUILD, plan: 'builds', reason: 'a newer build' });
  const settled = await reachesStatus(operator(), good.id, 'settled', 'rolled-back');
  expect(settled).toMatchObject({ status: 'settled', verdicts: expect.anything() });

  await clientOf(here.admin).apply({ manifests: [build('1.2')] });
  const bad = await operator().start({ config: BUILD, plan: 'builds', reason: 'an even newer build' });
  const ended = await reachesStatus(operator(), bad.id, 'settled', 'rolled-back');
  expect(ended.cause).toMatch(
    /^script errors by instance on api-tpu: \d+% on 2 instances of the candidate against [\d.]+% on 6 of control; shown to be worse$/,
  );
  expect(ended).toMatchObject({
    status: 'rolled-back',
    targets: [{ target: 'api-tpu', readBack: true, ended: 'drained' }],
  });
  // What was refused would be missing in the evidence.
  expect(fleet.stats().batches).toMatchObject({ refused: 0, rejectedItems: 0 });
  const [served] = Object.values(fleet.groundTruth().faults['wrong-script'] ?? {});
  expect(served?.badAfterRollback).toBe(0);
}, 120_000);
