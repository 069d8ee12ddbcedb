import type { ArmCounts, CellKey } from './types.js';

const whole = (count: number): string => Math.round(count).toLocaleString('en-US');

/** Two significant digits, rounded towards zero: a claim of "at least" is never larger than the evidence. */
export const roundedDown = (ratio: number): string => {
  const digit = 10 ** (Math.floor(Math.log10(ratio)) - 1);
  return String(Number((Math.floor(ratio / digit + 1e-9) * digit).toPrecision(2)));
};

export const countsPhrase = (counts: ArmCounts): string =>
  `${whole(counts.candidateBad)} of ${whole(counts.candidateRequests)} on the candidate against ` +
  `${whole(counts.controlBad)} of ${whole(counts.controlRequests)} on control`;

/** "api/tpu", with its model only where the rollout knows several. */
export const slicePhrase = ({ target, model }: CellKey, namesModel: boolean): string =>
  namesModel ? `${target} (${model})` : target;

export const placesPhrase = (places: readonly string[]): string => {
  const [first = 'nowhere', second] = places;
  if (second === undefined) return `on ${first}`;
  return places.length === 2 ? `on ${first} and ${second}` : `over ${places.length} slices`;
};

/** "at least 18 times", or what can be said when the whole run's interval does not show it (a late fault). */
export const harmPhrase = (low: number | null, harm: number): string => {
  if (low !== null && low > harm) return `at least ${roundedDown(low)} times`;
  return harm === 1 ? 'shown to be above control' : `shown to be above x${harm} of control`;
};

export const needPhrase = (have: number, need: number): string =>
  `${whole(have)} of the ${whole(need)} candidate requests that are needed`;

const listPhrase = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

/** Says which other changes the same requests ran: one of them may be the cause. */
export const alsoPhrase = (suspects: readonly string[]): string =>
  suspects.length === 0
    ? ''
    : `; ${listPhrase(suspects)}, also on trial, ${suspects.length === 1 ? 'was' : 'were'} live on the same requests and may be the cause`;

export const explainedPhrase = (violations: number, suspects: readonly string[]): string =>
  ` (${whole(violations)} seen together with ${listPhrase(suspects)}, also on trial, ${suspects.length === 1 ? 'which explains' : 'which explain'} it better, so it is judged as a rate)`;
