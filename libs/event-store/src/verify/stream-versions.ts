type Stream = { readonly name: string; version: number };

/** A power of two: as many streams as a log writes to at about the same time. */
const RECENT = 1_024;
/** Ids of streams differ at their ends. */
const TAIL = 6;

const placeOf = (bytes: Uint8Array, from: number, to: number): number => {
  let place = 0;
  for (let at = Math.max(from, to - TAIL); at < to; at += 1) place = (place * 31 + (bytes[at] as number)) | 0;
  return place & (RECENT - 1);
};

const isNamed = (name: string, bytes: Uint8Array, from: number, to: number): boolean => {
  if (name.length !== to - from) return false;
  for (let at = name.length - 1; at >= 0; at -= 1) if (name.charCodeAt(at) !== bytes[from + at]) return false;
  return true;
};

/** The last version seen of each stream. Those seen lately are found without making a string of their name. */
export class StreamVersions {
  readonly #streams = new Map<string, Stream>();
  readonly #recent = Array.from({ length: RECENT }, (): Stream => ({ name: '', version: 0 }));

  /** Notes the version of the stream that is named between two places, and gives the one before it, 0 if it is new. */
  take(bytes: Buffer, from: number, to: number, version: number): number {
    const place = placeOf(bytes, from, to);
    let stream = this.#recent[place] as Stream;
    if (!isNamed(stream.name, bytes, from, to)) {
      stream = this.#find(bytes.toString('latin1', from, to));
      this.#recent[place] = stream;
    }
    const before = stream.version;
    stream.version = version;
    return before;
  }

  #find(name: string): Stream {
    const known = this.#streams.get(name);
    if (known !== undefined) return known;
    const stream = { name, version: 0 };
    this.#streams.set(name, stream);
    return stream;
  }
}
