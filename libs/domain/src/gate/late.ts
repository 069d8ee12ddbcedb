import type { CellCount } from './types.js';

type Arms = { readonly candidate: number; readonly control: number };

/** Bad requests that were counted before, by share in basis points. */
export type KnownBad = Map<number, Arms>;

const NONE: Arms = { candidate: 0, control: 0 };

/**
 * Bad requests that became known late, as a count like any other: among the requests that they may be of, which are all
 * requests of their share that were not known to be bad before. Other counts are given back as they are.
 *
 * Why it is valid. Take everything up to this look as given. Let request i of those not known to be bad become known to
 * be so now with chance h_i, by a fault of its own and a delay of its own. With C of them on the candidate and B on
 * control, rho = C/(C+B) and c = rho r0 g + 1 - rho over the normalising rho r0 + 1 - rho, the bet of ratio g has the mean
 *
 *     prod_candidate (1 + h_i (g/c - 1)) prod_control (1 + h_j (1/c - 1))
 *       <= exp( C h_C (g/c - 1) + B h_B (1/c - 1) ) <= 1   where the mean chances satisfy h_C <= r0 h_B,
 *
 * as for requests of one look: each look is bet on given all before it, so wealth stays a supermartingale, whatever the
 * delays are and however they change, as long as they are those of both arms. These are the risk sets of a log-rank
 * test, of which such a bet is the partial likelihood. Requests of other shares are other strata: a share was the
 * same for the whole time that its requests arrived, so that they are of the same age on both arms. With a delay that
 * differs by arm h_C <= r0 h_B does not hold for as long as the delay: then outcomes have to be counted at a fixed age.
 */
export const amongThoseServed = (count: CellCount, known: KnownBad | null | undefined): CellCount => {
  const { candidateServed, controlServed, candidateBad, controlBad } = count;
  if (candidateServed === undefined || controlServed === undefined) return count;
  const before = known?.get(count.shareBp) ?? NONE;
  return {
    ...count,
    // Whoever reports more than there were is not followed below none.
    candidateRequests: Math.max(candidateServed - before.candidate, candidateBad),
    controlRequests: Math.max(controlServed - before.control, controlBad),
  };
};

/** The same with the bad requests of a look. */
export const withKnown = (
  known: KnownBad | null,
  { shareBp, candidateBad, controlBad }: Pick<CellCount, 'shareBp' | 'candidateBad' | 'controlBad'>,
): KnownBad => {
  const before = known?.get(shareBp) ?? NONE;
  const now = { candidate: before.candidate + candidateBad, control: before.control + controlBad };
  return (known ?? new Map<number, Arms>()).set(shareBp, now);
};
