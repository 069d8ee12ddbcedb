import type { Scenario } from '../../apps/simulator/src/simulator.js';
import { checkScenario } from '../../apps/simulator/src/simulator.js';
import { config, manifest, signal, target, type ManifestText } from '#test/kit/manifests';

export const SONNET = 'claude-sonnet-4';
export const HAIKU = 'claude-haiku-3.5';
/** Model → its share of every target's traffic. */
export const MODELS: Readonly<Record<string, number>> = { [SONNET]: 0.6, [HAIKU]: 0.4 };

type Place = {
  readonly target: string;
  readonly platform: string;
  readonly hardware: string;
  readonly perSecond: number;
};

/** The three platforms. */
export const PLACES: readonly Place[] = [
  { target: 'api-tpu', platform: 'api', hardware: 'tpu', perSecond: 900 },
  { target: 'api-gpu', platform: 'api', hardware: 'gpu', perSecond: 700 },
  { target: 'api-trainium', platform: 'api', hardware: 'trainium', perSecond: 500 },
  { target: 'bedrock-us', platform: 'bedrock', hardware: 'trainium', perSecond: 900 },
  { target: 'vertex-eu', platform: 'vertex', hardware: 'tpu', perSecond: 900 },
];

/** Serves nobody: bare rulesets are delivered to it, to see how long that takes while everything else runs. */
export const PROBE = 'probe';

export const INVARIANT = 'wrong-pool';

/**
 * What goes wrong by itself, per request: assumptions, as no base rates are public. Those that are too rare to be shown
 * harmless within seconds can fail a stage and have to prove nothing.
 */
export const BASE_RATES: Readonly<Record<string, number>> = {
  [INVARIANT]: 0,
  misrouted: 0.008,
  'unexpected-script': 0.00001,
  'syntax-errors': 0.02,
  'tool-schema': 0.01,
  refusals: 0.02,
  'cut-off': 0.03,
  'thumbs-down': 0.002,
  'top-1-disagreement': 0.01,
};
const RARE = 0.005;

/** Instances report what they served in windows of this length. */
export const WINDOW_SECONDS = 1;

const INSTANCES = 4;
const UNITS_PER_REQUEST = 80;

/** Fleets of the three platforms, four instances each, and as many instances in all on the probe. */
export const fleetsOf = (seed: number, configs: readonly string[]): Scenario => {
  const platforms = [...new Set(PLACES.map(({ platform }) => platform))];
  const fleet = ({ hardware, perSecond }: Place) => ({
    labels: { hardware },
    models: MODELS,
    instances: INSTANCES,
    requestsPerSecond: perSecond,
    units: perSecond * UNITS_PER_REQUEST,
  });
  const probe = { models: MODELS, instances: INSTANCES * PLACES.length, requestsPerSecond: 0, units: 100 };
  return checkScenario({
    seed,
    window: `${WINDOW_SECONDS}s`,
    heartbeat: '3s',
    configs: configs.map((name) => ({ name })),
    signals: Object.entries(BASE_RATES).map(([name, rate]) => ({
      name,
      rate,
      // A few users always get it: their tools are broken.
      ...(name === 'syntax-errors' ? { alwaysBroken: 0.0005 } : {}),
    })),
    platforms: {
      ...Object.fromEntries(
        platforms.map((platform) => [
          platform,
          {
            targets: Object.fromEntries(
              PLACES.filter((place) => place.platform === platform).map((place) => [place.target, fleet(place)]),
            ),
          },
        ]),
      ),
      [PROBE]: { targets: { [PROBE]: probe } },
    },
  });
};

export type Pace = 'careful' | 'quick';

/** How long the stages last, and below which ratio the frequent signals have to be shown at half exposure. */
const PACES: Readonly<
  Record<Pace, { readonly bakes: readonly string[]; readonly tolerate: number; readonly watch: string }>
> = {
  careful: { bakes: ['3s', '5s', '15s', '3s'], tolerate: 1.5, watch: '5s' },
  quick: { bakes: ['1s', '1s', '5s', '1s'], tolerate: 3, watch: '1s' },
};

export const PLAN = 'platform-by-platform';

/** One plan for all: every signal guards, four stages, the clouds follow the API once it is at 10%. */
const planOf = (pace: Pace): ManifestText => {
  const { bakes, tolerate, watch } = PACES[pace];
  const frequent = Object.entries(BASE_RATES).flatMap(([name, rate]) => (rate >= RARE ? [name] : []));
  const shown = Object.fromEntries(frequent.map((name) => [name, tolerate]));
  const asked = [{}, {}, shown, shown];
  const stages = ['1%', '10%', '50%', '100%'].map((exposure, n) => ({
    exposure,
    bake: bakes[n],
    activation: 10,
    tolerate: n === 1 ? Object.fromEntries(frequent.map((name) => [name, 'none'])) : asked[n],
  }));
  const track = (name: string, after?: string) => ({
    name,
    targets: { platform: name },
    stages,
    ...(after === undefined ? {} : { after }),
  });
  return manifest('Plan', PLAN, {
    alpha: 0.001,
    holdback: '1%',
    watch,
    drain: '2s',
    grace: '60s',
    signals: Object.entries(BASE_RATES).map(([name, rate]) => {
      if (name === INVARIANT) return { signal: name };
      return { signal: name, tolerate: rate < RARE ? 'none' : tolerate };
    }),
    tracks: [track('api'), track('bedrock', 'api/10%'), track('vertex', 'api/10%')],
  });
};

/** What is registered before the first change. */
export const manifestsOf = (pace: Pace, configs: readonly string[]): readonly ManifestText[] => [
  ...PLACES.map(({ target: name, platform, hardware }) => target(name, platform, hardware, Object.keys(MODELS))),
  target(PROBE, PROBE, 'none', Object.keys(MODELS)),
  ...Object.keys(BASE_RATES).map((name) => signal(name, name === INVARIANT ? 'invariant' : 'rate')),
  ...configs.map((name) => config(name, { value: 1 })),
  planOf(pace),
];
