import type { Facts } from './rollout.facts.js';
import { trackOf, type Rollout } from './rollout.state.js';
import { liveTracks, targetsOf } from './tracks.js';

type Signal = Rollout['plan']['signals'][number];

/** A signal that decides and that nobody has measured on these targets for longer than its grace. */
export type Absence = { readonly signal: Signal; readonly targets: readonly string[] };

/** How long a signal may be missing: no shorter than the time after which its outcomes become known. */
export const graceOf = ({ plan }: Rollout, { graceMs, delayMs }: Pick<Signal, 'graceMs' | 'delayMs'>): number =>
  Math.max(graceMs ?? plan.graceMs, delayMs ?? 0);

/** Targets on which nothing at all is measured for longer than this. */
const silentTargets = (rollout: Rollout, facts: Facts, graceMs: number): readonly string[] => {
  const silent = liveTracks(rollout).filter(({ name }) => {
    if (rollout.status === 'watching') return facts.watch.silentMs > graceMs;
    return trackOf(rollout, name).stage >= 0 && (facts.stages[name]?.silentMs ?? 0) > graceMs;
  });
  return targetsOf(silent).filter((target) => (facts.silentMs?.[target] ?? Number.POSITIVE_INFINITY) > graceMs);
};

/** Signals of one policy that are missing now, in the order of the plan. */
export const absences = (rollout: Rollout, facts: Facts, policy: Signal['missing']): readonly Absence[] => {
  if (rollout.status !== 'staging' && rollout.status !== 'watching') return [];
  const live = new Set(targetsOf(liveTracks(rollout)));
  return rollout.plan.signals
    .filter(({ missing, shadow }) => missing === policy && !shadow)
    .flatMap((signal) => {
      const graceMs = graceOf(rollout, signal);
      const blind = (facts.unmeasured ?? []).filter(
        ({ signal: name, target, ms }) => name === signal.signal && live.has(target) && ms > graceMs,
      );
      // A hold for silence names the tracks and not each of their signals.
      const silent = policy === 'hold' ? [] : silentTargets(rollout, facts, graceMs);
      const targets = [...new Set([...blind.map(({ target }) => target), ...silent])];
      return targets.length > 0 ? [{ signal, targets }] : [];
    });
};

/** `first-token is not measured on api-tpu and api-gpu`. */
export const absenceWords = ({ signal, targets }: Absence): string =>
  `${signal.signal} is not measured on ${targets.join(', ')}`;
