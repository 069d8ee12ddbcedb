import { canonicalJson } from '../canonical.js';

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const NOT_ASCII = 0x80;
const FIRST_VISIBLE = 0x20;

/** The escapes of one letter that RFC 8785 uses: \" \\ \b \f \n \r \t. */
const SHORT = new Set([...'"\\bfnrt'].map((letter) => letter.charCodeAt(0)));
const LONG = /^u00(?:0[0-7be-f]|1[0-9a-f])$/;
const LITERALS = ['true', 'false', 'null'].map((word) => Buffer.from(word));
/** Of a place: what was read is not what was expected there. Fits into the comparison `at < 0`. */
const WRONG = -1;

const [DATA, EVENT_ID, METADATA, POSITION, RECORDED_AT, SCHEMA_VERSION, STREAM_ID, STREAM_VERSION, TYPE] = [
  '{"data":',
  ',"eventId":',
  ',"metadata":',
  ',"position":',
  ',"recordedAt":',
  ',"schemaVersion":',
  ',"streamId":',
  ',"streamVersion":',
  ',"type":',
].map((text) => Buffer.from(text)) as unknown as Words;
const [QUOTED, TYPE_END] = ['"', '"}'].map((text) => Buffer.from(text)) as unknown as readonly [Buffer, Buffer];
type Words = readonly [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];

/** Bytes, and the same bytes four by four. */
export type Text = { readonly bytes: Buffer; readonly words: Int32Array };

/** The bytes as they are, or copied to where they can be read four by four. */
export const textOf = (given: Buffer): Text => {
  const bytes = given.byteOffset % 4 === 0 ? given : Buffer.from(new Uint8Array(given).buffer);
  return { bytes, words: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2) };
};

// Each of these reads what begins at `at` and gives the place behind it, or WRONG. They are called for every value of
// every event, so they keep nothing and throw nothing.

const wordEnd = (bytes: Buffer, at: number, word: Buffer): number => {
  if (at < 0) return WRONG;
  for (let n = 0; n < word.length; n += 1) if (bytes[at + n] !== word[n]) return WRONG;
  return at + word.length;
};

const escapeEnd = (bytes: Buffer, at: number): number => {
  if (SHORT.has(bytes[at] ?? 0)) return at + 1;
  return LONG.test(bytes.toString('latin1', at, at + 5)) ? at + 5 : WRONG;
};

/** Four bytes at once: whether one of them is a quote, a backslash or a control character. It may say yes in vain. */
const hasStop = (word: number): boolean => {
  const quote = word ^ 0x22222222;
  const backslash = word ^ 0x5c5c5c5c;
  const found =
    ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash) | ((word - 0x20202020) & ~word);
  return (found & 0x80808080) !== 0;
};

/** The first byte from here on that does not stand for itself in a string. */
const stopFrom = ({ bytes, words }: Text, from: number): number => {
  let at = from;
  for (let byte = bytes[at] as number; byte >= FIRST_VISIBLE && byte !== QUOTE && byte !== BACKSLASH;) {
    at += 1;
    if ((at & 3) === 0) {
      let word = at >> 2;
      while (!hasStop((words[word] as number) | 0)) word += 1;
      at = word << 2;
    }
    byte = bytes[at] as number;
  }
  return at;
};

const stringEnd = (text: Text, from: number): number => {
  const { bytes } = text;
  if (bytes[from] !== QUOTE) return WRONG;
  let at = from + 1;
  for (;;) {
    at = stopFrom(text, at);
    const byte = bytes[at];
    if (byte === QUOTE) return at + 1;
    if (byte !== BACKSLASH) return WRONG;
    at = escapeEnd(bytes, at + 1);
    if (at < 0) return WRONG;
  }
};

const digitsEnd = (bytes: Buffer, from: number): number => {
  let at = from;
  for (let byte = bytes[at] as number; byte >= ZERO && byte <= NINE; byte = bytes[at] as number) at += 1;
  return at;
};

const numberEnd = (bytes: Buffer, from: number): number => {
  const first = bytes[from] === MINUS ? from + 1 : from;
  let at = digitsEnd(bytes, first);
  const next = bytes[at];
  const isWhole = next === COMMA || next === CLOSE || next === CLOSE_LIST;
  if (isWhole && at - first <= 15 && at > first && (bytes[first] !== ZERO || at === from + 1)) return at;
  while (/[-+.0-9eE]/.test(String.fromCharCode(bytes[at] ?? 0))) at += 1;
  const text = bytes.toString('latin1', from, at);
  return JSON.stringify(Number(text)) === text ? at : WRONG;
};

const literalEnd = (bytes: Buffer, at: number): number =>
  LITERALS.reduce((end, word) => (end < 0 ? wordEnd(bytes, at, word) : end), WRONG);

const listEnd = (text: Text, from: number): number => {
  const { bytes } = text;
  if (bytes[from + 1] === CLOSE_LIST) return from + 2;
  for (let at = from; ;) {
    at = valueEnd(text, at + 1);
    if (at < 0) return WRONG;
    if (bytes[at] !== COMMA) return bytes[at] === CLOSE_LIST ? at + 1 : WRONG;
  }
};

/** Whether the second key comes after the first; false where that takes more than comparing ASCII. */
const follows = (bytes: Buffer, first: number, second: number): boolean => {
  for (let n = 0; ; n += 1) {
    const a = bytes[first + n] as number;
    const b = bytes[second + n] as number;
    if (a === b && a !== QUOTE && a !== BACKSLASH && a < NOT_ASCII) continue;
    if (a === BACKSLASH || b === BACKSLASH || a >= NOT_ASCII || b >= NOT_ASCII || b === QUOTE) return false;
    return a === QUOTE || a < b;
  }
};

const objectEnd = (text: Text, from: number): number => {
  const { bytes } = text;
  if (bytes[from + 1] === CLOSE) return from + 2;
  let before = 0;
  for (let at = from; ;) {
    const key = at + 2;
    at = stringEnd(text, at + 1);
    if (at < 0 || bytes[at] !== COLON || (before !== 0 && !follows(bytes, before, key))) return WRONG;
    before = key;
    at = valueEnd(text, at + 1);
    if (at < 0) return WRONG;
    if (bytes[at] !== COMMA) return bytes[at] === CLOSE ? at + 1 : WRONG;
  }
};

const valueEnd = (text: Text, at: number): number => {
  const { bytes } = text;
  if (at < 0) return WRONG;
  const byte = bytes[at] as number;
  if (byte === QUOTE) return stringEnd(text, at);
  if (byte === OPEN) return objectEnd(text, at);
  if (byte === OPEN_LIST) return listEnd(text, at);
  if (byte === MINUS || (byte >= ZERO && byte <= NINE)) return numberEnd(bytes, at);
  return literalEnd(bytes, at);
};

// Each of these goes backwards from `end` and gives the place where what it reads begins, or WRONG.

/** Only the first byte is compared: this is for bodies that are covered by a head. */
const wordStart = (bytes: Buffer, end: number, word: Buffer): number => {
  const start = end - word.length;
  return start >= 0 && bytes[start] === word[0] ? start : WRONG;
};

/** Of a string without escapes; the place behind its first quote. */
const plainStart = (bytes: Buffer, end: number): number => {
  let at = end;
  for (let byte = bytes[at - 1]; byte !== QUOTE; byte = bytes[at - 1]) {
    if (at <= 0 || byte === BACKSLASH) return WRONG;
    at -= 1;
  }
  return at;
};

const digitsStart = (bytes: Buffer, end: number): number => {
  let at = end;
  for (let byte = bytes[at - 1] as number; byte >= ZERO && byte <= NINE; byte = bytes[at - 1] as number) at -= 1;
  return at;
};

/** The whole number above zero of at most 15 digits between two places; 0 for anything else. */
const wholeBetween = (bytes: Buffer, from: number, to: number): number => {
  if (from < 0 || to - from > 15 || bytes[from] === ZERO) return 0;
  let value = 0;
  for (let at = from; at < to; at += 1) value = value * 10 + (bytes[at] as number) - ZERO;
  return value;
};

/**
 * Reads what the log adds to an event from its canonical body, and tells whether the body is canonical (RFC 8785), in
 * one pass over its bytes. It answers `true` only for what is; where it is not sure the whole is canonicalized and
 * compared.
 */
export class BodyScanner {
  position = 0;
  streamVersion = 0;
  /** Bytes of the values of streamId and recordedAt, without their quotes. */
  streamFrom = 0;
  streamTo = 0;
  recordedFrom = 0;
  recordedTo = 0;

  /** From `from` to `to` it must be UTF-8, and a byte below 0x20 must follow. */
  isCanonical(text: Text, from: number, to: number): boolean {
    return this.end(text, from) === to || this.#isCanonicalAfterAll(text.bytes, from, to);
  }

  /** Where the canonical body ends that begins here; below zero where there is none, or that is not sure. */
  end(text: Text, from: number): number {
    const { bytes } = text;
    let at = valueEnd(text, wordEnd(bytes, from, DATA));
    at = valueEnd(text, wordEnd(bytes, at, EVENT_ID));
    at = valueEnd(text, wordEnd(bytes, at, METADATA));
    const position = wordEnd(bytes, at, POSITION);
    at = position < 0 ? WRONG : digitsEnd(bytes, position);
    this.position = wholeBetween(bytes, position, at);
    const recorded = wordEnd(bytes, at, RECORDED_AT);
    at = recorded < 0 ? WRONG : stringEnd(text, recorded);
    this.recordedFrom = recorded + 1;
    this.recordedTo = at - 1;
    at = valueEnd(text, wordEnd(bytes, at, SCHEMA_VERSION));
    const stream = wordEnd(bytes, at, STREAM_ID);
    at = stream < 0 ? WRONG : stringEnd(text, stream);
    this.streamFrom = stream + 1;
    this.streamTo = at - 1;
    const version = wordEnd(bytes, at, STREAM_VERSION);
    at = version < 0 ? WRONG : digitsEnd(bytes, version);
    this.streamVersion = wholeBetween(bytes, version, at);
    at = valueEnd(text, wordEnd(bytes, at, TYPE));
    return this.position > 0 && this.streamVersion > 0 && at > 0 && bytes[at] === CLOSE ? at + 1 : WRONG;
  }

  /**
   * Reads what the log adds to an event from the end of its body, without looking at the rest: enough where a head over it
   * tells whether any byte of it was altered. False where the end is not as the log writes it.
   */
  readEnd(bytes: Buffer, from: number, to: number): boolean {
    let at = wordStart(bytes, to, TYPE_END);
    at = wordStart(bytes, plainStart(bytes, at) - 1, TYPE);
    const version = digitsStart(bytes, at);
    this.streamVersion = wholeBetween(bytes, version, at);
    this.streamTo = wordStart(bytes, wordStart(bytes, version, STREAM_VERSION), QUOTED);
    this.streamFrom = plainStart(bytes, this.streamTo);
    at = wordStart(bytes, this.streamFrom - 1, STREAM_ID);
    this.recordedTo = wordStart(bytes, wordStart(bytes, digitsStart(bytes, at), SCHEMA_VERSION), QUOTED);
    this.recordedFrom = plainStart(bytes, this.recordedTo);
    at = wordStart(bytes, this.recordedFrom - 1, RECORDED_AT);
    const position = digitsStart(bytes, at);
    this.position = wholeBetween(bytes, position, at);
    return wordStart(bytes, position, POSITION) > from && this.position > 0 && this.streamVersion > 0;
  }

  #isCanonicalAfterAll(bytes: Buffer, from: number, to: number): boolean {
    this.position = 0;
    const text = bytes.toString('utf8', from, to);
    let value: unknown;
    try {
      value = JSON.parse(text);
      if (canonicalJson(value) !== text) return false;
    } catch {
      return false;
    }
    return this.#readEnvelope(value, text, from);
  }

  /** Finds the places again: the text is canonical, so the last keys of the whole are where their text ends it. */
  #readEnvelope(value: unknown, text: string, from: number): boolean {
    if (typeof value !== 'object' || value === null) return false;
    const { position, recordedAt, streamId, streamVersion, schemaVersion, type } = value as Record<string, unknown>;
    if (
      Object.keys(value).join() !==
      'data,eventId,metadata,position,recordedAt,schemaVersion,streamId,streamVersion,type'
    )
      return false;
    if (typeof recordedAt !== 'string' || typeof streamId !== 'string' || typeof type !== 'string') return false;
    if (!Number.isSafeInteger(position) || !Number.isSafeInteger(streamVersion)) return false;
    const tail = `${JSON.stringify(streamId)},"streamVersion":${String(streamVersion)},"type":${JSON.stringify(type)}}`;
    const before = `${JSON.stringify(recordedAt)},"schemaVersion":${String(schemaVersion)},"streamId":`;
    const all = Buffer.byteLength(text);
    this.streamFrom = from + all - Buffer.byteLength(tail) + 1;
    this.streamTo = this.streamFrom + Buffer.byteLength(JSON.stringify(streamId)) - 2;
    this.recordedFrom = this.streamFrom - 1 - Buffer.byteLength(before) + 1;
    this.recordedTo = this.recordedFrom + Buffer.byteLength(JSON.stringify(recordedAt)) - 2;
    this.position = position as number;
    this.streamVersion = streamVersion as number;
    return true;
  }
}
