import { paritySignals, wrongForParity } from './plan.parity.js';
import type { KnownSignal, KnownTarget, PlanSpec } from './plan.types.js';

/** Something that a plan names and nobody has registered so far, or that it should have and does not. */
export type PlanGap = { readonly field: string; readonly message: string };

type Catalogue = { readonly targets: readonly KnownTarget[]; readonly signals: readonly KnownSignal[] };

/** Whether a target has all of these labels; its platform counts as one. */
export const matches = (target: KnownTarget, labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(labels).every(([label, value]) =>
    label === 'platform' ? target.platform === value : target.labels[label] === value,
  );

const NEXT = 'apply its manifest before you start a rollout by this plan';

const gapsOfTrack = (
  name: string,
  { name: track, targets: wanted }: PlanSpec['tracks'][number],
  index: number,
  { targets }: Catalogue,
): readonly PlanGap[] => {
  const field = `/spec/tracks/${index}/targets`;
  if (Array.isArray(wanted)) {
    return wanted.flatMap((target: string, place): readonly PlanGap[] =>
      targets.some((known) => known.target === target)
        ? []
        : [
            {
              field: `${field}/${place}`,
              message: `Plan ${name} names target ${target}, which is not registered: ${NEXT}`,
            },
          ],
    );
  }
  const labels = wanted as Readonly<Record<string, string>>;
  if (targets.some((target) => matches(target, labels))) return [];
  const asked = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
  const message = `No registered target has the labels ${asked.join(', ')} that track ${track} of plan ${name} selects: apply a target that has them before you start a rollout by this plan`;
  return [{ field, message }];
};

/** Whether anything would take a rollout back by itself: what is not known yet is taken to do so. */
const gapsOfGuards = (name: string, { signals }: PlanSpec, catalogue: Catalogue): readonly PlanGap[] => {
  const takesBack = ({ signal, shadow, onFail }: PlanSpec['signals'][number]): boolean => {
    const source = catalogue.signals.find((known) => known.signal === signal)?.source;
    return !shadow && (onFail ?? (source === undefined ? 'roll-back' : 'hold')) === 'roll-back';
  };
  if (signals.some(takesBack)) return [];
  const message = `No signal of plan ${name} takes a rollout back by itself, each only holds or warns: set onFail: roll-back where that is not meant`;
  return [{ field: '/spec/signals', message }];
};

const gapsOfParity = (name: string, spec: PlanSpec, { signals }: Catalogue): readonly PlanGap[] =>
  paritySignals(spec).flatMap(({ signal, field }): readonly PlanGap[] => {
    const known = signals.find((each) => each.signal === signal);
    if (known === undefined)
      return [{ field, message: `Plan ${name} asks for parity by signal ${signal}, which is not registered: ${NEXT}` }];
    const wrong = wrongForParity(known);
    return wrong === undefined ? [] : [{ field, message: `Plan ${name} ${wrong}` }];
  });

/**
 * What a plan names that is not registered, or not as it needs it: it can be applied, since that may come later, but no
 * rollout can start by it. And that nothing in it would take a rollout back.
 */
export const planGaps = (name: string, spec: PlanSpec, catalogue: Catalogue): readonly PlanGap[] => [
  ...spec.signals.flatMap(({ signal }, index): readonly PlanGap[] =>
    catalogue.signals.some((known) => known.signal === signal)
      ? []
      : [
          {
            field: `/spec/signals/${index}/signal`,
            message: `Plan ${name} names signal ${signal}, which is not registered: ${NEXT}`,
          },
        ],
  ),
  ...gapsOfGuards(name, spec, catalogue),
  ...gapsOfParity(name, spec, catalogue),
  ...spec.tracks.flatMap((track, index) => gapsOfTrack(name, track, index, catalogue)),
];
