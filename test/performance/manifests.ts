import type { JsonObject } from '#libs/kernel';

const API_VERSION = 'headgate.dev/v1';

export const manifest = (kind: string, name: string, spec: JsonObject): JsonObject => ({
  apiVersion: API_VERSION,
  kind,
  metadata: { name },
  spec,
});

/** The three platforms, one target each. */
export const PLATFORMS = ['api', 'bedrock', 'vertex'] as const;
export const MODEL = 'claude-sonnet-4';
export const SIGNAL = 'syntax-errors';
export const PLAN = 'all-at-once';

/** One config with the value of its revision `n`. */
export const configManifest = (name: string, n: number): JsonObject => manifest('Config', name, { value: { n } });

/** Targets, one rate signal, and a plan whose first stage exposes half of each platform for an hour. */
export const settingManifests = (): readonly JsonObject[] => [
  ...PLATFORMS.map((platform) =>
    manifest('Target', platform, { platform, labels: { hardware: 'tpu', region: 'us' }, models: [MODEL] }),
  ),
  manifest('Signal', SIGNAL, { type: 'rate', title: 'syntax errors' }),
  manifest('Plan', PLAN, {
    alpha: 0.001,
    holdback: '1%',
    watch: '1h',
    drain: '1s',
    grace: '1h',
    signals: [{ signal: SIGNAL, tolerate: 'none' }],
    tracks: PLATFORMS.map((platform) => ({
      name: platform,
      targets: { platform },
      stages: [
        { exposure: '50%', bake: '1h', activation: 0 },
        { exposure: '100%', bake: '1h', activation: 0 },
      ],
    })),
  }),
];
