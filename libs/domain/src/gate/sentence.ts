import type { ArmCounts, ArmValues, CellKey, SignalSpec } from './types.js';

/** A count, which is never negative, with its thousands apart. */
export const whole = (count: number): string => {
  let digits = String(Math.round(count));
  for (let at = digits.length - 3; at > 0; at -= 3) digits = `${digits.slice(0, at)},${digits.slice(at)}`;
  return digits;
};

/** Two significant digits, rounded towards zero: a claim of "at least" is never larger than the evidence. */
export const roundedDown = (ratio: number): string => {
  const digit = 10 ** (Math.floor(Math.log10(ratio)) - 1);
  return String(Number((Math.floor(ratio / digit + 1e-9) * digit).toPrecision(2)));
};

export const countsPhrase = (counts: ArmCounts): string =>
  `${whole(counts.candidateBad)} of ${whole(counts.candidateRequests)} on the candidate against ` +
  `${whole(counts.controlBad)} of ${whole(counts.controlRequests)} on control`;

/** A value with three significant digits and its unit. */
const valuePhrase = (value: number, unit: string | undefined): string => {
  const shown = Math.abs(value) >= 1_000 ? whole(value) : String(Number(value.toPrecision(3)));
  return unit === undefined ? shown : `${shown} ${unit}`;
};

const armPhrase = ({ count, mean, quantiles }: ArmValues, unit: string | undefined): string => {
  const [median, , tail] = quantiles ?? [];
  const shown =
    median === undefined || tail === undefined
      ? valuePhrase(mean, unit)
      : `median ${valuePhrase(median, unit)}, p99 ${valuePhrase(tail, unit)}`;
  return `${shown} over ${whole(count)} ${count === 1 ? 'value' : 'values'}`;
};

/** "median 812 ms, p99 4,100 ms over 1,204 values on the candidate against …". */
export const valuesPhrase = (
  { unit }: Pick<SignalSpec, 'unit'>,
  { candidate, control }: { readonly candidate: ArmValues | null; readonly control: ArmValues | null },
): string => {
  const said = (arm: ArmValues | null): string => (arm === null ? 'none' : armPhrase(arm, unit));
  return `${said(candidate)} on the candidate against ${said(control)} on control`;
};

/** "below x1.5", or of values that may not get lower "above 1/1.5 of control". */
export const withinPhrase = ({ worse }: Pick<SignalSpec, 'worse'>, margin: number): string =>
  worse === 'lower' ? `above 1/${margin} of control` : `below x${margin}`;

/** What was shown of values: worse, and by how much where it is known. */
export const worsePhrase = ({ harm = 1, worse = 'higher' }: Pick<SignalSpec, 'harm' | 'worse'>): string =>
  harm === 1 ? `shown to be ${worse} than control` : `shown to be ${worse} than control by more than x${harm}`;

/** Requests of a slice as a whole: those of the rollout's time, and those before it. */
export const beforePhrase = ({ candidateBad, candidateRequests, controlBad, controlRequests }: ArmCounts): string =>
  `${whole(candidateBad)} of ${whole(candidateRequests)} since the rollout against ` +
  `${whole(controlBad)} of ${whole(controlRequests)} before it`;

/** Values of a slice as a whole. */
export const sincePhrase = ({ unit }: SignalSpec, values: ArmValues | null): string =>
  `${values === null ? 'none' : armPhrase(values, unit)} since the rollout`;

/** What was shown to be passed. */
export const limitPhrase = ({ limit = 0, type, unit, worse }: SignalSpec): string => {
  const bound = type === 'rate' ? `${Number((limit * 100).toPrecision(3))}%` : valuePhrase(limit, unit);
  return `shown to be ${worse === 'lower' ? 'below' : 'above'} the limit of ${bound}`;
};

/** A spread of less than this is not worth a word. */
const NOTABLE_SPREAD = 1.2;

/** Where it comes from, and what that means. */
export const countedPhrase = ({ source }: SignalSpec, spread: number): string => {
  const apart = spread > NOTABLE_SPREAD ? `, spread x${Number(spread.toPrecision(2))} between units` : '';
  return ` (counted by ${source} without units${apart}: approximate, outside alpha)`;
};

/** "on api/tpu": up to two slices by name, each with its model only where the rollout knows several; more as a number. */
export const placesPhrase = (slices: readonly CellKey[], known: readonly CellKey[]): string => {
  if (slices.length > 2) return `over ${slices.length} slices`;
  const namesModel = known.some(({ model }) => model !== known[0]?.model);
  const [first = 'nowhere', second] = slices.map(({ target, model }) => (namesModel ? `${target} (${model})` : target));
  return second === undefined ? `on ${first}` : `on ${first} and ${second}`;
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
