import { createHash, hash } from 'node:crypto';

export const HASH_BYTES = 32;

/** The root of a tree without leaves (RFC 9162, section 2.1.1). */
export const EMPTY_ROOT: Buffer = createHash('sha256').digest();

/** SHA-256 as a string with one character for each byte: by far the cheapest way to get one hash out of OpenSSL. */
export const sha256Binary = (bytes: Uint8Array): string => hash('sha256', bytes, 'binary');

/** SHA-256(0x01 ‖ left ‖ right): the hash of an inner node. */
export const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer =>
  Buffer.from(sha256Binary(Buffer.concat([Buffer.of(1), left, right])), 'binary');
