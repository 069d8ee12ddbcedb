import type { RolloutView, TargetView } from '#libs/contracts';

type Target = RolloutView['targets'][number];

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

/** What was asked for, what the driver has, and what instances have acknowledged: three different things. */
export const arrivalOf = (target: Target, known: TargetView | undefined): Arrival => {
  const { requestedBp, generation, purpose, delivered, converged } = target;
  const live = known?.instances.length ?? null;
  const acknowledged = known?.instances.filter((instance) => instance.generation >= generation).length ?? null;
  const base = { askedBp: requestedBp, acknowledged, live, isThere: converged };
  if (purpose === null) return { ...base, askedBp: 0, deliveredBp: null, words: 'not reached yet' };
  if (!delivered) return { ...base, deliveredBp: null, words: 'not delivered yet' };
  return {
    ...base,
    deliveredBp: requestedBp,
    words: converged ? 'every instance has it' : live === 0 ? 'no instance is live' : 'instances take it up',
  };
};

const ENDED: Readonly<Record<NonNullable<Target['ended']>, string>> = {
  drained: 'drained: no traffic is left on it',
  acknowledged: 'acknowledged: the drain cannot be seen there',
  abandoned: 'given up by a person',
  redelivered: 'delivered again by a newer rollout',
  unconfirmed: 'nobody is there to confirm it',
};

export type StepBack = { readonly words: string; readonly isDone: boolean };

/** The way back of one target: asked, read back, drained. */
export const wayBack = ({ purpose, delivered, converged, readBack, ended }: Target): readonly StepBack[] =>
  purpose === 'rollback'
    ? [
        { words: 'asked to go back', isDone: true },
        { words: 'delivered', isDone: delivered || readBack },
        { words: 'every instance has it', isDone: converged || readBack },
        { words: 'read back', isDone: readBack },
        { words: ended === null ? 'drained' : ENDED[ended], isDone: ended !== null },
      ]
    : [];
