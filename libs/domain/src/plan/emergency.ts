import type { KnownSignal, KnownTarget, PlanSpec } from './plan.types.js';

/** Name of the built-in plan; a plan of one's own under this name takes its place. */
export const EMERGENCY = 'emergency';

/**
 * One step to everywhere, with every registered signal on guard. The holdback stays, because a guardrail without a
 * control sees nothing; nothing is asked to be shown harmless first, and what nobody measures there keeps nothing back.
 */
export const emergencyPlan = (targets: readonly KnownTarget[], signals: readonly KnownSignal[]): PlanSpec => ({
  alpha: 0.001,
  holdback: 100,
  watch: 600_000,
  drain: 300_000,
  grace: 60_000,
  signals: signals.map(({ signal }) => ({
    signal,
    harm: 1,
    tolerate: 'none',
    weight: 1,
    shadow: false,
    // Not every registered signal is measured wherever a config is served.
    missing: 'warn',
  })),
  tracks: [
    {
      name: 'everywhere',
      targets: targets.map(({ target }) => target),
      stages: [{ exposure: 10_000, bake: 0, activation: 0, samples: 0, tolerate: {} }],
    },
  ],
});
