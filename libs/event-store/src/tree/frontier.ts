import { EMPTY_ROOT, HASH_BYTES, nodeHash, sha256Binary } from './hashes.js';

/** As many levels as positions that a number holds exactly. */
const LEVELS = 54;
/** 0x01, left, right: what the hash of an inner node is made of. */
const SLOT = 1 + 2 * HASH_BYTES;

/** Told of each complete subtree: 2^level leaves from leaf index × 2^level on; `hash` has a character for each byte. */
export type OnNode = (level: number, index: number, hash: string) => void;

/**
 * A tree to which leaves are appended one by one, of which only the roots of its complete subtrees are kept (one for
 * each bit of its size): enough to go on and to give the root at any time.
 */
export class Frontier {
  #size = 0;
  readonly #slots = Buffer.alloc(LEVELS * SLOT);
  readonly #filled = new Uint8Array(LEVELS);
  readonly #views: readonly Buffer[];
  #onNode: OnNode | undefined;
  readonly #fromLevel: number;

  /** @param onNode is told of complete subtrees of `fromLevel` and above */
  constructor(onNode?: OnNode, fromLevel = 0) {
    this.#onNode = onNode;
    this.#fromLevel = fromLevel;
    for (let level = 0; level < LEVELS; level += 1) this.#slots[level * SLOT] = 1;
    this.#views = Array.from({ length: LEVELS }, (_, level) => this.#slots.subarray(level * SLOT, (level + 1) * SLOT));
  }

  /** Goes on where a tree of this size ended. `roots`: of its complete subtrees from the left, so the largest first. */
  static restored(size: number, roots: readonly Uint8Array[], onNode?: OnNode, fromLevel = 0): Frontier {
    const frontier = new Frontier(onNode, fromLevel);
    let next = roots.length - 1;
    for (let level = 0, rest = size; rest > 0; level += 1, rest = Math.floor(rest / 2)) {
      if (rest % 2 === 0) continue;
      const root = roots[next];
      if (root?.length !== HASH_BYTES) throw new Error(`A tree of ${size} leaves needs another number of roots.`);
      frontier.#slots.set(root, level * SLOT + 1);
      frontier.#filled[level] = 1;
      next -= 1;
    }
    if (next !== -1) throw new Error(`A tree of ${size} leaves has fewer roots than were given.`);
    frontier.#size = size;
    return frontier;
  }

  get size(): number {
    return this.#size;
  }

  /** Takes the hash of the next leaf: 32 bytes, or a string with a character for each. */
  append(leaf: Uint8Array | string): void {
    let hash = typeof leaf === 'string' ? leaf : Buffer.from(leaf).toString('binary');
    let level = 0;
    while (this.#filled[level] === 1) {
      this.#put(hash, level * SLOT + 1 + HASH_BYTES);
      hash = sha256Binary(this.#views[level] as Buffer);
      this.#filled[level] = 0;
      level += 1;
      if (level >= this.#fromLevel) this.#onNode?.(level, Math.floor(this.#size / 2 ** level), hash);
    }
    this.#put(hash, level * SLOT + 1);
    this.#filled[level] = 1;
    this.#size += 1;
  }

  /** Byte by byte, which for so few is cheaper than a call. */
  #put(hash: string, at: number): void {
    const slots = this.#slots;
    for (let byte = 0; byte < HASH_BYTES; byte += 1) slots[at + byte] = hash.charCodeAt(byte);
  }

  root(): Buffer {
    let root: Buffer | undefined;
    for (let level = 0; level < LEVELS; level += 1) {
      if (this.#filled[level] !== 1) continue;
      const own = this.#slots.subarray(level * SLOT + 1, level * SLOT + 1 + HASH_BYTES);
      root = root === undefined ? Buffer.from(own) : nodeHash(own, root);
    }
    return root ?? EMPTY_ROOT;
  }

  /** Tells of complete subtrees from now on. */
  listen(onNode: OnNode): void {
    this.#onNode = onNode;
  }

  /** A tree of its own in the same state, which tells nobody. */
  copy(): Frontier {
    const copy = new Frontier(undefined, this.#fromLevel);
    copy.#slots.set(this.#slots);
    copy.#filled.set(this.#filled);
    copy.#size = this.#size;
    return copy;
  }
}
