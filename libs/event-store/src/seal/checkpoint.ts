import { HASH_BYTES } from '../tree/hashes.js';
import { isSignedBy, NoteError, parseNote, type Note, type Verifier } from './note.js';

/** What a head says: the log of this origin had so many events, with this root, at that time. */
export type TreeHead = {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  /** ISO 8601 in UTC; undefined in checkpoints of others. */
  readonly signedAt: string | undefined;
};

/** A head with its signatures, as it was read. */
export type SignedHead = TreeHead & {
  readonly note: Note;
  /** The whole signed note. */
  readonly checkpoint: string;
};

const TIME = /^signed (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)$/;

/** What is signed: a checkpoint (c2sp.org/tlog-checkpoint) with the time as its one extension line. */
export const checkpointText = ({ origin, size, root, signedAt }: TreeHead & { readonly signedAt: string }): string =>
  `${origin}\n${size}\n${root.toString('base64')}\nsigned ${signedAt}\n`;

/** Reads a signed checkpoint; checks no signature. Throws `NoteError`. */
export const parseCheckpoint = (checkpoint: string): SignedHead => {
  const note = parseNote(checkpoint);
  const [origin = '', size = '', root64 = '', ...extensions] = note.text.slice(0, -1).split('\n');
  const root = Buffer.from(root64, 'base64');
  if (origin === '') throw new NoteError('The first line of a checkpoint names its log.');
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size)))
    throw new NoteError('The second line of a checkpoint must be the number of its leaves.');
  if (root.length !== HASH_BYTES || root.toString('base64') !== root64)
    throw new NoteError('The third line of a checkpoint must be its root: 32 bytes in base64.');
  const signedAt = extensions.map((line) => TIME.exec(line)?.[1]).find((time) => time !== undefined);
  return { origin, size: Number(size), root, signedAt, note, checkpoint };
};

/** Whether one of the keys signed the head, under the name of its log. */
export const signerOfHead = ({ origin, note }: SignedHead, keys: readonly Verifier[]): Verifier | undefined =>
  keys.find((key) => key.name === origin && isSignedBy(note, key));
