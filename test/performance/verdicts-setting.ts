import { randomUUID } from 'node:crypto';
import {
  ApplyManifestsCommand,
  ApplyManifestsHandler,
  automation,
  StartRolloutCommand,
  StartRolloutHandler,
} from '#libs/application';
import { Manifest, OutcomeBatch } from '#libs/contracts';
import type { JsonObject } from '#libs/kernel';
import { isOnCandidate } from '#libs/domain';
import { loadConfig } from '../../apps/controller/src/config.js';
import { startCore, type Core } from '../../apps/controller/src/composition/core.js';
import { makeLog } from '../../apps/controller/src/composition/log.js';
import { configManifest, manifest } from './manifests.js';

const PLATFORMS = ['api', 'bedrock', 'vertex'];
const MODELS = ['claude-haiku', 'claude-sonnet'];
const PLAN = 'half-everywhere';
const TARGETS = 20;
export const SLICES = TARGETS * MODELS.length;
const RATES = Array.from({ length: 18 }, (_, n) => `rate-${n}`);
/** Two of the twenty are invariants, which nobody violates here: they are looked up at each evaluation. */
const INVARIANTS = ['never-a', 'never-b'];
export const SIGNALS = RATES.length + INVARIANTS.length;

const placeOf = (n: number) => ({ target: `target-${n}`, platform: PLATFORMS[n % PLATFORMS.length] ?? '' });
const PLACES = Array.from({ length: TARGETS }, (_, n) => placeOf(n));
export const configName = (n: number): string => `config-${n}`;

const settings = (): readonly JsonObject[] => [
  ...PLACES.map(({ target, platform }) => manifest('Target', target, { platform, models: MODELS })),
  ...RATES.map((name) => manifest('Signal', name, { type: 'rate', title: name })),
  ...INVARIANTS.map((name) => manifest('Signal', name, { type: 'invariant', title: name })),
  manifest('Plan', PLAN, {
    alpha: 0.001,
    watch: '1h',
    drain: '1s',
    grace: '1h',
    signals: [...RATES, ...INVARIANTS].map((signal) => ({ signal })),
    tracks: PLATFORMS.map((platform) => ({
      name: platform,
      targets: { platform },
      stages: [
        { exposure: '50%', bake: '1h' },
        { exposure: '100%', bake: '1h' },
      ],
    })),
  }),
];

/** A controller without its loops: what it looks at, and when, is the benchmark's to say. */
export const openCore = (url: string): Promise<Core> =>
  startCore(
    loadConfig({ HEADGATE_ROLE: 'api', HEADGATE_SYNC_PORT: '0', HEADGATE_LOG: 'quiet' }),
    url,
    makeLog('quiet'),
  );

/** Starts so many rollouts as people would, each of a config of its own, all over the same targets. */
export const startRollouts = async (url: string, count: number): Promise<void> => {
  const core = await openCore(url);
  const apply = async (raw: readonly JsonObject[]): Promise<void> => {
    const manifests = raw.map((each) => ({ raw: each, parsed: Manifest.parse(each) }));
    const command = new ApplyManifestsCommand(manifests, false, automation(randomUUID()));
    const outcome = await new ApplyManifestsHandler(core.runner).execute(command);
    if (!outcome.accepted) throw new Error(outcome.rejection.message);
    await core.view.caughtUpWith(outcome.lastPosition);
  };
  const names = Array.from({ length: count }, (_, n) => configName(n));
  await apply(settings());
  for (const revision of [1, 2]) await apply(names.map((name) => configManifest(name, revision)));
  const handler = new StartRolloutHandler(core.runner, core.view);
  const start = async (config: string): Promise<void> => {
    const command = new StartRolloutCommand({ config, plan: PLAN }, automation(randomUUID()));
    const outcome = await handler.execute(command);
    if (!outcome.accepted) throw new Error(outcome.rejection.message);
  };
  await Promise.all(names.map(start));
  await core.stop();
};

/** Configs in one window: the contract takes 200 arms. */
const CONFIGS_PER_WINDOW = 100;
const REQUESTS = 20;

/**
 * What the fleets report between two evaluations: in every slice requests on both arms of every rollout, and so many bad
 * answers, each of another user and signal. The user's coin puts each answer on an arm of every rollout.
 */
export const outcomesOf = (
  core: Core,
  round: { readonly seed: number; readonly rollouts: number; readonly badPerSlice: number },
): readonly OutcomeBatch[] => {
  const { seed, rollouts, badPerSlice } = round;
  const configs = Array.from({ length: rollouts }, (_, n) => configName(n));
  const from = new Date(core.clock.now() - 1_000).toISOString();
  const generation = core.view.position;
  return PLACES.map(({ target }, place) => {
    const desired = new Map(core.view.fleet.desired(target).map((each) => [each.config, each]));
    const revisionsOf = (unit: string) =>
      Object.fromEntries(
        configs.map((config) => {
          const { rollout = null, shareBp = 0 } = desired.get(config) ?? {};
          return [config, rollout !== null && isOnCandidate(rollout, unit, shareBp) ? 2 : 1];
        }),
      );
    const answer = (unit: string) => ({ unit, revisions: revisionsOf(unit) });
    return OutcomeBatch.parse({
      batch: randomUUID(),
      target,
      instance: `${target}-1`,
      windows: MODELS.flatMap((model, m) => {
        const base = { from, ms: 1_000, model, generation };
        const parts = Array.from({ length: Math.ceil(rollouts / CONFIGS_PER_WINDOW) }, (_, part) =>
          configs.slice(part * CONFIGS_PER_WINDOW, (part + 1) * CONFIGS_PER_WINDOW),
        );
        const arms = (part: readonly string[]) =>
          part.flatMap((config) => [1, 2].map((revision) => ({ config, revision, requests: REQUESTS / 2 })));
        const bad = Array.from({ length: badPerSlice }, (_, n) => ({
          signal: RATES[(place + m + n + seed) % RATES.length],
          ...answer(randomUUID()),
        }));
        return parts.map((part, index) => ({
          ...base,
          requests: index === 0 ? REQUESTS : 0,
          arms: arms(part),
          bad: index === 0 ? bad : [],
        }));
      }),
    });
  });
};
