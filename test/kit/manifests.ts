/** A manifest as a person would write it. */
export type ManifestText = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Record<string, never>;
};

type Spec = Readonly<Record<string, unknown>>;

export const manifest = (kind: string, name: string, spec: Spec): ManifestText => ({
  apiVersion: 'headgate.dev/v1',
  kind,
  metadata: { name },
  spec: spec as ManifestText['spec'],
});

export const config = (name: string, value: Spec, over: Spec = {}): ManifestText =>
  manifest('Config', name, { value, ...over });

export const signal = (
  name: string,
  type: 'rate' | 'invariant' | 'paired',
  title = name.replaceAll('-', ' '),
): ManifestText => manifest('Signal', name, { type, title });

export const target = (name: string, platform: string, hardware: string, models = ['haiku']): ManifestText =>
  manifest('Target', name, { platform, labels: { hardware }, models });

/** A plan whose stages pass as soon as traffic has shown a few units: 10%, then everything, with a holdback of 1%. */
export const plan = (name: string, tracks: readonly Spec[], over: Spec = {}): ManifestText =>
  manifest('Plan', name, {
    watch: '0s',
    drain: '0s',
    grace: '60s',
    signals: [{ signal: 'script-errors', tolerate: 'none' }, { signal: 'wrong-pool' }],
    tracks,
    ...over,
  });

export const stage = (exposure: string, over: Spec = {}): Spec => ({ exposure, bake: '0s', activation: 3, ...over });

export const track = (name: string, targets: unknown, over: Spec = {}): Spec => ({
  name,
  targets,
  stages: [stage('10%'), stage('100%')],
  ...over,
});

/** The targets that most specs use, one of each platform. */
export const TARGETS = ['api-tpu', 'bedrock-gpu', 'vertex-tpu'] as const;

/** Two configs at their baseline, two signals, three targets, and plans over all or one of them. */
export const world = (): ManifestText[] => [
  target('api-tpu', 'api', 'tpu'),
  target('bedrock-gpu', 'bedrock', 'gpu'),
  target('vertex-tpu', 'vertex', 'tpu'),
  signal('script-errors', 'rate'),
  signal('wrong-pool', 'invariant'),
  config('router.context', { window: 200_000 }),
  config('sampler', { top_k: 40 }),
  plan('three-platforms', [
    track('api', { platform: 'api' }),
    track('bedrock', { platform: 'bedrock' }, { after: 'api/10%' }),
    track('vertex', { platform: 'vertex' }, { after: 'bedrock/10%' }),
  ]),
  plan('only-api', [track('api', ['api-tpu'])]),
  plan('holds-at-ten', [track('api', ['api-tpu'], { stages: [stage('10%', { bake: '1h' }), stage('100%')] })]),
];
