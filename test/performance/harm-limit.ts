import { limitCandidateRequests } from '#libs/statistics';

/** What a fault does to one answer of its slice: how often it is bad on control, and on the candidate. */
export type Shown = { readonly control: number; readonly candidate: number; readonly isInvariant: boolean };

/** The requests of a fault's slice on one target, and which share of them was on the candidate when. Times in ms. */
export type Exposed = {
  readonly requestsPerSecond: number;
  /** Since when the fault is there. */
  readonly onset: number;
  /** In order of time; each holds until the next, the last one for ever. */
  readonly steps: readonly { readonly at: number; readonly share: number }[];
};

export type Unavoidable = {
  /** Extra bad answers served until evidence can suffice. */
  readonly evidence: number;
  /** Extra bad answers served while it is reported and the control delivered. */
  readonly travel: number;
};

/** What is served in a second, and which part of what has to be seen. */
type Pace = { readonly extra: number; readonly seen: number };

const shareAt = ({ onset, steps }: Exposed, at: number): number =>
  at < onset ? 0 : (steps.findLast((step) => step.at <= at)?.share ?? 0);

/** A violation of an invariant is proof by itself: one has to be seen. Otherwise so many requests as the limit says. */
const needed = ({ control, candidate, isInvariant }: Shown, share: number, alpha: number): number =>
  isInvariant ? 1 / candidate : limitCandidateRequests({ control, candidate, rho: share, alpha });

const paceAt = (shown: Shown, exposed: readonly Exposed[], alpha: number, at: number): Pace => {
  let [extra, seen] = [0, 0];
  for (const place of exposed) {
    const share = shareAt(place, at);
    const requests = place.requestsPerSecond * share;
    extra += requests * (shown.candidate - shown.control);
    if (share > 0 && share < 1) seen += requests / needed(shown, share, alpha);
  }
  return { extra, seen };
};

/** Between two changes of the exposures; the last one has no end. */
const piecesOf = (
  shown: Shown,
  exposed: readonly Exposed[],
  alpha: number,
): readonly (Pace & { readonly seconds: number })[] => {
  const changes = [...new Set(exposed.flatMap(({ onset, steps }) => [onset, ...steps.map(({ at }) => at)]))];
  const times = changes.toSorted((a, b) => a - b);
  return times.map((at, index) => ({
    ...paceAt(shown, exposed, alpha, at),
    seconds: ((times[index + 1] ?? Number.POSITIVE_INFINITY) - at) / 1_000,
  }));
};

/**
 * How many times what the information limit needs these exposures told, at their mean rate. Near 1 the best method is as
 * likely to miss the fault as to find it, as requests come by chance.
 */
export const timesTold = (shown: Shown, exposed: readonly Exposed[], alpha: number): number =>
  piecesOf(shown, exposed, alpha).reduce((told, { seen, seconds }) => told + (seen === 0 ? 0 : seen * seconds), 0);

/**
 * What no method could have avoided, given the exposures that were asked for: requests come at their mean rate, each
 * tells as much as the information limit at its share allows, and once all of it is told the answers of `travelSeconds`
 * more are served. Undefined where the candidate was never served in the fault's slice.
 */
export const unavoidableOf = (
  shown: Shown,
  exposed: readonly Exposed[],
  { alpha, travelSeconds }: { readonly alpha: number; readonly travelSeconds: number },
): Unavoidable | undefined => {
  let [evidence, left] = [0, 1];
  for (const { extra, seen, seconds } of piecesOf(shown, exposed, alpha)) {
    if (seen * seconds >= left) return { evidence: evidence + (extra * left) / seen, travel: extra * travelSeconds };
    if (seen === 0 && extra === 0) continue;
    evidence += extra * seconds;
    left -= seen * seconds;
  }
  return undefined;
};
