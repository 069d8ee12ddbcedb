import { isStorable } from '#libs/contracts';
import type { BadOutcome } from '#libs/contracts';
import { addInstanceCell } from './assess-instances.js';
import type { FieldFault } from './assess-values.js';
import type { Arm } from './evidence-store.js';
import type { Exposure } from './exposure.js';
import type { Facts } from './facts.js';
import { unstorable, type InRollout, type WindowScope } from './window-scope.js';

/** Who tells of it, and whether the signal is registered as an invariant now. */
export type Told = { readonly reporter: string; readonly isInvariant: boolean };

const unitRequired = (config: string, signal: string): FieldFault => ({
  field: 'unit',
  code: 'unit-required',
  detail: `${config} is assigned by unit and a rollout of it is judged by ${signal}: send the unit's pseudonym with each bad outcome, or count requests without a key as unassigned.`,
});

/** Where a bad outcome counts, or why it is refused, which happens as a whole. */
const placesOf = (scope: WindowScope, { signal, unit, revisions }: BadOutcome): readonly InRollout[] | FieldFault => {
  const places: InRollout[] = [];
  for (const [config, revision] of Object.entries(revisions)) {
    const place = scope.place(config, revision);
    if ('code' in place) return { field: `revisions/${config}`, code: place.code, detail: place.detail };
    if (place.kind !== 'rollout') continue;
    const { assignment, signals } = place.exposure;
    if (signals.has(signal) && unit === undefined && assignment === 'unit') {
      // Without a key nobody's coin was thrown: it is on control for want of one, and judges nothing.
      if (place.arm === 'control' && scope.hasUnassigned(config, revision)) continue;
      return unitRequired(config, signal);
    }
    const coin = signals.has(signal) && unit !== undefined ? scope.coinFault(config, place, unit) : undefined;
    if (coin !== undefined) return { field: 'unit', ...coin };
    places.push(place);
  }
  return places;
};

/** Canonical JSON: revision by config. */
const revisionsOf = ({ revisions }: BadOutcome): string =>
  JSON.stringify(Object.fromEntries(Object.entries(revisions).toSorted(([a], [b]) => (a < b ? -1 : 1))));

/** What one window tells of requests of an arm, where the coin is thrown per request. */
export const addRequestCell = (
  { target, model, window }: WindowScope,
  { rollout, shareBp }: Exposure,
  { signal, arm, bad, requests }: { signal: string; arm: Arm; bad: number; requests: number },
  { requestCells }: Facts,
): void => {
  const candidate = arm === 'candidate';
  requestCells.push({
    rollout,
    signal,
    target,
    model,
    shareBp,
    ...(window.requests === 0 ? { late: true } : {}),
    candidateBad: candidate ? bad : 0,
    controlBad: candidate ? 0 : bad,
    candidateRequests: candidate ? requests : 0,
    controlRequests: candidate ? 0 : requests,
  });
};

const addViolation = (
  { target, model, until, window, instance }: WindowScope,
  bad: BadOutcome,
  { arm, exposure: { rollout } }: InRollout,
  { facts, reporter }: { readonly facts: Facts; readonly reporter: string },
): void => {
  facts.violations.push({
    rollout,
    signal: bad.signal,
    target,
    model,
    arm,
    revisions: revisionsOf(bad),
    generation: window.generation,
    instance,
    request: bad.request ?? null,
    unit: bad.unit ?? null,
    reporter,
    at: until,
  });
};

const addTo = (scope: WindowScope, { signal, unit }: BadOutcome, place: InRollout, facts: Facts): void => {
  const { arm, exposure } = place;
  if (exposure.assignment === 'request') addRequestCell(scope, exposure, { signal, arm, bad: 1, requests: 0 }, facts);
  else if (exposure.assignment === 'instance')
    addInstanceCell(scope, exposure, signal, { kind: 'bad', count: 0, sum: 1 }, facts);
  else if (unit !== undefined) facts.unitBad.push({ slice: scope.sliceOf(place, signal), unit });
};

/** Adds a bad outcome to every rollout that it is evidence for, and to traffic; gives why it is refused. */
export const assessBad = (
  scope: WindowScope,
  bad: BadOutcome,
  { reporter, isInvariant }: Told,
  facts: Facts,
): FieldFault | undefined => {
  const { signal } = bad;
  for (const field of ['unit', 'request'] as const)
    if (!isStorable(bad[field] ?? '')) return { field, ...unstorable(field) };
  const places = placesOf(scope, bad);
  if ('code' in places) return places;
  scope.countBad(signal);
  let isViolation = isInvariant;
  for (const place of places) {
    const { signals, invariants, shareBp } = place.exposure;
    const isViolated = invariants.has(signal);
    isViolation ||= isViolated;
    // It is counted as a rate as well: that is what judges it once control violates it too.
    if (isViolated) addViolation(scope, bad, place, { facts, reporter });
    // Where nobody can be on the candidate the arm says nothing, and the unit's coin stays unused for another target.
    if ((isViolated || signals.has(signal)) && shareBp > 0) addTo(scope, bad, place, facts);
  }
  if (!isViolation) return undefined;
  const { target, model, minute, until } = scope;
  const revisions = revisionsOf(bad);
  facts.violationsSeen.push({ signal, target, model, revisions, minute, violations: 1, lastAt: until });
  return undefined;
};
