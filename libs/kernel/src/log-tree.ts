/** A signed head of the tree over the log. Hashes are in base64, times in ISO 8601 (UTC). */
export type TreeHeadView = {
  readonly origin: string;
  /** How many events it covers: those at the positions 1 to `size`. */
  readonly size: number;
  readonly root: string;
  readonly signedAt: string | null;
  readonly keyId: string;
  /** The whole signed note. */
  readonly checkpoint: string;
};

/** A key that signs heads of more than `fromSize` events, until the next one takes over. */
export type SealKeyView = {
  readonly id: string;
  /** The public key on one line: `<origin>+<id>+<base64>`. */
  readonly publicKey: string;
  readonly fromSize: number;
  readonly madeAt: string;
  /** The signed note by which the key before vouches for this one; null for the first, and after a lost key. */
  readonly statement: string | null;
};

/**
 * `waiting`: another controller seals, or the database is away. `sealing`: this one does. `no-key`: it cannot, for want
 * of the key. `stopped`: what it found must not be signed. `off`: this controller does not seal, by its role.
 */
export type SealingState = {
  readonly state: 'waiting' | 'sealing' | 'no-key' | 'stopped' | 'off';
  /** What is wrong and what to do, for people; absent when nothing is. */
  readonly message?: string;
};

/** The exact canonical text of an event in the log. */
export type StoredBody = { readonly position: number; readonly body: string };

/** The signed tree over the log (RFC 9162), and proofs from it, for events that are sealed. */
export abstract class LogTree {
  /** The newest signed head; undefined before the first. */
  abstract head(): Promise<TreeHeadView | undefined>;
  /** The keys that sign, in the order in which they took over. */
  abstract keys(): Promise<readonly SealKeyView[]>;
  /** What this controller has to say about sealing. */
  abstract sealing(): SealingState;
  /** The leaf at a position and the proof that it is in the tree of that size, in base64. */
  abstract inclusion(
    position: number,
    size: number,
  ): Promise<{ readonly leaf: string; readonly proof: readonly string[] }>;
  /** The proof, in base64, that the tree of the second size continues that of the first. */
  abstract consistency(first: number, second: number): Promise<readonly string[]>;
  /** Exact bodies after a position, in order. */
  abstract bodies(after: number, limit: number): Promise<readonly StoredBody[]>;
  /** Exact bodies at these positions, in order; what is not in the log is left out. */
  abstract bodiesAt(positions: readonly number[]): Promise<readonly StoredBody[]>;
  /** The proofs, in base64, that the events at these positions are in the tree of that size. */
  abstract inclusions(positions: readonly number[], size: number): Promise<readonly (readonly string[])[]>;
}

/** A file of an evidence pack. */
export type PackFile = { readonly name: string; readonly text: string };

/** Which rollout a pack is about, how many events its head covers, and when it was made (ISO 8601 in UTC). */
export type PackTitle = { readonly rollout: string; readonly size: number; readonly madeAt: string };

/** Makes one archive of the files of an evidence pack, with a manifest of them that the log's key signs. */
export abstract class PackSealer {
  /** Undefined where this controller does not have the key that signs the log now. */
  abstract seal(title: PackTitle, files: readonly PackFile[]): Promise<Uint8Array | undefined>;
}
