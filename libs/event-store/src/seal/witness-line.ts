import { HASH_BYTES } from '../tree/hashes.js';
import { parseCheckpoint, type SignedHead } from './checkpoint.js';

/** Leaves in one line. */
export const LINE_LEAVES = 4_096;

/** What a witness is told: the leaves of the positions after `after`, and the head that ends with the last of them. */
export type WitnessLine = {
  readonly after: number;
  readonly leaves: Buffer;
  /** Missing where more lines follow before the head. */
  readonly head?: SignedHead;
};

export const witnessJson = ({ after, leaves, head }: WitnessLine) => ({
  after,
  leaves: leaves.toString('base64'),
  ...(head === undefined ? {} : { checkpoint: head.checkpoint }),
});

/** Reads a line of a witness file. Throws an error that says what is wrong with it. */
export const parseWitnessLine = (line: string): WitnessLine => {
  const value = JSON.parse(line) as { after?: unknown; leaves?: unknown; checkpoint?: unknown } | null;
  const { after, leaves, checkpoint } = value ?? {};
  if (typeof after !== 'number' || !Number.isSafeInteger(after) || after < 0 || typeof leaves !== 'string')
    throw new Error('It has no "after" and "leaves".');
  const bytes = Buffer.from(leaves, 'base64');
  if (bytes.length % HASH_BYTES !== 0) throw new Error('Its leaves are cut off.');
  if (checkpoint === undefined) return { after, leaves: bytes };
  if (typeof checkpoint !== 'string') throw new Error('Its checkpoint is no text.');
  return { after, leaves: bytes, head: parseCheckpoint(checkpoint) };
};
