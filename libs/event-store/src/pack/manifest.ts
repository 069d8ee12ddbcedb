import { createHash } from 'node:crypto';
import type { PackFile, PackTitle } from '#libs/kernel';
import { NoteError, parseNote, signNote, type Note, type Signer } from '../seal/note.js';

/** The file of a pack that names all others. */
export const MANIFEST = 'manifest.txt';

/** Neither a head (whose second line is a number) nor a statement about a key can be read as this. */
const TITLE = 'evidence pack 1';

/** A file of a pack: the SHA-256 of its bytes in hexadecimal digits, and how many bytes it has. */
export type ListedFile = { readonly name: string; readonly digest: string; readonly bytes: number };

/** What a manifest says, as it was read; no signature was checked. */
export type PackManifest = PackTitle & {
  readonly origin: string;
  readonly files: readonly ListedFile[];
  readonly note: Note;
};

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const lineOf = ({ name, text }: PackFile): string => {
  const bytes = Buffer.from(text);
  return `${sha256Of(bytes)} ${bytes.length} ${name}\n`;
};

/** The manifest of a pack: a signed note (c2sp.org/signed-note) that names each file by its SHA-256. */
export const packManifest = (
  { rollout, size, madeAt }: PackTitle,
  files: readonly PackFile[],
  signer: Signer,
): string => {
  const head = `${signer.name}\n${TITLE}\nrollout ${rollout}\nhead ${size}\nmade ${madeAt}\n`;
  return signNote(head + files.map(lineOf).join(''), signer);
};

const HEAD =
  /^([^\n]+)\n([^\n]+)\nrollout ([0-9a-f-]{36})\nhead ([1-9]\d{0,15})\nmade (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\n/;
const LINE = /^([0-9a-f]{64}) (\d{1,12}) ([a-z]+\.[a-z]+)$/;

/** Reads a manifest; checks no signature. Throws `NoteError`. */
export const parsePackManifest = (text: string): PackManifest => {
  const note = parseNote(text);
  const [whole = '', origin = '', title, rollout = '', size = '', madeAt = ''] = HEAD.exec(note.text) ?? [];
  if (origin === '') throw new NoteError('It is not the manifest of an evidence pack.');
  if (title !== TITLE) throw new NoteError(`It is of "${title}", and this version reads "${TITLE}": take a newer one.`);
  if (note.signatures.length !== 1) throw new NoteError('A manifest has one signature.');
  const files = note.text
    .slice(whole.length, -1)
    .split('\n')
    .map((line) => {
      const [, digest, bytes, name] = LINE.exec(line) ?? [];
      if (digest === undefined || name === undefined)
        throw new NoteError('A line of the manifest is not "<SHA-256> <bytes> <name>".');
      return { name, digest, bytes: Number(bytes) };
    });
  return { origin, rollout, size: Number(size), madeAt, files, note };
};
