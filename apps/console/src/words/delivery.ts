import type { LeftoverView, RolloutView, TargetView } from '#libs/contracts';
import { plural, showDuration, showShare } from './format.js';

type Target = RolloutView['targets'][number];

/** What a stage serves, where its name does not say it: `99%, the rest is held back`. */
export const exposureWords = (name: string, exposureBp: number): string | undefined => {
  if (showShare(exposureBp) === name) return undefined;
  return name === '100%'
    ? `${showShare(exposureBp)}, the rest is held back`
    : `${showShare(exposureBp)} of the traffic`;
};

/** How far what was asked for has come on one target. */
export type Arrival = {
  readonly askedBp: number;
  /** The driver has it. */
  readonly deliveredBp: number | null;
  /** Instances that evaluate with it, of those that are live; null: not known. */
  readonly acknowledged: number | null;
  readonly live: number | null;
  readonly isThere: boolean;
  readonly words: string;
};

const takenUp = ({ silent }: Pick<Target, 'silent'>): string =>
  silent.length === 0 ? 'every instance has it' : 'every instance that talks has it';

/** What was asked for, what the driver has, and what instances have acknowledged: three different things. */
export const arrivalOf = (target: Target, known: Pick<TargetView, 'instances'> | undefined): Arrival => {
  const { requestedBp, generation, purpose, delivered, converged } = target;
  const live = known?.instances.length ?? null;
  const acknowledged = known?.instances.filter((instance) => instance.generation >= generation).length ?? null;
  const base = { askedBp: requestedBp, acknowledged, live, isThere: converged };
  if (purpose === null) return { ...base, askedBp: 0, deliveredBp: null, words: 'not reached yet' };
  if (!delivered) return { ...base, deliveredBp: null, words: 'not delivered yet' };
  return {
    ...base,
    deliveredBp: requestedBp,
    words: converged ? takenUp(target) : live === 0 ? 'no instance is live' : 'instances take it up',
  };
};

const ENDED: Readonly<Record<NonNullable<Target['ended']>, string>> = {
  drained: 'drained',
  acknowledged: 'acknowledged: the drain cannot be seen there',
  abandoned: 'given up by a person',
  redelivered: 'delivered again by a newer rollout',
  unconfirmed: 'nobody is there to confirm it',
};

/** One step of the way back: done after so long, or not done yet. */
export type StepBack = { readonly words: string; readonly isDone: boolean };

const after = (from: string, until: string | null): string =>
  until === null ? '' : ` after ${showDuration(Date.parse(until) - Date.parse(from))}`;

/** The way back of one target: delivered, taken up, read back, drained, with how long each took where it is known. */
export const wayBack = (target: Target): readonly StepBack[] => {
  const { delivered, converged, readBack, ended, wayBack: way } = target;
  if (way === null) return [];
  const { askedAt, readBackAt, endedAt } = way;
  const isGivenUp = ended === 'abandoned' && !readBack;
  return [
    { words: 'delivered', isDone: delivered || readBack },
    { words: takenUp(target), isDone: converged || (readBack && ended !== null) },
    ...(isGivenUp ? [] : [{ words: `read back${after(askedAt, readBackAt)}`, isDone: readBack }]),
    { words: ended === null ? 'drained' : `${ENDED[ended]}${after(askedAt, endedAt)}`, isDone: ended !== null },
  ];
};

const askedAtOf = ({ wayBack: way }: Target): number => (way === null ? Infinity : Date.parse(way.askedAt));
const placeOf = ({ wayBack: way }: Target): number => way?.place ?? Infinity;

/** Targets whose candidate is being taken back or was, in the order in which they were asked. */
export const inOrder = (targets: readonly Target[]): readonly Target[] =>
  targets
    .filter(({ purpose }) => purpose === 'rollback')
    .toSorted((a, b) => askedAtOf(a) - askedAtOf(b) || placeOf(a) - placeOf(b));

/** Distinct units are counted up to here. */
const MOST_UNITS = 512;

const unitsOf = (units: number): string =>
  units >= MOST_UNITS ? `at least ${MOST_UNITS} units` : plural(units, 'unit');

/** `1,204 requests of 13 units`. */
export const leftoverWords = ({ requests, units }: Pick<LeftoverView, 'requests' | 'units'>): string =>
  `${plural(requests, 'request')}${units === 0 ? '' : ` of ${unitsOf(units)}`}`;

/** How far a rollback is, over all its targets. */
export const backWords = (targets: readonly Target[], revision: number): string => {
  const back = inOrder(targets);
  const readBack = back.filter((target) => target.readBack).length;
  const over = back.filter(({ ended }) => ended !== null).length;
  const requests = back.reduce((all, { wayBack: way }) => all + (way?.leftover?.requests ?? 0), 0);
  const failing = back.filter(({ error, ended }) => error !== null && ended === null).length;
  return [
    `${readBack} of ${plural(back.length, 'target')} read back`,
    `${over} of ${back.length} drained or ended otherwise`,
    ...(requests > 0 ? [`${plural(requests, 'request')} still came to r${revision}`] : []),
    ...(failing > 0 ? [`${plural(failing, 'target')} being tried again`] : []),
  ].join(', ');
};
