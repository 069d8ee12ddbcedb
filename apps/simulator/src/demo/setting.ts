import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Expectation } from './verdict.js';

/** The project's folder, found from this file, built or not. */
export const projectRoot = (): string => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('The demo is not inside its project: there is no package.json above it.');
    folder = parent;
  }
  return folder;
};

export const PLAN = 'three-platforms';
export const MANIFESTS = ['1-targets.yaml', '2-signals.yaml', '3-configs.yaml', '4-plan.yaml'] as const;

const API_TARGETS = ['api-us-tpu', 'api-us-gpu', 'api-us-trainium'];

/** One change that the demo makes. */
export type Act = {
  readonly title: string;
  readonly config: string;
  readonly file: string;
  readonly reason: string;
  readonly fault: string | undefined;
  readonly expectation: Expectation;
  /** Longest time to wait for its end, in ms. */
  readonly patienceMs: number;
};

export const GOOD: Act = {
  title: 'sampler r2: harmless',
  config: 'sampler',
  file: 'changes/sampler-r2.yaml',
  reason: 'sampling in fp32, so that all operations agree on the most probable token',
  fault: undefined,
  expectation: {
    kind: 'settles',
    tracks: ['api', 'bedrock', 'vertex'],
    stages: ['1%', '10%', '50%', '100%'],
    targets: 5,
  },
  patienceMs: 180_000,
};

export const BAD: readonly Act[] = [
  {
    title: 'router.context r2: misroutes 16% of Sonnet requests, sticky',
    config: 'router.context',
    file: 'changes/router-context-r2.yaml',
    reason: 'get ready for the window of one million tokens',
    fault: 'misrouting',
    expectation: { kind: 'caught', signal: 'wrong-pool', firstStage: 'api/1%', exposed: API_TARGETS },
    patienceMs: 60_000,
  },
  {
    title: 'tpu.runtime r2: unexpected script, on TPU only',
    config: 'tpu.runtime',
    file: 'changes/tpu-runtime-r2.yaml',
    reason: 'faster token selection',
    fault: 'script-on-tpu',
    expectation: { kind: 'caught', signal: 'unexpected-script', firstStage: 'api/1%', exposed: API_TARGETS },
    patienceMs: 60_000,
  },
];
