import { OutcomeBatch, type SignalType } from '#libs/contracts';
import type { Binning } from './bins.js';
import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import type { Exposure, Running } from './exposure.js';
import { ExposureLookup } from './exposure.js';

/** What the specs agree on: 2025-09-01 12:00 UTC. */
export const NOON = Date.parse('2025-09-01T12:00:00.000Z');

const TARGETS = ['api-gpu', 'api-tpu', 'bedrock-east'];
const MODELS = ['haiku', 'sonnet'];
const SIGNALS: Readonly<Record<string, SignalType>> = {
  'script-error': 'rate',
  refusal: 'rate',
  latency: 'rate',
  misrouted: 'invariant',
  'first-token': 'distribution',
  score: 'mean',
  agreement: 'paired',
  timeouts: 'rate',
  duration: 'distribution',
  rating: 'mean',
};
/** Signals that a source counts. */
const COUNTED = ['timeouts', 'duration', 'rating'];
const NEWEST_REVISION = 5;

/** A lookup that says what it was told; api targets serve both models. Generations 0..100 exist; configs have the revisions 1..5. */
export class ToldExposures extends ExposureLookup {
  private readonly exposures = new Map<string, Exposure>();
  private readonly drains = new Map<string, string>();
  private readonly leaving = new Map<string, number>();

  /** From this generation on, until a later one is told, or `none`. */
  tell(target: string, config: string, generation: number, exposure: Exposure): void {
    this.exposures.set(`${target} ${config} ${generation}`, exposure);
  }

  withdraw(target: string, config: string, revision: number, rollout: string): void {
    this.drains.set(`${target} ${config} ${revision}`, rollout);
  }

  /** The control is asked for there since then (epoch ms). */
  leave(rollout: string, target: string, since: number): void {
    this.leaving.set(`${rollout} ${target}`, since);
  }

  override leavingSince(rollout: string, target: string): number | undefined {
    return this.leaving.get(`${rollout} ${target}`);
  }

  override newest(target: string): number {
    return Math.max(0, ...this.told(target).map(({ generation }) => generation));
  }

  override running(target: string): readonly Running[] {
    const newest = new Map(
      this.told(target)
        .toSorted((a, b) => a.generation - b.generation)
        .map(({ config, exposure }) => [config, { ...exposure, config }]),
    );
    return [...newest.values()].filter(({ shareBp }) => shareBp > 0);
  }

  private told(target: string) {
    return [...this.exposures].flatMap(([key, exposure]) => {
      const [there, config = '', generation] = key.split(' ');
      return there === target ? [{ config, generation: Number(generation), exposure }] : [];
    });
  }

  override find(target: string, config: string, generation: number): Exposure | 'none' | 'unknown-generation' {
    if (generation > 100) return 'unknown-generation';
    return this.exposures.get(`${target} ${config} ${generation}`) ?? 'none';
  }

  override withdrawn(target: string, config: string, revision: number): string | undefined {
    return this.drains.get(`${target} ${config} ${revision}`);
  }

  override knowsTarget(target: string): boolean {
    return TARGETS.includes(target);
  }

  override knowsModel(target: string, model: string): boolean {
    return this.knowsTarget(target) && MODELS.slice(0, target === 'bedrock-east' ? 1 : 2).includes(model);
  }

  override onlyModel(target: string): string | undefined {
    return target === 'bedrock-east' ? 'haiku' : undefined;
  }

  override sourceOf(signal: string): string | undefined {
    return COUNTED.includes(signal) ? 'otlp' : undefined;
  }

  override knowsSignal(signal: string): SignalType | undefined {
    return SIGNALS[signal];
  }

  override binningOf(signal: string): Binning | undefined {
    if (SIGNALS[signal] === 'distribution') return 'by-size';
    return SIGNALS[signal] === 'mean' ? { low: 0, high: 1 } : undefined;
  }

  override knowsRevision(config: string, revision: number): boolean {
    return ['router', 'sampling'].includes(config) && revision >= 1 && revision <= NEWEST_REVISION;
  }
}

/** Candidate 2 against control 1, by unit, judged by script errors, misrouting, latencies, scores and pairs. */
export const exposureOf = (rollout: string, shareBp: number, more: Partial<Exposure> = {}): Exposure => ({
  rollout,
  candidate: 2,
  control: 1,
  shareBp,
  startedAt: NOON - 3_600_000,
  assignment: 'unit',
  draw: null,
  signals: new Set(['script-error', 'refusal']),
  invariants: new Set(['misrouted']),
  counted: new Map(),
  values: new Map<string, Binning>([
    ['first-token', 'by-size'],
    ['score', { low: 0, high: 1 }],
  ]),
  paired: new Set(['agreement']),
  ...more,
});

type Input = z.input<typeof OutcomeBatch>;
export type WindowInput = Partial<Input['windows'][number]>;

/** A window of ten seconds that ends at noon. */
export const windowOf = (more: WindowInput = {}): Input['windows'][number] => ({
  from: new Date(NOON - 10_000).toISOString(),
  ms: 10_000,
  model: 'haiku',
  generation: 10,
  requests: 100,
  arms: [],
  ...more,
});

/** A batch of one instance on the API's TPUs. */
export const batchOf = (windows: readonly WindowInput[], more: Partial<Input> = {}): OutcomeBatch =>
  OutcomeBatch.parse({
    batch: randomUUID(),
    target: 'api-tpu',
    instance: 'tpu-7',
    windows: windows.map(windowOf),
    ...more,
  });

/** A bad outcome of one unit on one revision of the router. */
export const badOf = (unit: string, revision: number, signal = 'script-error') => ({
  signal,
  unit,
  revisions: { router: revision },
});
