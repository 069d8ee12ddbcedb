import type { JsonObject, Precision } from '#libs/kernel';

/** What held of one aspect of a target or a rollout from a moment on. Times are epoch ms. */
export type PastRow = {
  readonly subject: string;
  readonly aspect: string;
  /** When it was so; how exactly that is known says `precision`. */
  readonly at: number;
  readonly position: number;
  /** When it became known. */
  readonly recordedAt: number;
  readonly precision: Precision;
  /** Null: it held no longer. */
  readonly stands: JsonObject | null;
  readonly type: string;
  readonly actor: string;
  readonly reason: string | null;
};

/** A rollout with the time it ran, in epoch ms. */
export type PastSpan = {
  readonly rollout: string;
  readonly config: string;
  readonly revision: number;
  readonly plan: string;
  readonly targets: readonly string[];
  readonly actor: string;
  readonly reason: string | null;
  readonly reverts: number | null;
  readonly bypass: string | null;
  readonly startedAt: number;
  /** Null while it runs. */
  readonly endedAt: number | null;
};

export type Mention = { readonly subject: string; readonly position: number };

/** All that the events after one position and up to another add. */
export type PastNews = {
  readonly upTo: number;
  readonly rows: readonly PastRow[];
  readonly spans: readonly PastSpan[];
  readonly mentions: readonly Mention[];
};

/** Where the past is kept. */
export abstract class PastWriter {
  /** How far the log is kept; 0 before the first event. */
  abstract position(): Promise<number>;
  /**
   * Keeps what the events after `after` add, all or nothing; what is kept already is left as it is. Gives how far the log
   * is kept then: less than `after` where something lies between, and then nothing was kept.
   */
  abstract write(after: number, news: PastNews): Promise<number>;
}

/**
 * Another edition of the past, made beside the live one: by another fold, which is a number that goes up with each change
 * of what events add.
 */
export abstract class PastEditions {
  /**
   * Begins an edition by this fold, or goes on with one: gives how far that is, or undefined where the live one is by this
   * fold or a later one.
   */
  abstract begin(fold: number): Promise<number | undefined>;
  /**
   * Keeps what the events after `after` add in the edition that is made. False: it was given up for one by a later fold, is
   * live, or was begun again and lacks what comes before these.
   */
  abstract write(fold: number, after: number, news: PastNews): Promise<boolean>;
  /** Makes the edition live if it has come as far as the live one. True: it is, or was given up. */
  abstract goLive(fold: number): Promise<boolean>;
  /** Drops some rows of editions that nobody needs any more; false once there are none. */
  abstract dropSome(): Promise<boolean>;
}

/**
 * What is asked about: as it was at `at` (epoch ms) and up to `position`, as far as it was recorded up to `known`
 * (epoch ms).
 */
export type When = { readonly at: number; readonly known: number; readonly position: number };

/** An instance's first word that it evaluates with a generation; times in epoch ms. */
export type InstanceWord = {
  readonly target: string;
  readonly instance: string;
  readonly generation: number;
  readonly since: number;
  readonly heardAt: number;
};

/** The first of an aspect that came with this generation or a newer one. */
export type FirstAsked = { readonly subject: string; readonly aspect: string; readonly generation: number };
/** How the drain of a rollout ended. */
export type EndAsked = { readonly subject: string; readonly aspect: string; readonly rollout: string };

export type MentionsAsked = {
  /** Events that tell of any of these. */
  readonly subjects: readonly string[];
  readonly after: number;
  readonly before: number;
  readonly order: 'oldest' | 'newest';
  readonly limit: number;
};

export type SpansAsked = {
  /** Rollouts that ran at any time between the two, epoch ms. */
  readonly from: number;
  readonly until: number;
  readonly config: string | null;
  /** Null: on any target. */
  readonly targets: readonly string[] | null;
  readonly limit: number;
};

/** A question that would take too long; it says what to narrow. */
export class TooBroadError extends Error {
  override readonly name = 'TooBroadError';
}

/** What is kept of the past has not come as far as it must for an answer. */
export class PastBehindError extends Error {
  override readonly name = 'PastBehindError';
}

/** Answers about the past from what is kept, each in time that does not depend on the length of the log. Throws `TooBroadError`. */
export abstract class Past {
  /** What held of these subjects. */
  abstract standing(subjects: readonly string[], aspects: readonly string[], when: When): Promise<readonly PastRow[]>;
  abstract firsts(asked: readonly FirstAsked[], known: number): Promise<readonly PastRow[]>;
  abstract ends(asked: readonly EndAsked[], known: number): Promise<readonly PastRow[]>;
  /** Of each instance the newest generation that it evaluated with. */
  abstract instances(targets: readonly string[], when: When): Promise<readonly InstanceWord[]>;
  /** The last position recorded at or before a time (epoch ms); 0 where there is none. */
  abstract positionAt(time: number): Promise<number>;
  /** Newest first. */
  abstract spans(asked: SpansAsked): Promise<readonly PastSpan[]>;
  abstract mentioned(asked: MentionsAsked): Promise<readonly number[]>;
}

export const targetSubject = (target: string): string => `target/${target}`;
export const rolloutSubject = (rollout: string): string => `rollout/${rollout}`;
export const configSubject = (config: string): string => `config/${config}`;
export const actorSubject = (actor: string): string => `actor/${actor}`;
