import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CloudWatchClient, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startEmulator, type Emulator } from '#libs/emulators';
import { runCli } from '../apps/cli/src/program.js';
import { scriptedTerminal } from '../apps/cli/src/testing/scripted-terminal.js';
import { clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, manifest, plan, stage, target, track } from '#test/kit/manifests';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let one: InProcess;
let two: InProcess;
let emulator: Emulator;

const client = () => clientOf(one.operator);
const sourceNamed = async (name: string) => (await client().sources()).find(({ source }) => source === name);

/** Minutes before now that are over, the newest last. */
const minutes = (count: number): readonly number[] =>
  Array.from({ length: count }, (_, n) => Math.floor(Date.now() / 60_000) * 60_000 - (count - n) * 60_000);

/** Two hundred requests of which six fail, in each of the last minutes and the one that is under way. */
const invoke = async (model: string): Promise<void> => {
  const sdk = new CloudWatchClient({ region: 'us-east-1', endpoint: emulator.url });
  const Dimensions = [{ Name: 'ModelId', Value: model }];
  for (const start of [...minutes(3), minutes(1)[0]! + 60_000])
    await sdk.send(
      new PutMetricDataCommand({
        Namespace: 'AWS/Bedrock',
        MetricData: [
          { MetricName: 'Invocations', Dimensions, Timestamp: new Date(start), Value: 194 },
          { MetricName: 'InvocationServerErrors', Dimensions, Timestamp: new Date(start), Value: 6 },
        ],
      }),
    );
  sdk.destroy();
};

const cloudWatch = (name: string) =>
  manifest('Source', name, { type: 'cloudwatch', region: 'us-east-1', endpoint: emulator.url });

const errors = (name: string, from: string, model: string) =>
  manifest('Signal', name, {
    type: 'rate',
    title: 'errors',
    source: {
      type: 'cloudwatch',
      from,
      every: '1m',
      delay: '0s',
      target: 'bedrock-gpu',
      models: { haiku: model },
      builtIn: 'errors',
    },
  });

const observed = async (signal: string): Promise<readonly unknown[]> => {
  const { rows } = await database.pool.query(
    'select target, model, requests::int, bad::int from evidence.observed where signal = $1',
    [signal],
  );
  return rows;
};

beforeAll(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  emulator = await startEmulator();
  database = await createTestDatabase();
  one = await startInProcess(database.url);
  two = await startInProcess(database.url, { known: one });
  await client().apply({ manifests: [target('bedrock-gpu', 'bedrock', 'gpu')] });
});

afterAll(async () => {
  await two.stop();
  await one.stop();
  await database.drop();
  await emulator.close();
  vi.unstubAllEnvs();
});

describe('a source that Headgate asks', () => {
  it('is counted once, by one of several controllers, as soon as it is applied', async () => {
    await invoke('model-once');
    await client().apply({ manifests: [cloudWatch('aws'), errors('bedrock-errors', 'aws', 'model-once')] });
    await until('its newest minute is counted', async () => (await observed('bedrock-errors')).length > 0);
    // By minute: whichever controller was first, each has what was invoked in it.
    for (const minute of await observed('bedrock-errors'))
      expect(minute).toEqual({ target: 'bedrock-gpu', model: 'haiku', requests: 200, bad: 6 });
    expect(await sourceNamed('aws')).toMatchObject({ type: 'cloudwatch', state: 'ok', error: null });
  });

  it('rule 3: that is dead is neither zero nor in anybody’s way', async () => {
    await invoke('model-alive');
    await client().apply({
      manifests: [
        manifest('Source', 'dead', { type: 'prometheus', url: 'http://127.0.0.1:1', timeout: '500ms' }),
        manifest('Signal', 'dead-errors', {
          type: 'rate',
          title: 'errors',
          source: { type: 'prometheus', from: 'dead', requests: 'a', bad: 'b' },
        }),
        cloudWatch('alive'),
        errors('alive-errors', 'alive', 'model-alive'),
      ],
    });
    await until('the other one is counted', async () => (await observed('alive-errors')).length > 0);
    const dead = await until('it is known to be dead', async () => {
      const found = await sourceNamed('dead');
      return found?.state === 'failing' ? found : undefined;
    });
    expect(dead).toMatchObject({ countedUntil: null, error: expect.stringContaining('127.0.0.1:1 cannot be asked') });
    expect(await observed('dead-errors')).toEqual([]);
    await client().apply({ manifests: [cloudWatch('dead-no-more')] });
  });

  it('that knows the arms brings both of them to the looks of a running rollout', async () => {
    const prometheus = createServer((request, response) => {
      let form = '';
      request.on('data', (chunk) => (form += String(chunk)));
      request.on('end', () => {
        const isBad = new URLSearchParams(form).get('query') === 'bad[5s]';
        const series = (variant: string, count: number) => ({
          metric: {
            headgate_target: 'bedrock-gpu',
            feature_flag_key: 'sampler',
            feature_flag_result_variant: variant,
          },
          value: [0, String(count)],
        });
        const result = isBad ? [series('r2', 4.5)] : [series('r1', 900.5), series('r2', 100.5)];
        response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }));
      });
    });
    await new Promise<void>((resolve) => prometheus.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(prometheus.address() as AddressInfo).port}`;
    const source = { type: 'prometheus', from: 'by-arm', every: '5s', delay: '0s' };
    const queries = { requests: 'all[$window]', bad: 'bad[$window]' };
    await client().apply({
      manifests: [
        manifest('Source', 'by-arm', { type: 'prometheus', url }),
        manifest('Signal', 'arm-errors', { type: 'rate', title: 'errors', source: { ...source, ...queries } }),
        config('sampler', { top_k: 40 }),
        plan('by-arm', [track('one', ['bedrock-gpu'], { stages: [stage('10%', { bake: '1h' }), stage('100%')] })], {
          signals: [{ signal: 'arm-errors', tolerate: 'none' }],
        }),
      ],
    });
    await client().apply({ manifests: [config('sampler', { top_k: 50 })] });
    const fleet = new TinyFleet(() => one.service, ['bedrock-gpu']);
    fleet.start();
    try {
      const { id } = await until('there is traffic to start with', () =>
        client()
          .start({ config: 'sampler', plan: 'by-arm', reason: 'for the test' })
          .catch(() => undefined),
      );
      const seen = await until('a look has both arms', async () => {
        const { rows } = await database.pool.query<{ cells: string }>(
          'select cells::text as cells from evidence.looks where rollout = $1',
          [id],
        );
        return rows.find(({ cells }) => cells.includes('arm-errors'))?.cells;
      });
      const [cell] = JSON.parse(seen) as readonly Record<string, unknown>[];
      expect(cell).toMatchObject({ signal: 'arm-errors', target: 'bedrock-gpu', model: 'haiku', shareBp: 1_000 });
      const { candidateBad, candidateRequests, controlBad, controlRequests } = cell as Record<string, number>;
      // One window, or several: parts are cut off and kept, so each has 100 or 101.
      const windows = Math.floor(candidateRequests! / 100);
      expect(windows).toBeGreaterThan(0);
      const isNear = (counted: number | undefined, each: number): boolean =>
        Math.abs((counted ?? -1) - each * windows) <= 1;
      expect([isNear(candidateBad, 4.5), isNear(candidateRequests, 100.5), isNear(controlRequests, 900.5)]).toEqual([
        true,
        true,
        true,
      ]);
      expect(controlBad).toBe(0);
    } finally {
      await fleet.stop();
      prometheus.closeAllConnections();
      await new Promise((resolve) => prometheus.close(resolve));
    }
  });

  it('is listed by the command line with what is wrong, in words', async () => {
    const env = { HEADGATE_URL: one.viewer.url, HEADGATE_TOKEN: one.viewer.token ?? '' };
    const terminal = { ...scriptedTerminal({ env, cwd: process.cwd() }), now: Date.now };
    expect(await runCli(['sources'], terminal)).toBe(0);
    expect(terminal.stdout()).toMatch(/^alive +cloudwatch +ok/m);
    expect(terminal.stdout()).toMatch(/^dead +prometheus +failing +- +- +1 +127\.0\.0\.1:1 cannot be asked/m);
    expect(terminal.stdout()).toMatch(/^dead-no-more +cloudwatch +unused/m);
  });

  it('is not registered with a secret in its manifest, nor with one that is none of its own', async () => {
    const apply = (spec: Record<string, unknown>) =>
      client().apply({ manifests: [manifest('Source', 'leaky', spec)], dryRun: true });
    const prometheus = { type: 'prometheus', url: 'https://prometheus.example.com' };
    await expect(apply({ ...prometheus, bearerTokenEnv: 'DATABASE_URL' })).rejects.toThrow('HEADGATE_SOURCE_');
    await expect(apply({ ...prometheus, url: 'https://me:secret@example.com' })).rejects.toThrow('leave user');
    await expect(apply({ ...prometheus, headers: { Authorization: 'Bearer x' } })).rejects.toThrow('holds a secret');
    const google = { type: 'cloud-monitoring', project: 'acme', endpoint: 'https://elsewhere.example.com' };
    await expect(apply(google)).rejects.toThrow('googleapis.com');
  });
});
