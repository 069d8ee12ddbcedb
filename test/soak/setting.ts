import type { FaultInput } from '../../apps/simulator/src/scenario/schema.js';
import { checkScenario, type Scenario } from '../../apps/simulator/src/simulator.js';
import { config, plan, signal, stage, target, track, type ManifestText } from '#test/kit/manifests';

export const CONFIGS = ['router.context', 'sampler', 'tpu.runtime'] as const;

const MODELS = ['sonnet', 'haiku'];

const fleet = (platform: string, hardware: string, requestsPerSecond: number, units: number) => ({
  labels: { platform, hardware },
  models: { sonnet: 60, haiku: 40 },
  instances: 2,
  requestsPerSecond,
  units,
});

/** Fleets that cost a fraction of a core: 1,600 requests in a second on four targets of three platforms. */
export const fleets = (seed: number): Scenario =>
  checkScenario({
    seed,
    window: '500ms',
    heartbeat: '2s',
    buffer: 2_000,
    configs: CONFIGS.map((name) => ({ name })),
    signals: [
      { name: 'wrong-pool', rate: '0%' },
      { name: 'syntax-errors', rate: '2%', alwaysBroken: '0.05%' },
    ],
    platforms: {
      api: { targets: { 'api-tpu': fleet('api', 'tpu', 500, 6_000), 'api-gpu': fleet('api', 'gpu', 400, 5_000) } },
      bedrock: { targets: { 'bedrock-us': fleet('bedrock', 'trainium', 350, 8_000) } },
      vertex: { targets: { 'vertex-eu': fleet('vertex', 'tpu', 350, 8_000) } },
    },
  });

const stages = [
  stage('5%', { bake: '2s', activation: 10 }),
  stage('25%', { bake: '2s', activation: 10 }),
  stage('100%', { bake: '1s', activation: 10 }),
];

/** What is registered before the first change. */
export const manifests = (): readonly ManifestText[] => [
  target('api-tpu', 'api', 'tpu', MODELS),
  target('api-gpu', 'api', 'gpu', MODELS),
  target('bedrock-us', 'bedrock', 'trainium', MODELS),
  target('vertex-eu', 'vertex', 'tpu', MODELS),
  signal('wrong-pool', 'invariant'),
  signal('syntax-errors', 'rate'),
  ...CONFIGS.map((name) => config(name, { value: 0 })),
  plan(
    'platform-by-platform',
    [
      track('api', { platform: 'api' }, { stages }),
      track('bedrock', { platform: 'bedrock' }, { stages, after: 'api/25%' }),
      track('vertex', { platform: 'vertex' }, { stages, after: 'bedrock/25%' }),
    ],
    {
      alpha: 0.001,
      watch: '5s',
      drain: '2s',
      grace: '60s',
      signals: [{ signal: 'wrong-pool' }, { signal: 'syntax-errors', tolerate: 'none' }],
    },
  ),
];

/** What a change does to those who are served by it. */
export type Nature = 'good' | 'misroutes' | 'much worse' | 'a little worse';

const SLICES: readonly NonNullable<FaultInput['where']>[] = [
  {},
  { labels: { hardware: 'tpu' } },
  { labels: { platform: 'api' } },
  { labels: { platform: 'bedrock' } },
  { labels: { platform: 'vertex' } },
  { models: ['sonnet'] },
  { models: ['haiku'] },
  { labels: { target: 'api-gpu' }, models: ['haiku'] },
];

const pick = <T>(items: readonly T[], random: () => number): T => items[Math.floor(random() * items.length)] as T;

/** Half of all changes are good; of the bad ones some hurt little, and only a part of the traffic. */
export const natureOf = (random: () => number): Nature => {
  const draw = random();
  if (draw < 0.5) return 'good';
  if (draw < 0.7) return 'misroutes';
  return draw < 0.9 ? 'much worse' : 'a little worse';
};

/** The fault that makes a revision bad; undefined for a good one. */
export const faultOf = (
  nature: Nature,
  name: string,
  change: { readonly config: string; readonly revision: number },
  random: () => number,
): FaultInput | undefined => {
  const where = pick(SLICES, random);
  switch (nature) {
    case 'good':
      return undefined;
    case 'misroutes':
      return { name, ...change, where, signal: 'wrong-pool', rate: '20%', units: '16%' };
    case 'much worse':
      return { name, ...change, where, signal: 'syntax-errors', ratio: 8 };
    case 'a little worse':
      return { name, ...change, where, signal: 'syntax-errors', ratio: 1.5 };
  }
};

/** In words, for the report. */
export const sliceOf = (fault: FaultInput | undefined): string => {
  if (!fault) return '';
  const { labels = {}, models = [] } = fault.where ?? {};
  const parts = [...Object.entries(labels).map(([label, value]) => `${label} ${value}`), ...models];
  return parts.length === 0 ? 'everywhere' : parts.join(', ');
};
