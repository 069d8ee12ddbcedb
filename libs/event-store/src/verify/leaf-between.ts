import { sha256Binary } from '../tree/hashes.js';

/**
 * SHA-256(0x00 ‖ body) of the body between two places, a character for each byte. So that no body has to be copied
 * behind a zero, the byte in front of it is one for as long as it is hashed.
 */
export const leafBetween = (bytes: Buffer, from: number, to: number): string => {
  if (from === 0) return sha256Binary(Buffer.concat([Buffer.of(0), bytes.subarray(0, to)]));
  const before = bytes[from - 1] as number;
  bytes[from - 1] = 0;
  const leaf = sha256Binary(bytes.subarray(from - 1, to));
  bytes[from - 1] = before;
  return leaf;
};
