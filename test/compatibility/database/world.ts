import { config, plan, signal, stage, target, track, type ManifestText } from '#test/kit/manifests';

/** No fleet serves it: a target that is only delivered to. */
export const IDLE = target('api-trainium', 'api', 'trainium', ['haiku', 'sonnet']);

const quick = [stage('10%', { bake: '500ms' }), stage('100%', { bake: '500ms' })];
const api = (stages: readonly unknown[]) => track('api', ['api-tpu'], { stages });
const bedrock = (stages: readonly unknown[]) =>
  track('bedrock', { platform: 'bedrock' }, { stages, after: 'api/100%' });
const vertex = (stages: readonly unknown[]) =>
  track('vertex', { platform: 'vertex' }, { stages, after: 'bedrock/100%' });
const unproven = [{ signal: 'script-errors', tolerate: 'none' }, { signal: 'wrong-pool' }];
const request = { assignment: 'request' };

/** Everything that the history of a golden is about. */
export const WORLD: readonly ManifestText[] = [
  target('api-tpu', 'api', 'tpu'),
  target('bedrock-gpu', 'bedrock', 'gpu'),
  target('vertex-tpu', 'vertex', 'tpu'),
  signal('script-errors', 'rate'),
  signal('wrong-pool', 'invariant'),
  config('router.context', { window: 200_000 }),
  config('tpu.runtime', { top_k: 'exact' }, request),
  config('sampler', { top_p: 0.99 }, request),
  config('cache.policy', { keep: '5m' }),
  config('prompt.system', { text: 'short' }),
  config('limits', { output: 8_192 }),
  // Asks for proof of harmlessness, which takes both arms.
  plan('proven', [api([stage('50%', { bake: '500ms' }), stage('100%')]), bedrock(quick)], {
    holdback: '30%',
    watch: '500ms',
    signals: [{ signal: 'script-errors', tolerate: 4 }, { signal: 'wrong-pool' }],
  }),
  plan('quick', [api(quick)], { signals: unproven, drain: '1s' }),
  plan('long-drain', [api(quick), bedrock(quick)], { signals: unproven, drain: '1h' }),
  plan('long-watch', [api(quick)], { signals: unproven, watch: '1h' }),
  // What is under way when the controller is killed.
  plan('in-a-stage', [api([stage('10%', { bake: '4s' }), ...quick.slice(1)]), bedrock(quick), vertex(quick)], {
    signals: unproven,
  }),
  plan('in-the-watch', [api(quick), bedrock(quick)], { signals: unproven, watch: '4s', holdback: '10%' }),
];

const byRequest = new Set(['sampler', 'tpu.runtime']);

/** A new value of each config, as `revision` of it. */
export const change = (name: string, revision: number): ManifestText =>
  config(name, { changed: revision }, byRequest.has(name) ? request : {});
