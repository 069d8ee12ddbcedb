import type { Rollout, Unmeasured } from '#libs/domain';
import type { Span, TargetSeen } from '../ports.js';

type Seen = ReadonlyMap<string, TargetSeen>;

/** Instances take turns: only what is missing for longer than this is missing. Shorter than any plan's grace. */
const TURNS_MS = 10_000;
const EVERY_SIGNAL = '*';

const decidingSignals = ({ plan }: Rollout): readonly string[] =>
  plan.signals.filter(({ shadow }) => !shadow).map(({ signal }) => signal);

/** Since and until when a signal was measured on a target without a gap, by windows that name it or by those that name none. */
export const measuredSpan = (seen: TargetSeen | undefined, signal: string): Span | undefined => {
  const every = seen?.measured[EVERY_SIGNAL];
  const own = seen?.measured[signal];
  if (!every || !own) return every ?? own;
  if (every.from <= own.until && own.from <= every.until)
    return { from: Math.min(every.from, own.from), until: Math.max(every.until, own.until) };
  return every.until > own.until ? every : own;
};

/**
 * The span in which outcomes flowed on every target and measured every signal that decides, and a little silence after
 * it; undefined before the first ones.
 */
export const coveredSpan = (
  rollout: Rollout,
  targets: readonly string[],
  seen: Seen,
  silenceMs: number,
): Span | undefined => {
  const signals = decidingSignals(rollout);
  const spans = targets.flatMap((target) => signals.map((signal) => measuredSpan(seen.get(target), signal)));
  const from = Math.max(...spans.map((span) => span?.from ?? Number.POSITIVE_INFINITY));
  const until = Math.min(...spans.map((span) => span?.until ?? Number.NEGATIVE_INFINITY)) + silenceMs;
  return Number.isFinite(from) && Number.isFinite(until) ? { from, until } : undefined;
};

/** Signals that decide and were not measured on these targets since then (epoch ms), although outcomes arrived. */
export const unmeasuredSince = (
  rollout: Rollout,
  targets: readonly string[],
  seen: Seen,
  since: number,
): readonly Unmeasured[] => {
  const leastMs = Math.min(TURNS_MS, rollout.plan.graceMs);
  return targets.flatMap((target) => {
    const there = seen.get(target);
    return decidingSignals(rollout)
      .map((signal) => {
        const until = measuredSpan(there, signal)?.until ?? 0;
        return { target, signal, ms: (there?.anyAt ?? 0) - Math.max(since, until) };
      })
      .filter(({ ms }) => ms > leastMs);
  });
};
