import { crc32, deflateRawSync, gunzipSync } from 'node:zlib';

/** Events of one file. */
export const SEGMENT = 4_096;
/** Events that are packed, and unpacked, together. */
const BLOCK = 256;

const DIGITS = 12;
const padded = (position: number): string => String(position).padStart(DIGITS, '0');

/** The file, counted from 0, that an event belongs to. */
export const segmentOf = (position: number): number => Math.floor((position - 1) / SEGMENT);

export const firstOf = (segment: number): number => segment * SEGMENT + 1;
export const lastOf = (segment: number): number => (segment + 1) * SEGMENT;
export const fileNameOf = (segment: number): string =>
  `events-${padded(firstOf(segment))}-${padded(lastOf(segment))}.ndjson.gz`;

const HEADER = 20;
const SIZE_AT = 16;
const TRAILER = 8;

/**
 * A member of a gzip file (RFC 1952) with a field of our own, `Hg`, in its header: how many bytes it has in all. So the
 * next one is found without unpacking this one, and any program that reads gzip reads the file.
 */
const memberOf = (text: Buffer): Buffer => {
  const packed = deflateRawSync(text);
  const member = Buffer.alloc(HEADER + packed.length + TRAILER);
  // Magic, deflate, with an extra field; no time, so that the same events give the same file.
  member.set([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255]);
  member.writeUInt16LE(8, 10);
  member.write('Hg', 12, 'latin1');
  member.writeUInt16LE(4, 14);
  member.writeUInt32LE(member.length, SIZE_AT);
  member.set(packed, HEADER);
  member.writeUInt32LE(crc32(text), HEADER + packed.length);
  member.writeUInt32LE(text.length, HEADER + packed.length + 4);
  return member;
};

/** The bytes of a file with these bodies, which are those of one segment in order. */
export const packSegment = (bodies: readonly string[]): Buffer => {
  const members: Buffer[] = [];
  for (let at = 0; at < bodies.length; at += BLOCK)
    members.push(memberOf(Buffer.from(`${bodies.slice(at, at + BLOCK).join('\n')}\n`)));
  return Buffer.concat(members);
};

/** No file of bodies that the log takes becomes larger than this when it is unpacked. */
const LARGEST = 1_073_741_824;

const linesOf = (packed: Buffer): readonly string[] => {
  try {
    return gunzipSync(packed, { maxOutputLength: LARGEST }).toString('utf8').split('\n').slice(0, -1);
  } catch {
    return [];
  }
};

/** A file as it was read, by whomever it was packed. What cannot be unpacked of it holds no bodies. */
export class Segment {
  readonly #blocks = new Map<number, readonly string[]>();
  readonly #starts: readonly number[];
  /** Of a file that was packed otherwise, and has to be unpacked as a whole. */
  readonly #whole: readonly string[] | undefined;

  constructor(private readonly bytes: Buffer) {
    this.#whole = bytes.toString('latin1', 12, 14) === 'Hg' ? undefined : linesOf(bytes);
    const starts = [0];
    for (let at = 0; at + HEADER <= bytes.length;) {
      const size = bytes.readUInt32LE(at + SIZE_AT);
      if (size < HEADER + TRAILER) break;
      at += size;
      starts.push(at);
    }
    this.#starts = starts;
  }

  /** The body of an event; undefined where the file is damaged. */
  bodyOf(position: number): string | undefined {
    const place = (position - 1) % SEGMENT;
    if (this.#whole !== undefined) return this.#whole[place];
    const block = Math.floor(place / BLOCK);
    const known = this.#blocks.get(block);
    const lines = known ?? this.#unpack(block);
    if (known === undefined) this.#blocks.set(block, lines);
    return lines[place % BLOCK];
  }

  #unpack(block: number): readonly string[] {
    const [start, end] = [this.#starts[block], this.#starts[block + 1]];
    return start === undefined || end === undefined ? [] : linesOf(this.bytes.subarray(start, end));
  }
}
