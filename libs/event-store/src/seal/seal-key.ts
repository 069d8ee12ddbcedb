import {
  isSignedBy,
  NoteError,
  parseNote,
  parseVerifier,
  signNote,
  verifierText,
  type Signer,
  type Verifier,
} from './note.js';

/** A key that signs heads of more than `fromSize` leaves, until the next key takes over. */
export type SealKey = Verifier & {
  readonly fromSize: number;
  /** ISO 8601 in UTC. */
  readonly madeAt: string;
  /** The note by which the key before it vouches for it; null for the first key, and for one after a lost key. */
  readonly statement: string | null;
};

const TITLE = 'next key of the log';

const statementText = (next: Verifier, fromSize: number): string =>
  `${next.name}\n${TITLE}\n${verifierText(next)}\nfrom ${fromSize}\n`;

/** The old key vouches for the new one: for heads of more than `fromSize` leaves. */
export const vouchFor = (next: Verifier, fromSize: number, by: Signer): string =>
  signNote(statementText(next, fromSize), by);

/** The key that a statement is about. Throws `NoteError`; checks no signature. */
export const parseStatement = (statement: string): { readonly next: Verifier; readonly fromSize: number } => {
  const [name, title, line = '', from = ''] = parseNote(statement).text.split('\n');
  const next = parseVerifier(line);
  const [, size] = /^from (\d{1,16})$/.exec(from) ?? [];
  if (title !== TITLE || next.name !== name || size === undefined)
    throw new NoteError('It is not a statement about the next key of a log.');
  return { next, fromSize: Number(size) };
};

/** Whether the holder of `by` vouched for this very key, from this very size on. */
export const isVouchedFor = ({ statement, ...key }: SealKey, by: Verifier): boolean => {
  if (statement === null) return false;
  const note = parseNote(statement);
  return note.text === statementText(key, key.fromSize) && isSignedBy(note, by);
};

/** Which key signs a head of this size, among keys in the order in which they took over. */
export const keyForSize = <K extends { readonly fromSize: number }>(keys: readonly K[], size: number): K | undefined =>
  keys.findLast(({ fromSize }) => fromSize < size || size === 0);
