import { graceOf, isOfValues, type Rollout, type Unmeasured } from '#libs/domain';
import type { RequestTotals, Span, TargetSeen } from '../ports.js';

type Seen = ReadonlyMap<string, TargetSeen>;

/** Instances take turns: only what is missing for longer than this is missing. Shorter than any plan's grace. */
const TURNS_MS = 10_000;
const EVERY_SIGNAL = '*';
/** Stands for windows that name what they measured, whatever that was. */
const ANY_SIGNAL = { signal: '+', type: 'rate', source: null } as const;

type Signal = Rollout['plan']['signals'][number];
type Kind = Pick<Signal, 'signal' | 'type' | 'source'>;

/** Comes now and then, of some requests: that a window says nothing of it says nothing. */
const isSampled = ({ type, source }: Kind): boolean => source === null && (isOfValues({ type }) || type === 'paired');

/** Windows of outcomes that name no signals tell of it. */
const isInEveryWindow = (signal: Kind): boolean => signal.source === null && !isSampled(signal);

const decidingSignals = ({ plan }: Rollout): readonly Signal[] => plan.signals.filter(({ shadow }) => !shadow);

type Flowing = Kind & { readonly delayMs: number | null };

/** Without these a bake stands still; of what comes late, windows come all the same. */
const flowing = (rollout: Rollout): readonly Flowing[] => {
  const signals = decidingSignals(rollout).filter((signal) => !isSampled(signal) && signal.missing !== 'warn');
  return signals.some(({ delayMs }) => delayMs === null) ? signals : [...signals, { ...ANY_SIGNAL, delayMs: null }];
};

/** Until when a signal is covered: what comes late may still come. */
const coveredUntil = (span: Span | undefined, { delayMs }: Flowing): number =>
  span === undefined ? Number.NEGATIVE_INFINITY : span.until + (delayMs ?? 0);

/** Since and until when a signal was measured on a target without a gap, by windows that name it or by those that name none. */
export const measuredSpan = (seen: TargetSeen | undefined, signal: Kind): Span | undefined => {
  const every = isInEveryWindow(signal) ? seen?.measured[EVERY_SIGNAL] : undefined;
  const own = seen?.measured[signal.signal];
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
  const signals = flowing(rollout);
  const spans = targets.flatMap((target) =>
    signals.map((signal) => ({ signal, span: measuredSpan(seen.get(target), signal) })),
  );
  const from = Math.max(...spans.map(({ span }) => span?.from ?? Number.POSITIVE_INFINITY));
  const until = Math.min(...spans.map(({ span, signal }) => coveredUntil(span, signal))) + silenceMs;
  return Number.isFinite(from) && Number.isFinite(until) ? { from, until } : undefined;
};

/** Whether a source counts a signal on a target, and nothing of it for this rollout, or nothing of one of its arms. */
export type Armless = (target: string, signal: Signal) => boolean;

/**
 * Of what sources count: a source that names no arm has to count something, and one that names arms something of each.
 * Once it has, it is enough that it goes on.
 */
export const armlessBy = ({ samples }: Pick<RequestTotals, 'samples'>, told: readonly string[]): Armless => {
  const counted = new Map<string, { candidate: number; control: number }>();
  for (const { target, signal, candidate, control } of samples) {
    const known = counted.get(`${signal} ${target}`) ?? { candidate: 0, control: 0 };
    counted.set(`${signal} ${target}`, { candidate: known.candidate + candidate, control: known.control + control });
  }
  return (target, { signal, source }) => {
    if (source === null) return false;
    const { candidate, control } = counted.get(`${signal} ${target}`) ?? { candidate: 0, control: 0 };
    return candidate === 0 || (control === 0 && told.includes(signal));
  };
};

/**
 * Signals that decide and were not measured on these targets since then (epoch ms), although outcomes arrived. What a
 * source counts is missing from the start, unless it may be: of a stage that bakes for no time nothing else waits for
 * its first counts.
 */
export const unmeasuredSince = (
  rollout: Rollout,
  targets: readonly string[],
  seen: Seen,
  since: number,
  isArmless: Armless,
): readonly Unmeasured[] => {
  return targets.flatMap((target) => {
    const there = seen.get(target);
    return decidingSignals(rollout)
      .map((signal) => {
        const until = isArmless(target, signal) ? 0 : (measuredSpan(there, signal)?.until ?? 0);
        const grace = graceOf(rollout, signal);
        const leastMs = isInEveryWindow(signal) ? Math.max(Math.min(TURNS_MS, grace), signal.delayMs ?? 0) : grace;
        const isAwaited = signal.source !== null && signal.missing !== 'warn' && until <= since;
        const ms = Math.max(0, (there?.anyAt ?? 0) - Math.max(since, until));
        return { target, signal: signal.signal, ms, isMissing: isAwaited || ms > leastMs };
      })
      .filter(({ isMissing }) => isMissing)
      .map(({ target: where, signal, ms }) => ({ target: where, signal, ms }));
  });
};
