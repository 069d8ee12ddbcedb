import { sha256Binary } from '../tree/hashes.js';

/** Longer bodies are rare enough to be hashed where they lie. */
const LONGEST = 16_384;

/**
 * SHA-256(0x00 ‖ body) without making an object for each body, which would cost as much as the hash: bodies are copied
 * behind a zero byte, and the views of its first bytes are kept by their length.
 */
export class LeafHasher {
  readonly #scratch = Buffer.alloc(LONGEST + 1);
  readonly #views: Buffer[] = [];

  /** The leaf of the body between two places, a character for each byte. */
  leafOf(bytes: Buffer, from: number, to: number): string {
    const length = to - from + 1;
    if (length > LONGEST + 1) return sha256Binary(Buffer.concat([Buffer.of(0), bytes.subarray(from, to)]));
    bytes.copy(this.#scratch, 1, from, to);
    const view = (this.#views[length] ??= this.#scratch.subarray(0, length));
    return sha256Binary(view);
  }
}
