import { crc32 } from 'node:zlib';

/** What cannot be read as an archive that Headgate wrote. */
export class ZipError extends Error {
  override readonly name = 'ZipError';
}

type Entry = { readonly name: string; readonly bytes: Buffer };

const LOCAL = 0x0403_4b50;
const CENTRAL = 0x0201_4b50;
const END = 0x0605_4b50;
const LOCAL_BYTES = 30;
/** Version 2.0: files and nothing else. */
const VERSION = 20;
/** 1 January 1980 at midnight: the same files give the same archive. */
const DATE = 0x0021;

/** What the local and the central header have in common (APPNOTE.TXT of PKWARE, 4.3.7 and 4.3.12): stored, not packed. */
const common = ({ name, bytes }: Entry): Buffer => {
  const header = Buffer.alloc(26);
  header.writeUInt16LE(VERSION, 0);
  header.writeUInt16LE(DATE, 8);
  header.writeUInt32LE(crc32(bytes), 10);
  header.writeUInt32LE(bytes.length, 14);
  header.writeUInt32LE(bytes.length, 18);
  header.writeUInt16LE(Buffer.byteLength(name), 22);
  return header;
};

const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

const localOf = (entry: Entry): Buffer =>
  Buffer.concat([word(LOCAL), common(entry), Buffer.from(entry.name), entry.bytes]);

const centralOf = (entry: Entry, offset: number): Buffer => {
  const rest = Buffer.alloc(14);
  rest.writeUInt32LE(offset, 10);
  const madeBy = Buffer.from([VERSION, 0]);
  return Buffer.concat([word(CENTRAL), madeBy, common(entry), rest, Buffer.from(entry.name)]);
};

/** An archive of files, as they are: the same files give the same bytes. */
export const zipOf = (entries: readonly Entry[]): Buffer => {
  const locals = entries.map(localOf);
  let offset = 0;
  const centrals = entries.map((entry, n) => {
    const central = centralOf(entry, offset);
    offset += locals[n]?.length ?? 0;
    return central;
  });
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(END, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
};

const nextOf = (archive: Buffer, at: number): { readonly entry: Entry; readonly end: number } => {
  const stored = archive.readUInt16LE(at + 8) === 0;
  const size = archive.readUInt32LE(at + 18);
  const from = at + LOCAL_BYTES + archive.readUInt16LE(at + 26);
  const end = from + size;
  if (!stored || archive.readUInt16LE(at + 28) !== 0 || end > archive.length)
    throw new ZipError('It was packed by something else, or cut: unpack it, and verify the folder.');
  return { entry: { name: archive.toString('utf8', at + LOCAL_BYTES, from), bytes: archive.subarray(from, end) }, end };
};

/**
 * The files of an archive that `zipOf` made. `isExact`: every byte of it, headers too, is as `zipOf` would write it.
 * Throws `ZipError`.
 */
export const unzip = (archive: Buffer): { readonly files: ReadonlyMap<string, Buffer>; readonly isExact: boolean } => {
  const entries: Entry[] = [];
  let at = 0;
  while (at + LOCAL_BYTES <= archive.length && archive.readUInt32LE(at) === LOCAL) {
    const { entry, end } = nextOf(archive, at);
    entries.push(entry);
    at = end;
  }
  const files = new Map(entries.map(({ name, bytes }) => [name, bytes]));
  if (files.size === 0) throw new ZipError('It is no archive.');
  if (files.size < entries.length) throw new ZipError('Two files in it have the same name.');
  return { files, isExact: zipOf(entries).equals(archive) };
};
