import { trackOf, type Rollout } from './rollout.state.js';
import type { Track } from './tracks.js';

/** Target → end of the last window that was measured there (epoch ms). */
type LastSeen = ReadonlyMap<string, { readonly anyAt?: number | null | undefined }>;

/** Target → how long nothing was measured there, in ms, since its track entered its stage. */
export const silences = (
  rollout: Rollout,
  tracks: readonly Track[],
  seen: LastSeen,
  now: number,
): Readonly<Record<string, number>> =>
  Object.fromEntries(
    tracks.flatMap(({ name, targets }) => {
      const entered = trackOf(rollout, name).enteredAt.at(-1);
      if (entered === undefined) return [];
      return targets.map(({ target }) => {
        const since = Math.max(entered, seen.get(target)?.anyAt ?? 0);
        return [target, Math.max(0, now - since)] as const;
      });
    }),
  );

/** The longest of them; 0 where no track was entered. */
export const longestSilence = (...which: Parameters<typeof silences>): number =>
  Math.max(0, ...Object.values(silences(...which)));
