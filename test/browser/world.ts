import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OutcomeReceipt, type RolloutView } from '#libs/contracts';
import { checkScenario, startSimulator, type Simulator } from '../../apps/simulator/src/simulator.js';
import { ask, clientOf } from '../kit/http.js';
import { startInProcess, type InProcess } from '../kit/in-process.js';
import { manifest, signal, type ManifestText } from '../kit/manifests.js';
import { until } from '../kit/until.js';
import { createTestDatabase, type TestDatabase } from '../test-database.js';

const MODELS = ['claude-sonnet-4', 'claude-haiku-3.5'];
const TARGETS = [
  ['api-us-tpu', 'api', { region: 'us', hardware: 'tpu' }],
  ['api-us-gpu', 'api', { region: 'us', hardware: 'gpu' }],
  ['bedrock-us', 'bedrock', { region: 'us', hardware: 'trainium' }],
  ['vertex-eu', 'vertex', { region: 'eu', hardware: 'tpu' }],
] as const;

/** Instances beat once a second; who is silent for longer than this has stopped talking. */
const LEASE_MS = 4_000;

const plan = (name: string, bake: string, watch: string, drain: string): ManifestText => {
  const stages = ['10%', '50%', '100%'].map((exposure) => ({ exposure, bake, activation: 5, tolerate: {} }));
  return manifest('Plan', name, {
    alpha: 0.001,
    holdback: '1%',
    watch,
    drain,
    grace: '60s',
    signals: [
      { signal: 'wrong-pool' },
      { signal: 'unexpected-script', tolerate: 'none' },
      { signal: 'syntax-errors', tolerate: 'none' },
    ],
    tracks: [
      { name: 'api', targets: { platform: 'api' }, stages },
      { name: 'bedrock', targets: { platform: 'bedrock' }, after: 'api/100%', stages },
      { name: 'vertex', targets: { platform: 'vertex' }, after: 'bedrock/100%', stages },
    ],
  });
};

const config = (name: string, description: string, properties: object, value: object): ManifestText =>
  manifest('Config', name, {
    description,
    schema: { type: 'object', required: Object.keys(value), additionalProperties: false, properties },
    value,
    reason: 'what runs today',
  });

/** Each config has one thing that happens to its second revision, or nothing. */
export const VALUES = {
  'router.context': { longContextAbove: 200_000, countOutputTokens: true },
  sampler: { topP: 0.99, precision: 'fp32' },
  'tpu.runtime': { topK: 'approximate', allowExcessPrecision: true },
  'prompt.system': { version: '2025-08-26', tone: 'brief' },
  'cache.prefix': { minTokens: 2_048, shared: true },
} as const;
export type ConfigName = keyof typeof VALUES;

const SCHEMAS = {
  'router.context': {
    longContextAbove: { type: 'integer', minimum: 1_000, maximum: 1_000_000, description: 'tokens' },
    countOutputTokens: { type: 'boolean' },
  },
  sampler: { topP: { type: 'number', exclusiveMinimum: 0, maximum: 1 }, precision: { enum: ['bf16', 'fp32'] } },
  'tpu.runtime': { topK: { enum: ['exact', 'approximate'] }, allowExcessPrecision: { type: 'boolean' } },
  'prompt.system': { version: { type: 'string' }, tone: { type: 'string' } },
  'cache.prefix': { minTokens: { type: 'integer', minimum: 1 }, shared: { type: 'boolean' } },
} as const;

const manifests = (): ManifestText[] => [
  ...TARGETS.map(([name, platform, labels]) => manifest('Target', name, { platform, labels, models: MODELS })),
  signal('wrong-pool', 'invariant', 'requests served by the wrong pool'),
  signal('unexpected-script', 'rate', 'answers in an unexpected script'),
  signal('syntax-errors', 'rate', 'syntax errors'),
  config('router.context', 'Which pool serves a request, by the length of its context.', SCHEMAS['router.context'], {
    longContextAbove: 200_000,
  }),
  config('sampler', 'Sampling parameters of the serving stack.', SCHEMAS.sampler, { topP: 0.99, precision: 'bf16' }),
  config('tpu.runtime', 'Compiler and runtime settings of the servers.', SCHEMAS['tpu.runtime'], {
    topK: 'exact',
    allowExcessPrecision: false,
  }),
  config('prompt.system', 'The system prompt of the assistant.', SCHEMAS['prompt.system'], {
    version: '2025-06-02',
    tone: 'friendly',
  }),
  config('cache.prefix', 'Which prefixes of prompts are kept.', SCHEMAS['cache.prefix'], {
    minTokens: 1_024,
    shared: false,
  }),
  plan('quick', '500ms', '1s', '1s'),
  plan('slow', '30m', '30m', '10m'),
  plan('short-drain', '500ms', '1s', '5s'),
  plan('long-drain', '500ms', '1s', '10m'),
];

const scenario = () =>
  checkScenario({
    seed: 20_250_829,
    window: '250ms',
    heartbeat: '1s',
    configs: Object.keys(VALUES).map((name) => ({ name })),
    signals: [
      { name: 'wrong-pool', rate: '0%' },
      { name: 'unexpected-script', rate: '0.05%' },
      { name: 'syntax-errors', rate: '2.5%' },
    ],
    platforms: Object.fromEntries(
      ['api', 'bedrock', 'vertex'].map((platform) => [
        platform,
        {
          targets: Object.fromEntries(
            TARGETS.filter((target) => target[1] === platform).map(([name, , labels]) => [
              name,
              {
                labels,
                models: { 'claude-sonnet-4': 60, 'claude-haiku-3.5': 40 },
                instances: 2,
                requestsPerSecond: 500,
                units: 4_000,
              },
            ]),
          ),
        },
      ]),
    ),
    faults: [
      {
        name: 'misrouting',
        config: 'router.context',
        revision: 2,
        where: { models: ['claude-sonnet-4'] },
        signal: 'wrong-pool',
        rate: '60%',
        units: '60%',
        sticky: { for: '6s' },
      },
      {
        name: 'script-everywhere',
        config: 'cache.prefix',
        revision: 2,
        signal: 'unexpected-script',
        rate: '30%',
        sticky: { for: '10m' },
      },
    ],
  });

export type World = {
  readonly controller: InProcess;
  readonly database: TestDatabase;
  /** Proposes the second revision of a config and starts a rollout of it; gives its id. */
  readonly start: (config: ConfigName, plan: string, reason: string) => Promise<string>;
  readonly rollout: (id: string) => Promise<RolloutView>;
  readonly ended: (id: string, status: RolloutView['status']) => Promise<RolloutView>;
  readonly propose: (config: ConfigName, reason: string) => Promise<void>;
  /** An instance of a target says that it has its newest ruleset, and then never anything again. */
  readonly lastWordOf: (target: string, instance: string) => Promise<void>;
  /** An instance tells of requests of one user that it served with a revision just now, by its newest ruleset. */
  readonly servedBy: (target: string, config: ConfigName, revision: number) => Promise<void>;
  /** Sends the life of rollouts to an address from now on. */
  readonly addHook: (url: string) => Promise<void>;
  readonly stop: () => Promise<void>;
};

/** Fleets on three platforms behind a real controller with a database of its own. */
export const startWorld = async (): Promise<World> => {
  const database = await createTestDatabase();
  const controller = await startInProcess(database.url, {
    subjects: { operator: 'alice', viewer: 'victor', service: 'fleets' },
    env: { HEADGATE_HOOK_LOOPBACK: 'allow', HEADGATE_INSTANCE_LEASE_MS: String(LEASE_MS) },
  });
  const folder = mkdtempSync(join(tmpdir(), 'headgate-browser-'));
  const client = clientOf(controller.operator);
  await client.apply({ manifests: manifests() as never, reason: 'the platform is described', dryRun: false });
  let fleets: Simulator | undefined = await startSimulator({
    scenario: scenario(),
    url: controller.admin.url,
    syncPort: controller.controller.syncPort,
    token: controller.service.token ?? '',
    dataDir: folder,
    log: () => undefined,
  });
  await until('outcomes arrive', () => ((fleets?.stats().batches.sent ?? 0) > 8 ? true : undefined));
  const rollout = (id: string): Promise<RolloutView> => client.rollout(id);
  const generationOf = async (target: string): Promise<number> =>
    (await client.targets()).find((each) => each.target === target)?.generation ?? 0;
  const propose = async (name: ConfigName, reason: string): Promise<void> => {
    const spec = { value: VALUES[name] };
    await client.apply({ manifests: [manifest('Config', name, spec)] as never, reason, dryRun: false });
  };
  return {
    controller,
    database,
    rollout,
    propose,
    start: async (name, planName, reason) => {
      await propose(name, reason);
      return (await client.start({ config: name, plan: planName, reason })).id;
    },
    ended: (id, status) =>
      until(
        `rollout ${id} is ${status}`,
        async () => {
          const view = await rollout(id);
          return view.status === status ? view : undefined;
        },
        { timeoutMs: 60_000, everyMs: 200 },
      ),
    lastWordOf: async (target, instance) => {
      const path = `/v1/targets/${target}/instances/${instance}`;
      await ask(controller.service, 'PUT', path, { body: { generation: await generationOf(target) } });
    },
    servedBy: async (target, name, revision) => {
      const [from, generation] = [new Date().toISOString(), await generationOf(target)];
      const arms = [{ config: name, revision, requests: 3, units: ['a user who stayed'] }];
      const windows = [{ from, ms: 100, model: MODELS[0], generation, requests: 3, arms }];
      const body = { batch: randomUUID(), target, instance: 'pod-7', windows };
      const answer = await ask(controller.service, 'POST', '/v1/outcomes', { body });
      const { rejected } = OutcomeReceipt.parse(answer.json);
      if (rejected.length > 0) throw new Error(`Outcomes were refused: ${rejected[0]?.detail}`);
    },
    addHook: async (url) => void (await clientOf(controller.admin).addHook({ url })),
    stop: async () => {
      await fleets?.stop();
      fleets = undefined;
      await controller.stop();
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
