import type { History } from '../play.js';
import { endsOf, lifeOf } from './log.js';

/** A rollout whose candidate nobody broke: with what chance it may be taken back, and whether it was. */
export type Harmless = { readonly rollout: string; readonly alpha: number; readonly isAlarm: boolean };

/** Rule 8: harmless rollouts and the false alarms among them. What the bound does not cover is not counted as one. */
export const harmlessOf = (history: History): readonly Harmless[] =>
  endsOf(history).flatMap((rollout) => {
    const { id, config, revision, plan } = rollout;
    const isBroken = history.witness.faultsPlanted.some(
      (fault) => fault.config === config && fault.revision === revision,
    );
    if (isBroken) return [];
    const covered = new Set(
      plan.signals.flatMap(({ signal, type, source }) => (source === null && type !== 'invariant' ? [signal] : [])),
    );
    const isAlarm = lifeOf(history, id).some(
      ({ event }) =>
        event.type === 'DegradationDetected' &&
        covered.has(event.data.signal) &&
        !event.data.sentence.includes('is not measured on'),
    );
    return [{ rollout: id, alpha: plan.alpha, isAlarm }];
  });

/** So many alarms that they come less often than this are too many. */
export const LEAST_CHANCE = 1e-4;

/**
 * The chance that so many alarms or more come of rollouts that each give one with its own chance, computed exactly:
 * Poisson's binomial distribution by convolution.
 */
export const chanceOf = (alarms: number, alphas: readonly number[]): number => {
  let exactly = [1];
  for (const alpha of alphas) {
    const next = Array.from({ length: exactly.length + 1 }, (_, n) => {
      return (exactly[n] ?? 0) * (1 - alpha) + (exactly[n - 1] ?? 0) * alpha;
    });
    exactly = next;
  }
  return exactly.slice(alarms).reduce((sum, each) => sum + each, 0);
};
