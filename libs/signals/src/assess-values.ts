import { isStorable } from '#libs/contracts';
import type { MeasuredValue, PairCount } from '#libs/contracts';
import { binOf, SIZES, type Binning } from './bins.js';
import { addInstanceCell } from './assess-instances.js';
import type { Facts } from './facts.js';
import type { Fault } from './place-faults.js';
import { roundedSum } from './rounded.js';
import { unstorable, type InRollout, type WindowScope } from './window-scope.js';

/** Why an item was refused, and in which of its fields. */
export type FieldFault = Fault & { readonly field: string };

const outOfRange = (value: number, binning: Binning): FieldFault => ({
  field: 'value',
  code: 'value-out-of-range',
  detail:
    binning === 'by-size'
      ? `${value} is not ${SIZES}: correct the value, or measure it in another unit.`
      : `${value} is not between ${binning.low} and ${binning.high}, the range of the signal: correct the value or the manifest.`,
});

const unitRequired = (config: string, signal: string): FieldFault => ({
  field: 'unit',
  code: 'unit-required',
  detail: `${config} is assigned by unit and a rollout of it is judged by ${signal}: send the unit's pseudonym with each value.`,
});

type Placed = { readonly place: InRollout; readonly bin: number; readonly binning: Binning };

/** Where a value counts, or why it is refused, which happens as a whole. */
const placesOf = (
  scope: WindowScope,
  { signal, value, unit, revisions }: MeasuredValue,
): readonly Placed[] | FieldFault => {
  const placed: Placed[] = [];
  for (const [config, revision] of Object.entries(revisions)) {
    const place = scope.place(config, revision);
    if ('code' in place) return { field: `revisions/${config}`, code: place.code, detail: place.detail };
    if (place.kind !== 'rollout') continue;
    const binning = place.exposure.values.get(signal);
    if (binning === undefined) continue;
    if (place.exposure.assignment === 'unit' && unit === undefined) return unitRequired(config, signal);
    const coin = unit === undefined ? undefined : scope.coinFault(config, place, unit);
    if (coin !== undefined) return { field: 'unit', ...coin };
    const bin = binOf(value, binning);
    if (bin === undefined) return outOfRange(value, binning);
    if (place.exposure.shareBp > 0) placed.push({ place, bin, binning });
  }
  return placed;
};

const addValue = (
  scope: WindowScope,
  { signal, unit, count }: MeasuredValue,
  { place, bin, binning }: Placed,
  facts: Facts,
): void => {
  const { target, model } = scope;
  const { arm, exposure } = place;
  const { rollout, shareBp, assignment } = exposure;
  if (assignment === 'unit') {
    if (unit !== undefined) facts.unitValues.push({ slice: scope.sliceOf(place, signal), unit, value: bin });
    return;
  }
  if (assignment === 'instance') {
    const each = roundedSum(binning === 'by-size' ? Math.log(bin) : bin);
    return addInstanceCell(scope, exposure, signal, { kind: 'values', count, sum: roundedSum(count * each) }, facts);
  }
  const [candidate, control] = arm === 'candidate' ? [count, 0] : [0, count];
  facts.valueCells.push({ rollout, signal, target, model, shareBp, value: bin, candidate, control });
};

/**
 * Adds a value to every rollout that it is evidence for; gives why it is refused. `binning`: how the signal is registered
 * now, so that a wrong value is refused before any rollout asks for it.
 */
export const assessValue = (
  scope: WindowScope,
  value: MeasuredValue,
  binning: Binning | undefined,
  facts: Facts,
): FieldFault | undefined => {
  if (value.unit !== undefined && !isStorable(value.unit)) return { field: 'unit', ...unstorable('unit') };
  if (value.unit !== undefined && value.count > 1) {
    const detail = 'A unit has one value at a time: send each by itself, or leave the unit out.';
    return { field: 'count', code: 'one-value-per-unit', detail };
  }
  const placed = placesOf(scope, value);
  if ('code' in placed) return placed;
  if (placed.length === 0 && binning !== undefined && binOf(value.value, binning) === undefined)
    return outOfRange(value.value, binning);
  if (placed.length > 0) scope.sampled.add(value.signal);
  for (const each of placed) addValue(scope, value, each, facts);
  return undefined;
};

/** Adds pairs to the rollout whose candidate they compare with its control; gives why they are refused. */
export const assessPairs = (scope: WindowScope, counted: PairCount, facts: Facts): FieldFault | undefined => {
  const { signal, config, revision, pairs, candidateOnly, controlOnly } = counted;
  if (candidateOnly + controlOnly > pairs) {
    const detail = `${candidateOnly} and ${controlOnly} are more than the ${pairs} pairs they are part of.`;
    return { field: 'pairs', code: 'more-than-pairs', detail };
  }
  const place = scope.place(config, revision);
  if ('code' in place) return { field: place.field, code: place.code, detail: place.detail };
  if (place.kind !== 'rollout' || !place.exposure.paired.has(signal)) return undefined;
  if (place.arm === 'control') {
    const detail = `Revision ${revision} is the control of ${config} there: name the candidate, and count what is bad on it alone as candidateOnly.`;
    return { field: 'revision', code: 'not-the-candidate', detail };
  }
  const { rollout, shareBp } = place.exposure;
  if (pairs > 0) scope.sampled.add(signal);
  if (pairs > 0)
    facts.pairs.push({
      rollout,
      signal,
      target: scope.target,
      model: scope.model,
      shareBp,
      pairs,
      candidateOnly,
      controlOnly,
    });
  return undefined;
};
