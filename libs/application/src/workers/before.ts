import { trackOf, type Rollout, type SliceCounts } from '#libs/domain';
import type { Evidence, ObservedTotals } from '../ports.js';

/** The past that a slice without arms is compared with: so long before its track began. */
const BEFORE_MS = 3_600_000;

/** Whether a source has counted a signal, and nothing of control. */
export const isControlSilent = (signal: Rollout['plan']['signals'][number], counts: readonly SliceCounts[]): boolean =>
  signal.source !== null &&
  counts.some(({ candidateRequests }) => candidateRequests > 0) &&
  counts.every(({ controlRequests }) => controlRequests === 0);

/** What sources counted of these signals in the hour before the rollout came, on each target by itself. */
export const beforeRollout = async (
  rollout: Rollout,
  signals: readonly string[],
  evidence: Pick<Evidence, 'before'>,
): Promise<readonly ObservedTotals[]> => {
  if (signals.length === 0) return [];
  const asked = rollout.plan.tracks.flatMap((track) => {
    const [began] = trackOf(rollout, track.name).enteredAt;
    const targets = track.targets.map(({ target }) => target);
    return began === undefined ? [] : [{ signals, targets, fromMs: began - BEFORE_MS, untilMs: began }];
  });
  const totals = await Promise.all(asked.map((each) => evidence.before(each)));
  return totals.flat();
};

/**
 * Counts of slices with those before the rollout in the place of control's: of the same slices, so that one that is worse
 * by itself, and has counted nothing since, weighs nothing.
 */
export const withBefore = (
  counts: readonly SliceCounts[],
  signal: string,
  totals: readonly ObservedTotals[],
): readonly SliceCounts[] =>
  counts.map((slice) => {
    if (slice.candidateRequests === 0) return slice;
    const past = totals.find(
      (each) => each.signal === signal && each.target === slice.target && each.model === slice.model,
    );
    return { ...slice, controlBad: past?.bad ?? 0, controlRequests: past?.requests ?? 0 };
  });
