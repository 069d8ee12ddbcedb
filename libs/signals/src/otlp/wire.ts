import protobuf from 'protobufjs/minimal.js';
import { MalformedOtlpError, type Attributes, type AttributeValue, type SentAttributes } from './model.js';

export type Reader = protobuf.Reader;

export const VARINT = 0;
export const FIXED64 = 1;
export const DELIMITED = 2;
const TWO_32 = 4_294_967_296;
/** Lists in lists in lists: nobody sends more on purpose. */
const DEEPEST = 16;

const malformed = (why: string): MalformedOtlpError =>
  new MalformedOtlpError(`The body is no such message in protobuf: ${why}.`);

/** Runs a decoder over the whole body; whatever it stumbles over makes the body malformed. */
export const decodeWith = <T>(body: Buffer, decode: (reader: Reader, end: number) => T): T => {
  const reader = protobuf.Reader.create(body);
  try {
    return decode(reader, reader.len);
  } catch (error) {
    if (error instanceof MalformedOtlpError) throw error;
    throw malformed(error instanceof Error ? error.message : String(error));
  }
};

/**
 * Gives each field of a message that ends at `end`: `take` reads it and says so, or it is passed over. A message that
 * reads beyond its end is malformed.
 */
export const eachField = (reader: Reader, end: number, take: (field: number, wire: number) => boolean): void => {
  while (reader.pos < end) {
    const tag = reader.tag();
    if (!take(tag >>> 3, tag & 7)) reader.skipType(tag & 7);
  }
  closeAt(reader, end);
};

/** Throws where a message was read beyond its end. */
export const closeAt = (reader: Reader, end: number): void => {
  if (reader.pos !== end) throw malformed('a part of it reaches beyond its whole');
};

/** Where the message that follows its length ends. */
export const endOf = (reader: Reader): number => {
  const end = reader.size() + reader.pos;
  if (end > reader.len) throw malformed('it ends in the middle');
  return end;
};

export const fixed64 = (reader: Reader): number => {
  const low = reader.fixed32();
  return reader.fixed32() * TWO_32 + low;
};

export const sfixed64 = (reader: Reader): number => {
  const low = reader.fixed32();
  return reader.sfixed32() * TWO_32 + low;
};

/** Beyond 2^53 to the nearest that a number can hold. */
export const uint64 = (reader: Reader): number => {
  let value = 0;
  for (let scale = 1; scale < 2 ** 70; scale *= 128) {
    const byte = reader.buf[reader.pos];
    if (byte === undefined) throw malformed('it ends in the middle of a number');
    reader.pos += 1;
    value += (byte & 127) * scale;
    if (byte < 128) return value;
  }
  throw malformed('it has a number of more than 64 bits');
};

/** One number, or many of them packed. */
export const numbers = (reader: Reader, wire: number, read: (reader: Reader) => number, to: number[]): void => {
  if (wire !== DELIMITED) {
    to.push(read(reader));
    return;
  }
  const end = endOf(reader);
  while (reader.pos < end) to.push(read(reader));
  if (reader.pos !== end) throw malformed('a list of numbers ends in the middle of one');
};

const listOf = (reader: Reader, end: number, depth: number): readonly string[] => {
  const values: string[] = [];
  eachField(reader, end, (field, wire) => {
    if (field !== 1 || wire !== DELIMITED) return false;
    const value = anyValue(reader, endOf(reader), depth);
    values.push(typeof value === 'string' ? value : JSON.stringify(value));
    return true;
  });
  return values;
};

const anyValue = (reader: Reader, end: number, depth = 0): AttributeValue => {
  if (depth > DEEPEST) throw malformed('its attributes are nested too deep');
  let value: AttributeValue = '';
  eachField(reader, end, (field, wire) => {
    if (field === 1 && wire === DELIMITED) value = reader.string();
    else if (field === 2 && wire === VARINT) value = String(reader.bool());
    else if (field === 3 && wire === VARINT) value = String(reader.int64());
    else if (field === 4 && wire === FIXED64) value = String(reader.double());
    else if (field === 5 && wire === DELIMITED) value = listOf(reader, endOf(reader), depth + 1);
    // Maps and bytes stand for themselves: nothing asks what is in them.
    else if (wire === DELIMITED) value = Buffer.from(reader.bytes()).toString('hex');
    else return false;
    return true;
  });
  return value;
};

const keyValue = (reader: Reader, end: number, to: Map<string, AttributeValue>): void => {
  let key = '';
  let value: AttributeValue = '';
  eachField(reader, end, (field, wire) => {
    if (wire !== DELIMITED) return false;
    if (field === 1) key = reader.string();
    else if (field === 2) value = anyValue(reader, endOf(reader));
    else return false;
    return true;
  });
  to.set(key, value);
};

/**
 * Notes where the attributes of a message lie. Those of one series are the same bytes each time, so that they are read
 * when they are first seen and known by their bytes from then on. Nearly all senders write them in a row.
 */
export class AttributeBytes implements SentAttributes {
  private from = -1;
  private to = -1;
  /** Rows before the last one, where something lies between them. */
  private readonly rows: (readonly [from: number, to: number])[] = [];
  private known: string | undefined;

  constructor(private readonly reader: Reader) {}

  /** Passes over one attribute, whose length comes next. */
  note(): boolean {
    const from = this.reader.pos;
    const end = endOf(this.reader);
    this.reader.pos = end;
    // Between two attributes that follow each other lies a tag of a byte.
    if (this.to + 1 !== from) {
      if (this.from >= 0) this.rows.push([this.from, this.to]);
      this.from = from;
    }
    this.to = end;
    return true;
  }

  get id(): string {
    return (this.known ??= this.bytes());
  }

  read(): Attributes {
    const attributes = new Map<string, AttributeValue>();
    for (const [from, to] of this.all())
      decodeWith(this.reader.buf.subarray(from, to) as Buffer, (own, end) => {
        while (own.pos < end) {
          keyValue(own, endOf(own), attributes);
          if (own.pos < end) own.tag();
        }
      });
    return attributes;
  }

  private all(): readonly (readonly [from: number, to: number])[] {
    return this.from < 0 ? [] : [...this.rows, [this.from, this.to]];
  }

  private bytes(): string {
    const buffer = this.reader.buf as Buffer;
    if (this.rows.length > 0)
      return this.all()
        .map(([from, to]) => buffer.toString('latin1', from, to))
        .join(' ');
    return this.from < 0 ? '' : buffer.toString('latin1', this.from, this.to);
  }
}
