import { existsSync, readFileSync, statSync } from 'node:fs';
import { LogKeys } from '#libs/contracts';
import {
  NoteError,
  parseCheckpoint,
  parseVerifier,
  verifierOf,
  type HeldHead,
  type SealKey,
  type Verifier,
} from '#libs/event-store';
import { usageError } from '../errors.js';

/** The keys that the one who verifies holds, and the chain of those that came after them. */
export interface HeldKeys {
  readonly keys: readonly Verifier[];
  readonly chain: readonly SealKey[];
}

const asUsage = <T>(what: string, read: () => T): T => {
  try {
    return read();
  } catch (error) {
    if (error instanceof NoteError || error instanceof SyntaxError) throw usageError(`${what}: ${error.message}`);
    throw error;
  }
};

const readFile = (path: string): string => {
  if (!existsSync(path)) throw usageError(`${path} does not exist`);
  if (!statSync(path).isFile()) throw usageError(`${path} is no file`);
  return readFileSync(path, 'utf8');
};

/** A signed head: the note itself, or the JSON in which the controller gives it. */
export const readHead = (path: string): HeldHead => {
  const text = readFile(path);
  return asUsage(path, () => {
    const json = text.startsWith('{') ? (JSON.parse(text) as { checkpoint?: unknown }).checkpoint : text;
    if (typeof json !== 'string') throw new NoteError('It has no checkpoint.');
    return { ...parseCheckpoint(json), from: `the head ${path}`, outside: true };
  });
};

/** The JSON of `headgate log keys`: the first key is held, the others have to be vouched for. Throws `NoteError` or `SyntaxError`. */
export const readKeysText = (text: string): HeldKeys => {
  const parsed = LogKeys.safeParse(JSON.parse(text));
  if (!parsed.success) throw new NoteError('It is not the list of keys that `headgate log keys -o json` prints.');
  const chain = parsed.data.items.map(({ publicKey, fromSize, madeAt, statement }) => ({
    ...parseVerifier(publicKey),
    fromSize,
    madeAt,
    statement,
  }));
  return { keys: chain.slice(0, 1), chain };
};

const RAW = /^[A-Za-z0-9+/]{42,44}={0,2}$/;

/** A key alone, without the name of its log, is taken to be that of the log at hand. */
const ofLine = (line: string, origin: string | undefined): Verifier => {
  const bytes = Buffer.from(line, 'base64');
  if (!RAW.test(line) || (bytes.length !== 32 && bytes.length !== 33)) return parseVerifier(line);
  if (origin === undefined) throw new NoteError('The key has no name: write it as <name>+<8 hex digits>+<base64>.');
  return verifierOf(origin, bytes.subarray(bytes.length - 32));
};

/**
 * Reads what `--key` names: a public key on one line, or a file with such lines or with what `headgate log keys -o json`
 * prints, of which the first key is held and the others have to be vouched for.
 */
export const readKeyOption = (given: string, origin: string | undefined): HeldKeys => {
  const isFile = existsSync(given);
  const text = isFile ? readFile(given).trim() : given.trim();
  return asUsage(isFile ? given : '--key', () => {
    if (text.startsWith('{')) return readKeysText(text);
    if (text.startsWith('PRIVATE+KEY'))
      throw new NoteError('It is a signing key. To verify takes the public key only.');
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    return { keys: lines.map((line) => ofLine(line.trim(), origin)), chain: [] };
  });
};
