import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RolloutView } from '#libs/contracts';
import { emulatedAppConfig } from '#test/kit/emulated-appconfig';
import { emulatedParameters, GOOGLE_ENVIRONMENT } from '#test/kit/emulated-google';
import { clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, manifest, plan, signal, target, track } from '#test/kit/manifests';
import { reachesStatus } from '#test/kit/rollouts';
import { appConfigReader, parameterReader } from '#test/kit/store-readers';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

const TARGETS = ['api-tpu', 'bedrock-gpu', 'vertex-tpu'];
/** Of a real second, in the polls of AppConfig. */
const POLL_SECOND_MS = 10;
const SLOW = { timeoutMs: 90_000 };

let database: TestDatabase;
let controller: InProcess;
let fleet: TinyFleet;
let emulated: Awaited<ReturnType<typeof emulatedAppConfig>>;

const client = () => clientOf(controller.operator);
const apply = (...manifests: ReturnType<typeof manifest>[]) => client().apply({ manifests, reason: 'for the test' });
const start = (revision: number) =>
  client().start({ config: 'router.context', plan: 'everywhere', revision, reason: 'it is time' });
const historyOf = async (type: string) => (await client().events({ type })).items;
const waitFor = async (id: string, status: RolloutView['status']) =>
  until(`rollout is ${status}`, async () => (await client().rollout(id)).status === status, SLOW).catch(() =>
    reachesStatus(client(), id, status),
  );

const bedrock = (over: Readonly<Record<string, unknown>> = {}) => {
  const { poll: _, onDrift: __, check: ___, ...settings } = emulated.settingsOf('bedrock-gpu');
  const spec = { platform: 'bedrock', labels: { hardware: 'gpu' }, models: ['haiku'], driver: 'aws-appconfig' };
  return manifest('Target', 'bedrock-gpu', { ...spec, settings: { ...settings, poll: '1s', check: '1s', ...over } });
};

beforeAll(async () => {
  Object.assign(process.env, GOOGLE_ENVIRONMENT);
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  emulated = await emulatedAppConfig();
  emulated.emulator.pollSecondMs = POLL_SECOND_MS;
  const parameters = emulatedParameters(emulated.emulator)('vertex-tpu');
  const { poll: _, onDrift: __, check: ___, ...settings } = parameters;
  const vertex = {
    platform: 'vertex',
    labels: { hardware: 'tpu' },
    models: ['haiku'],
    driver: 'gcp-parameter-manager',
  };
  await apply(
    target('api-tpu', 'api', 'tpu'),
    bedrock(),
    manifest('Target', 'vertex-tpu', { ...vertex, settings: { ...settings, poll: '1s', check: '1s' } }),
    signal('script-errors', 'rate'),
    signal('wrong-pool', 'invariant'),
    config('router.context', { window: 1 }),
    plan('everywhere', [
      track('api', { platform: 'api' }),
      track('bedrock', { platform: 'bedrock' }),
      track('vertex', { platform: 'vertex' }),
    ]),
  );
  for (const window of [2, 3]) await apply(config('router.context', { window }));
  fleet = new TinyFleet(controller.service, TARGETS);
  fleet.readers = {
    'bedrock-gpu': appConfigReader(emulated.settingsOf('bedrock-gpu'), POLL_SECOND_MS),
    'vertex-tpu': parameterReader(parameters, GOOGLE_ENVIRONMENT.EMULATED_TOKEN),
  };
  fleet.silent = ['bedrock-gpu'];
  fleet.start(200);
  const hasTraffic = (name: string) => (fleet.counted.get(name) ?? 0) > 0;
  await until('every target has traffic', () => TARGETS.every(hasTraffic), SLOW).catch(async (error: unknown) => {
    const held = TARGETS.map((name) => `${name}: ${fleet.rulesets.get(name)?.metadata.version}`);
    throw new Error(`${String(error)} ${held.join()} ${fleet.rejected.length} ${controller.complaints.join('; ')}`);
  });
}, 120_000);

afterAll(async () => {
  await fleet.stop();
  await controller.stop();
  await emulated.emulator.close();
  await database.drop();
});

const served = (name: string) => fleet.arms(name, 'router.context').map(({ revision }) => revision);

describe('One rollout over a pulling fleet, AppConfig and Parameter Manager', () => {
  it(
    'goes through its stages on all three and settles; who reads AppConfig says nothing and counts by its time',
    { timeout: 180_000 },
    async () => {
      const { id } = await start(2);
      await waitFor(id, 'settled');
      await until('every fleet serves r2', () => TARGETS.every((name) => served(name).join() === '2'), SLOW);
      const converged = (await historyOf('TargetConverged')).filter(({ summary }) => summary.startsWith('bedrock-gpu'));
      expect(converged[0]?.summary).toContain('has had the time');
      const late = await client().apply({ dryRun: true, manifests: [target('api-late', 'api', 'tpu')] });
      expect(late.results[0]?.warnings?.map(({ detail }) => detail)).toEqual([
        expect.stringMatching(/api-late serves r1 of router.context, and r2 is last known good on api-tpu/),
      ]);
    },
  );

  it(
    'is taken back while AppConfig is down: the others at once, AppConfig as soon as it answers',
    { timeout: 180_000 },
    async () => {
      const { id } = await start(3);
      await until('r3 is served everywhere', () => TARGETS.every((name) => served(name).includes(3)), SLOW);
      emulated.emulator.setDown('appconfig', true);
      fleet.faults = [{ config: 'router.context', revision: 3, signal: 'script-errors', perWindow: 90 }];
      const { targets } = await until(
        'the others are read back',
        async () => {
          const seen = await client().rollout(id);
          const isBack = (name: string) => seen.targets.find((each) => each.target === name)?.readBack === true;
          return isBack('api-tpu') && isBack('vertex-tpu') ? seen : undefined;
        },
        SLOW,
      );
      expect(targets.find((each) => each.target === 'bedrock-gpu')?.readBack).toBe(false);
      await until('it is said what is wrong', async () =>
        (await historyOf('ExposureFailed')).some(({ summary }) => summary.includes('ServiceUnavailableException')),
      );
      expect(served('bedrock-gpu')).toContain(3);
      await until(
        'it is shown what it waits for',
        async () => {
          const { status, waitingFor } = await client().rollout(id);
          return status === 'rolling-back' && waitingFor.join().includes('bedrock-gpu: reading back');
        },
        SLOW,
      );
      emulated.emulator.setDown('appconfig', false);
      await waitFor(id, 'rolled-back');
      await until('every fleet serves r2 again', () => TARGETS.every((name) => served(name).join() === '2'), SLOW);
      fleet.faults = [];
    },
  );

  it('finds what a stranger deployed, and puts it back where the target says so', { timeout: 180_000 }, async () => {
    const { application, environment, profile, strategy } = emulated.settingsOf('bedrock-gpu');
    const { state } = emulated.emulator.appConfig;
    const content = '{"flags":{"mine":{}},"metadata":{"version":"1"}}';
    const hotfix = { content, contentType: 'application/json', label: 'hotfix', description: undefined };
    const { number } = state.createVersion(application, profile, hotfix, undefined);
    state.start({ application, environment }, { profile, version: String(number), strategy }, undefined);
    const found = await until('the drift is found', async () => (await historyOf('DriftFound')).at(0), SLOW);
    expect(found.summary).toContain('bedrock-gpu: drift: it holds what Headgate never wrote');
    expect((await client().targets()).find((each) => each.target === 'bedrock-gpu')?.drift?.action).toBe('hold');
    await apply(bedrock({ onDrift: 'put-back' }));
    await until('it is put back', async () => (await historyOf('DriftEnded')).at(0), SLOW);
    expect(state.served(application, environment, profile)?.content).toContain('router.context');
  });
});
