import type { Note, Verifier } from '../seal/note.js';
import { isSignedBy, verifierText } from '../seal/note.js';
import { isVouchedFor, type SealKey } from '../seal/seal-key.js';
import { signerOfHead, type SignedHead } from '../seal/checkpoint.js';
import type { Faults } from './report.js';

/** What a signature is worth: by a key that is trusted, by a key of the chain before it, by none, or not checked. */
export type SignatureState =
  { readonly kind: 'trusted' | 'earlier'; readonly keyId: string } | { readonly kind: 'unchecked' | 'unknown' };

const same = (a: Verifier, b: Verifier): boolean => verifierText(a) === verifierText(b);

/**
 * The keys that count: those that the verifier holds, and of the chain each that the one before it vouches for, from
 * the first that is held on. Without a key from outside the chain's first one is taken, which proves nothing by itself.
 */
export class KeyRing {
  readonly #trusted: Verifier[];
  readonly #chain: readonly SealKey[];
  readonly #earlier: readonly SealKey[];

  constructor(
    held: readonly Verifier[],
    chain: readonly SealKey[],
    private readonly faults: Faults,
    notes: string[],
  ) {
    this.#trusted = [...held];
    this.#chain = chain;
    const start = held.length === 0 ? 0 : chain.findIndex((key) => held.some((own) => same(own, key)));
    this.#earlier = chain.slice(0, Math.max(start, 0));
    const [first] = chain;
    if (held.length === 0 && first !== undefined) {
      this.#trusted.push(first);
      notes.push(`No public key was given: the key ${first.id} was taken from the log that it is to prove.`);
    }
    if (held.length > 0 && chain.length > 0 && start < 0)
      faults.add({ kind: 'key', from: 1, to: 1, detail: 'the key that was given is none of the keys of this log' });
    else this.#climb(Math.max(start, 0));
  }

  get origin(): string | null {
    return this.#trusted[0]?.name ?? null;
  }

  #climb(start: number): void {
    for (const [at, key] of this.#chain.entries()) {
      if (at <= start) continue;
      const before = this.#chain[at - 1] as SealKey;
      if (this.#trusted.some((known) => same(known, key))) continue;
      if (this.#trusted.some((known) => same(known, before)) && isVouchedFor(key, before)) this.#trusted.push(key);
      else
        this.faults.add({
          kind: 'key',
          from: key.fromSize + 1,
          to: key.fromSize + 1,
          detail: `from here on the key ${key.id} signs, and the key before it (${before.id}) does not vouch for it; if it was lost and you know the new one, give both with --key`,
        });
    }
  }

  check(head: SignedHead): SignatureState {
    if (this.#trusted.length === 0) return { kind: 'unchecked' };
    const signer = signerOfHead(head, this.#trusted);
    if (signer !== undefined)
      return this.#isInTime(signer, head) ? { kind: 'trusted', keyId: signer.id } : { kind: 'unknown' };
    const earlier = signerOfHead(head, this.#earlier);
    return earlier === undefined ? { kind: 'unknown' } : { kind: 'earlier', keyId: earlier.id };
  }

  /** The trusted key that signed a note made when the log had so many sealed events; undefined: none. */
  signerOf(note: Note, size: number): Verifier | undefined {
    return this.#trusted.find((key) => isSignedBy(note, key) && !this.#isFollowed(key, size));
  }

  #isFollowed(key: Verifier, size: number): boolean {
    const at = this.#chain.findIndex((each) => same(each, key));
    const next = at < 0 ? undefined : this.#chain[at + 1];
    return next !== undefined && next.fromSize < size;
  }

  /** A key that was followed by another signs nothing more, whoever holds it. */
  #isInTime(signer: Verifier, { size }: SignedHead): boolean {
    const from = this.#chain.find((key) => same(key, signer))?.fromSize ?? -1;
    return size > from && !this.#isFollowed(signer, size);
  }
}
