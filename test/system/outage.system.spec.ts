import { FlagdProvider } from '@openfeature/flagd-provider';
import { OpenFeature, ProviderEvents, type JsonValue } from '@openfeature/server-sdk';
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { adminOf, endChildren, startChild, type ChildController } from '../kit/child.js';
import { clientOf, issueToken, type Door } from '../kit/http.js';
import { config, world } from '../kit/manifests.js';
import { TinyFleet } from '../kit/tiny-fleet.js';
import { until } from '../kit/until.js';
import { createTestDatabase, type TestDatabase } from '../test-database.js';

const KEYS = Array.from({ length: 2_000 }, (_, index) => `unit-${index}`);
const HOST = '127.0.0.1';

let database: TestDatabase;
let provider: FlagdProvider | undefined;

beforeAll(async () => {
  setLogVerbosity(logVerbosity.NONE);
  database = await createTestDatabase();
});

afterEach(async () => {
  await provider?.onClose();
  await endChildren();
});

afterAll(() => database.drop());

/** An instance of the fleet with the official provider, evaluating in process. */
const startInstance = async (syncPort: number, token: string) => {
  provider = new FlagdProvider({
    resolverType: 'in-process',
    host: HOST,
    port: syncPort,
    selector: `api-tpu?token=${token}`,
    deadlineMs: 10_000,
    retryBackoffMs: 100,
    retryBackoffMaxMs: 200,
    retryGracePeriod: 0.2,
  });
  await OpenFeature.setProviderAndWait('outage', provider);
  const client = OpenFeature.getClient('outage');
  const evaluate = (targetingKey: string) =>
    client.getObjectDetails<JsonValue>('router.context', { window: 0 }, { targetingKey });
  const variants = async () => {
    const details = await Promise.all(KEYS.map(evaluate));
    return details.map(({ variant, value }) => `${variant} ${JSON.stringify(value)}`);
  };
  const generation = async () => Number((await evaluate('unit-0')).flagMetadata['version']);
  return { client, variants, generation };
};

it('while the controller is dead for the rest of a 10% stage, none of 2,000 units changes its variant, nor when it is back', async () => {
  let controller: ChildController = await startChild({ databaseUrl: database.url });
  const { syncPort, dataDir } = controller;
  const admin = adminOf(controller);
  const door = (): Door => ({ url: controller.url, token: admin.token });
  await clientOf(door()).apply({ manifests: world() });
  await clientOf(door()).apply({ manifests: [config('router.context', { window: 1_000_000 })] });
  const fleet = new TinyFleet(door, ['api-tpu']);
  await until('there is traffic', async () => {
    await fleet.round();
    return (fleet.counted.get('api-tpu') ?? 0) > 0;
  });
  const { id, targets } = await clientOf(door()).start({
    config: 'router.context',
    plan: 'holds-at-ten',
    reason: 'a wider window',
  });
  const asked = targets[0]?.generation ?? 0;

  const instance = await startInstance(syncPort, await issueToken(door(), 'service'));
  await until('the instance has the stage', async () => (await instance.generation()) >= asked);
  const before = await instance.variants();
  const onCandidate = before.filter((variant) => variant === 'r2 {"window":1000000}').length;
  expect(onCandidate / KEYS.length).toBeGreaterThan(0.07);
  expect(onCandidate / KEYS.length).toBeLessThan(0.13);
  expect(before.filter((variant) => variant === 'r1 {"window":200000}')).toHaveLength(KEYS.length - onCandidate);

  const noticed = new Promise((resolve) => instance.client.addHandler(ProviderEvents.Error, resolve));
  await controller.kill9();
  expect(await instance.variants()).toEqual(before);
  await noticed;
  expect(await instance.variants()).toEqual(before);

  controller = await startChild({
    databaseUrl: database.url,
    dataDir,
    env: { HEADGATE_SYNC_PORT: String(syncPort) },
  });
  expect(await instance.variants()).toEqual(before);
  // Something new on the target shows that the instance hears the controller again.
  await clientOf(door()).apply({ manifests: [config('another', { on: true })] });
  await until('the instance hears the controller again', async () => (await instance.generation()) > asked);
  expect(await instance.variants()).toEqual(before);
  expect(await clientOf(door()).rollout(id)).toMatchObject({ status: 'staging', tracks: [{ stage: '10%' }] });
}, 60_000);
