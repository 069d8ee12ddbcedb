import { parentPort } from 'node:worker_threads';
import type { Delay, Late, LateDelay, Row, Setting } from './evidence-delay.js';
import { delayOf, lateDelayOf } from './evidence-delay.js';
import type { Harmless } from './evidence-null.js';
import { harmlessRollout } from './evidence-null.js';
import { valueDelayOf, type ValueDelay, type ValueRow } from './evidence-values.js';

/** A part of the benchmark that one thread does by itself; the same job gives the same result on any thread. */
export type Job =
  | {
      readonly kind: 'harmless';
      readonly what: Harmless;
      readonly alpha: number;
      readonly runs: number;
      readonly seed: number;
    }
  | {
      readonly kind: 'delay';
      readonly row: Row;
      readonly setting: Setting;
      readonly runs: number;
      readonly seed: number;
    }
  | ({ readonly kind: 'late' } & Late)
  | { readonly kind: 'values'; readonly row: ValueRow; readonly runs: number; readonly seed: number };

export type HarmlessResult = {
  readonly what: Harmless;
  readonly alpha: number;
  readonly runs: number;
  readonly failed: number;
  readonly events: number;
};

export type JobResult =
  | ({ readonly kind: 'harmless' } & HarmlessResult)
  | ({ readonly kind: 'delay'; readonly setting: Setting } & Delay)
  | ({ readonly kind: 'late' } & LateDelay)
  | ({ readonly kind: 'values' } & ValueDelay);

const done = (job: Job): JobResult => {
  if (job.kind === 'delay') {
    const { row, setting, runs, seed } = job;
    return { kind: 'delay', setting, ...delayOf(row, setting, runs, seed) };
  }
  if (job.kind === 'late') return { kind: 'late', ...lateDelayOf(job) };
  if (job.kind === 'values') return { kind: 'values', ...valueDelayOf(job.row, job.runs, job.seed) };
  const { what, alpha, runs, seed } = job;
  let [failed, events] = [0, 0];
  for (let run = 0; run < runs; run += 1) {
    const rollout = harmlessRollout(what, seed + run, alpha);
    failed += rollout.failed ? 1 : 0;
    events += rollout.events;
  }
  return { kind: 'harmless', what, alpha, runs, failed, events };
};

parentPort?.on('message', (job: Job) => parentPort?.postMessage(done(job)));
