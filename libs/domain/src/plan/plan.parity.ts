import type { Rejection } from '#libs/kernel';
import { duplicate, faults, waitsForItself } from './plan.fault.js';
import type { KnownSignal, PlanSpec } from './plan.types.js';

type SpecTrack = PlanSpec['tracks'][number];
type Parity = NonNullable<SpecTrack['parity']>[number];

/** Half of all answers: whoever bears more asks for nothing. */
const MOST_WITHIN_BP = 5_000;

const faultsBetween = (plan: PlanSpec, track: SpecTrack, { between }: Parity, pointer: string): Rejection[] => {
  const [left, right] = between;
  if (left === right)
    return faults(
      'same-track-twice',
      `${pointer}/between`,
      `Track ${track.name} waits for parity of ${left} with itself: name two tracks.`,
    );
  return between.flatMap((name, side) => {
    const at = `${pointer}/between/${side}`;
    if (name === track.name)
      return faults(
        'track-cycle',
        at,
        `Track ${name} waits for its own parity, which nothing can show before it begins: name two other tracks.`,
      );
    if (!plan.tracks.some((other) => other.name === name))
      return faults(
        'track-not-found',
        at,
        `Track ${track.name} waits for parity of ${name}, which is not a track of this plan.`,
      );
    return waitsForItself(plan, track.name) && waitsForItself(plan, name)
      ? faults(
          'track-cycle',
          at,
          `Track ${track.name} waits for itself by way of ${name}: break the circle of "after" and "parity".`,
        )
      : [];
  });
};

const faultsWithin = ({ name }: SpecTrack, { within }: Parity, pointer: string): Rejection[] =>
  within > 0 && within <= MOST_WITHIN_BP
    ? []
    : faults(
        'margin-out-of-range',
        `${pointer}/within`,
        `Parity that track ${name} waits for may lie within 0.01% to 50%: no number of pairs shows that nothing differs.`,
      );

/** What is wrong with the parity that tracks ask for, taken by itself. */
export const parityFaults = (plan: PlanSpec): Rejection[] =>
  plan.tracks.flatMap((track, t) => {
    const parity = track.parity ?? [];
    const pointer = `/spec/tracks/${t}/parity`;
    const twice = duplicate(parity.map(({ signal, between }) => `${signal} of ${between.toSorted().join(' and ')}`));
    return [
      ...(twice === undefined
        ? []
        : faults('duplicate-parity', pointer, `Track ${track.name} asks twice for parity by ${twice}: remove one.`)),
      ...parity.flatMap((each, p) => [
        ...faultsBetween(plan, track, each, `${pointer}/${p}`),
        ...faultsWithin(track, each, `${pointer}/${p}`),
      ]),
    ];
  });

type Named = { readonly signal: string; readonly field: string };

/** Signals by which a plan asks for parity, each with its field. */
export const paritySignals = (plan: PlanSpec): readonly Named[] =>
  plan.tracks.flatMap(({ parity = [] }, t) =>
    parity.map(({ signal }, p) => ({ signal, field: `/spec/tracks/${t}/parity/${p}/signal` })),
  );

/** Why parity cannot be told by a signal as it is registered. */
export const wrongForParity = ({ signal, type }: KnownSignal): string | undefined =>
  type === 'paired'
    ? undefined
    : `asks for parity by signal ${signal}, which is of type ${type}: parity compares the same work done twice, so name a signal of type paired`;
