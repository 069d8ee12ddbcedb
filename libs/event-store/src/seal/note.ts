import { createHash, createPrivateKey, createPublicKey, randomBytes, sign, verify, type KeyObject } from 'node:crypto';

/** Ed25519 in the signed notes of C2SP. */
const ALGORITHM = 1;
const KEY_BYTES = 32;
const ID_BYTES = 4;
const SIGNATURE_BYTES = 64;
const MARK = '— ';
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** A public key with the name it signs under: for a log, its origin. `id`: the eight hex digits of its key hash. */
export type Verifier = { readonly name: string; readonly id: string; readonly publicKey: Buffer };

/** A signing key. `text` is the one line by which it is kept: a secret. */
export type Signer = Verifier & { readonly text: string; readonly sign: (text: string) => string };

/** A key, a note or a checkpoint that is not in the form it must have; says what is wrong, never a secret. */
export class NoteError extends Error {
  override readonly name = 'NoteError';
}

const keyId = (name: string, publicKey: Uint8Array): string =>
  createHash('sha256')
    .update(`${name}\n`)
    .update(Buffer.of(ALGORITHM))
    .update(publicKey)
    .digest()
    .subarray(0, ID_BYTES)
    .toString('hex');

const isName = (name: string): boolean => name !== '' && !/[\s+]/u.test(name);

export const verifierOf = (name: string, publicKey: Buffer): Verifier => {
  if (!isName(name)) throw new NoteError('The name of a key must not be empty nor have spaces or plus signs.');
  if (publicKey.length !== KEY_BYTES) throw new NoteError('A public key must have 32 bytes.');
  return { name, id: keyId(name, publicKey), publicKey };
};

/** The line by which a public key is handed on: `<name>+<key hash>+<base64 of 0x01 and the key>`. */
export const verifierText = ({ name, id, publicKey }: Verifier): string =>
  `${name}+${id}+${Buffer.concat([Buffer.of(ALGORITHM), publicKey]).toString('base64')}`;

const keyBytes = (base64: string): Buffer => {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes[0] !== ALGORITHM || bytes.length !== KEY_BYTES + 1)
    throw new NoteError('It is not an Ed25519 key of a signed note (0x01 and 32 bytes in base64).');
  return bytes.subarray(1);
};

/** Reads the line of a public key. Throws `NoteError`. */
export const parseVerifier = (line: string): Verifier => {
  const [, name, id, base64] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(line.trim()) ?? [];
  if (name === undefined || base64 === undefined)
    throw new NoteError('A public key looks like <name>+<8 hex digits>+<base64>.');
  const verifier = verifierOf(name, keyBytes(base64));
  if (verifier.id !== id) throw new NoteError(`The key hash ${id} is not that of this key (${verifier.id}).`);
  return verifier;
};

const objectOf = (publicKey: Buffer): KeyObject =>
  createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, publicKey]), format: 'der', type: 'spki' });

const signerOf = (name: string, seed: Buffer): Signer => {
  const key = createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(PUBLIC_PREFIX.length);
  const verifier = verifierOf(name, Buffer.from(publicKey));
  const encoded = Buffer.concat([Buffer.of(ALGORITHM), seed]).toString('base64');
  return {
    ...verifier,
    text: `PRIVATE+KEY+${name}+${verifier.id}+${encoded}`,
    sign: (text) => sign(null, Buffer.from(text), key).toString('base64'),
  };
};

export const newSigner = (name: string): Signer => signerOf(name, randomBytes(KEY_BYTES));

/** Reads the line of a signing key. Throws `NoteError`, which does not show it. */
export const parseSigner = (line: string): Signer => {
  const [, name, id, base64] = /^PRIVATE\+KEY\+([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(line.trim()) ?? [];
  if (name === undefined || base64 === undefined)
    throw new NoteError('A signing key is one line that begins with PRIVATE+KEY+; this is something else.');
  const signer = signerOf(name, keyBytes(base64));
  if (signer.id !== id) throw new NoteError('The signing key does not fit its own key hash: a part of it is missing.');
  return signer;
};

/** A text (its last line ends with a line feed) and who signed it. */
export type Note = {
  readonly text: string;
  readonly signatures: readonly { readonly name: string; readonly id: string; readonly signature: Buffer }[];
};

/** A note from its text and one signature (base64, without the key hash). */
export const noteText = (text: string, by: Pick<Verifier, 'name' | 'id'>, signature: string): string => {
  const bytes = Buffer.concat([Buffer.from(by.id, 'hex'), Buffer.from(signature, 'base64')]);
  return `${text}\n${MARK}${by.name} ${bytes.toString('base64')}\n`;
};

export const signNote = (text: string, signer: Signer): string => noteText(text, signer, signer.sign(text));

const SIGNATURE_LINE = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u;

/** Reads a signed note (c2sp.org/signed-note). Throws `NoteError`. */
export const parseNote = (note: string): Note => {
  const split = note.lastIndexOf('\n\n');
  if (split < 1 || !note.endsWith('\n')) throw new NoteError('A signed note is a text, an empty line, and signatures.');
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split('\n');
  const signatures = lines.map((line) => {
    const [, name, base64] = SIGNATURE_LINE.exec(line) ?? [];
    const bytes = Buffer.from(base64 ?? '', 'base64');
    if (name === undefined || bytes.length <= ID_BYTES || bytes.toString('base64') !== base64)
      throw new NoteError('A signature of the note is not "— <name> <base64>".');
    return { name, id: bytes.subarray(0, ID_BYTES).toString('hex'), signature: bytes.subarray(ID_BYTES) };
  });
  return { text, signatures };
};

/** Whether the holder of this key signed the note. */
export const isSignedBy = (note: Note, verifier: Verifier): boolean =>
  note.signatures.some(
    ({ name, id, signature }) =>
      name === verifier.name &&
      id === verifier.id &&
      signature.length === SIGNATURE_BYTES &&
      verify(null, Buffer.from(note.text), objectOf(verifier.publicKey), signature),
  );
