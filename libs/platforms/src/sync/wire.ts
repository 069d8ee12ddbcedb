import type { MethodDefinition } from '@grpc/grpc-js';

/**
 * The messages of flagd.sync.v1 in protobuf's wire format. All that is used is strings with field numbers below 16, so a
 * message is a row of (tag, length, bytes).
 */
const LENGTH_DELIMITED = 2;
const SELECTOR = 2;
const FLAG_CONFIGURATION = 1;

export type SyncRequest = { readonly selector: string };

/** A message that is encoded already, so that one frame serves every stream. */
export type Encoded = Buffer;

const varint = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return bytes;
};

const encodeString = (field: number, text: string): Encoded => {
  const body = Buffer.from(text, 'utf8');
  return Buffer.concat([Buffer.from([(field << 3) | LENGTH_DELIMITED, ...varint(body.length)]), body]);
};

/** `SyncFlagsResponse` and `FetchAllFlagsResponse`: both carry the ruleset as JSON in field 1. */
export const encodeRuleset = (text: string): Encoded => encodeString(FLAG_CONFIGURATION, text);

/** `GetMetadataResponse` without metadata: whatever stood there would be mixed into every evaluation's context. */
export const emptyMessage: Encoded = Buffer.alloc(0);

class Reader {
  private at = 0;
  constructor(private readonly bytes: Buffer) {}

  done(): boolean {
    return this.at >= this.bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new Error('The request ends in the middle of a number.');
      if (shift < 32) value = (value | ((byte & 0x7f) << shift)) >>> 0;
      if (byte < 0x80) return value;
    }
    throw new Error('The request holds a number of more than 64 bits.');
  }

  take(length: number): Buffer {
    if (this.at + length > this.bytes.length) throw new Error('The request ends in the middle of a field.');
    const taken = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return taken;
  }

  skip(wireType: number): void {
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.take(8);
    else if (wireType === LENGTH_DELIMITED) this.take(this.varint());
    else if (wireType === 5) this.take(4);
    else throw new Error(`The request holds a field of wire type ${wireType}, which flagd.sync.v1 does not have.`);
  }
}

/** Reads any request of the service; fields that are not known are skipped. Throws for bytes that are no message. */
export const decodeRequest = (bytes: Buffer): SyncRequest => {
  const reader = new Reader(bytes);
  let selector = '';
  while (!reader.done()) {
    const tag = reader.varint();
    if (tag === ((SELECTOR << 3) | LENGTH_DELIMITED)) selector = reader.take(reader.varint()).toString('utf8');
    else reader.skip(tag & 7);
  }
  return { selector };
};

const method = (name: string, responseStream: boolean): MethodDefinition<SyncRequest, Encoded> => ({
  path: `/flagd.sync.v1.FlagSyncService/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: ({ selector }) => encodeString(SELECTOR, selector),
  requestDeserialize: decodeRequest,
  responseSerialize: (message) => message,
  responseDeserialize: (message) => message,
});

/** flagd.sync.v1.FlagSyncService. */
export const flagSyncService = {
  syncFlags: method('SyncFlags', true),
  fetchAllFlags: method('FetchAllFlags', false),
  getMetadata: method('GetMetadata', false),
};
