import { expect } from 'vitest';
import type { Decision } from '#libs/kernel';

/** What a specification needs of an event; `at` is epoch ms. */
type Event = { readonly type: string; readonly data: object };
type Numbered<E> = E & { readonly position: number; readonly at: number };

/** An event of which only the fields that matter are given. */
export type Expected<E extends Event> = E extends Event
  ? { readonly type: E['type']; readonly data?: Partial<E['data']> }
  : never;

type AnyDecider<S, C, E extends Event> = {
  readonly initial: S;
  readonly decide: (state: S, command: C) => Decision<E>;
  readonly evolve: (state: S, event: Numbered<E>) => S;
};

/** An event as it was, or several; positions and times that are missing are filled in. */
export type History<E> = E | Numbered<E> | readonly History<E>[];

/** The first moment of every specification: 2026-01-05 12:00 UTC. */
export const T0 = 1_767_614_400_000;

const isList = <E>(history: History<E>): history is readonly History<E>[] => Array.isArray(history);

const flatten = <E>(history: History<E>): readonly (E | Numbered<E>)[] =>
  isList(history) ? history.flatMap((each) => flatten(each)) : [history];

/** Gives each event the next position, and the time of the one before where it has none. */
export const numbered = <E extends Event>(...history: readonly History<E>[]): readonly Numbered<E>[] => {
  const result: Numbered<E>[] = [];
  for (const event of flatten(history)) {
    const before = result.at(-1);
    const position = 'position' in event ? event.position : (before?.position ?? 0) + 1;
    const at = 'at' in event ? event.at : (before?.at ?? T0);
    result.push({ ...event, position, at });
  }
  return result;
};

/** The state after a history. */
export const stateAfter = <S, C, E extends Event>(
  decider: AnyDecider<S, C, E>,
  ...history: readonly History<E>[]
): S => {
  let state = decider.initial;
  for (const event of numbered(...history)) state = decider.evolve(state, event);
  return state;
};

export type When<S, C, E extends Event> = {
  /** A command, or one that is made for the state it meets. */
  readonly when: (command: C | ((state: S) => C)) => Then<S, E>;
};

export type Then<S, E extends Event> = {
  /** Exactly these events in this order; of their data only what is given is compared. Returns what follows. */
  readonly then: (...events: readonly Expected<E>[]) => After<S, E>;
  /** Accepted, and nothing is left to do. */
  readonly thenNothing: () => void;
  /** Refused with this code, whose message and field hold these words. */
  readonly thenRejected: (code: string, ...words: readonly string[]) => void;
  /** The types of the events, in order. */
  readonly types: () => readonly string[];
  readonly events: () => readonly E[];
};

export type After<S, E extends Event> = {
  readonly state: S;
  readonly events: readonly E[];
  /** All events so far, to go on from. */
  readonly history: readonly Numbered<E>[];
};

const decided = <E>(decision: Decision<E>): readonly E[] => {
  if (!decision.accepted) {
    throw new Error(`The command was rejected: ${decision.rejection.code}: ${decision.rejection.message}`);
  }
  return decision.events;
};

/**
 * Writes specifications of a decider: `given(...events).when(command).then(...events)`, `.thenNothing()` or
 * `.thenRejected(code)`. Throws an assertion error where the decider does otherwise.
 */
export const specification = <S, C, E extends Event>(decider: AnyDecider<S, C, E>) => ({
  given: (...history: History<E>[]): When<S, C, E> => ({
    when: (command) => {
      const before = numbered(...history);
      const state = stateAfter(decider, before);
      const wanted = typeof command === 'function' ? (command as (state: S) => C)(state) : command;
      const decision = decider.decide(state, wanted);
      return {
        // oxlint-disable-next-line unicorn/no-thenable -- it is the word of every specification, and nothing awaits it
        then: (...expected) => {
          const events = decided(decision);
          expect(events).toMatchObject(expected);
          const after = numbered<E>(before, events);
          return { state: stateAfter(decider, after), events, history: after };
        },
        thenNothing: () => expect(decided(decision)).toEqual([]),
        thenRejected: (code, ...words) => {
          if (decision.accepted) {
            throw new Error(`Accepted with ${decision.events.map(({ type }) => type).join(', ') || 'no events'}.`);
          }
          expect(decision.rejection.code).toBe(code);
          const said = `${decision.rejection.message} ${decision.rejection.field ?? ''}`;
          for (const word of words) expect(said).toContain(word);
        },
        types: () => decided(decision).map(({ type }) => type),
        events: () => decided(decision),
      };
    },
  }),
});
