/** Why a command was not accepted: a value with a stable code, never an exception. */
export type Rejection = {
  /** Kebab-case, public API. */
  readonly code: string;
  /** What happened, to which thing, and what to do next. */
  readonly message: string;
  /** JSON pointer of the field at fault, when there is one. */
  readonly field?: string;
};

export type Decision<E> =
  | { readonly accepted: true; readonly events: readonly E[] }
  | { readonly accepted: false; readonly rejection: Rejection };

export const accept = <E>(...events: readonly E[]): Decision<E> => ({ accepted: true, events });

export const reject = (code: string, message: string, field?: string): Decision<never> => ({
  accepted: false,
  rejection: field === undefined ? { code, message } : { code, message, field },
});

/** A pure state machine over one stream: deciding twice on the new state adds nothing. */
export type Decider<S, C, E> = {
  readonly initial: S;
  readonly decide: (state: S, command: C) => Decision<E>;
  readonly evolve: (state: S, event: E) => S;
};

export const fold = <S, E>(decider: Pick<Decider<S, never, E>, 'initial' | 'evolve'>, events: Iterable<E>): S => {
  let state = decider.initial;
  for (const event of events) state = decider.evolve(state, event);
  return state;
};

/** Marks a branch that the types exclude. */
export const unreachable = (value: never): never => {
  throw new Error(`Unreachable: ${JSON.stringify(value)}`);
};
