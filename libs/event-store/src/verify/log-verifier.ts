import { isUtf8 } from 'node:buffer';
import type { Verifier } from '../seal/note.js';
import type { SealKey } from '../seal/seal-key.js';
import { Frontier } from '../tree/frontier.js';
import { BodyScanner, textOf, type Text } from './body-scanner.js';
import { KeyRing } from './key-ring.js';
import { leafBetween } from './leaf-between.js';
import { Faults, type FittingHead, type VerifyReport } from './report.js';
import { StreamVersions } from './stream-versions.js';
import { EvidenceCursor, type EvidenceSource, type HeldHead } from './sources.js';

const LINE_FEED = 10;
/** A position so far beyond the last one is an altered number, not as many missing events. */
const FARTHEST = 10_000_000;
const NOTHING = '\0'.repeat(32);
const MOST_NOTES = 20;
export const NODE_LEVEL = 8;

/** What the table says of an event besides its body; an export has none of it. */
export type EventColumns = {
  readonly position: number;
  readonly streamId: string;
  readonly streamVersion: number;
  /** Milliseconds since 1970. */
  readonly recordedAt: number;
  /** A character for each byte. */
  readonly leaf: string;
};

/** The root of a complete subtree as it was computed; `hash` has a character for each byte. */
export type ComputedNode = { readonly level: number; readonly index: number; readonly hash: string };

export type Held = {
  /** Public keys from outside. */
  readonly keys: readonly Verifier[];
  /** The keys of the log in the order in which they took over. */
  readonly chain: readonly SealKey[];
  readonly sources: readonly EvidenceSource[];
  /**
   * Look at every byte of every event. Otherwise bodies that a head to come covers are only hashed, which tells that one
   * was altered, but not always which: then verify again with this. Default true.
   */
  readonly thorough?: boolean;
  /** Keep the complete subtrees of 256 leaves and more for `takeNodes`. */
  readonly nodes?: boolean;
};

type Line = { readonly isCanonical: boolean; readonly columns: EventColumns | undefined };

/**
 * Verifies a log event by event, in order, in memory that grows only with the number of streams. It never throws for
 * what it finds: that is in the report.
 */
export class LogVerifier {
  readonly faults = new Faults();
  readonly notes: string[] = [];
  readonly #ring: KeyRing;
  readonly #cursors: readonly EvidenceCursor[];
  readonly #scanner = new BodyScanner();
  readonly #streams = new StreamVersions();
  readonly #frontier: Frontier;
  readonly #anchors = new Map<string, FittingHead>();
  #nodes: ComputedNode[] = [];
  #sealed: FittingHead | undefined;
  #rootsFit = true;
  readonly #isThorough: boolean;
  #isCovered = false;
  #isAllUtf8 = true;
  #end = 0;
  #last = 0;
  #events = 0;

  constructor({ keys, chain, sources, nodes = false, thorough = true }: Held) {
    this.#isThorough = thorough;
    this.#ring = new KeyRing(keys, chain, this.faults, this.notes);
    this.#cursors = sources.map((source) => new EvidenceCursor(source));
    const keep = (level: number, index: number, hash: string): void => void this.#nodes.push({ level, index, hash });
    this.#frontier = new Frontier(nodes ? keep : undefined, NODE_LEVEL);
  }

  get size(): number {
    return this.#frontier.size;
  }

  /**
   * Takes the next events: bodies up to byte `to`, each followed by a line feed. `columns` has an entry for each line.
   */
  async take(given: Buffer, to: number = given.length, columns?: readonly EventColumns[]): Promise<void> {
    const text = textOf(given);
    this.#isAllUtf8 = isUtf8(text.bytes.subarray(0, to));
    let at = 0;
    let row = 0;
    while (at < to) {
      if (this.size >= this.#end) await this.#meetHeads();
      while (at < to && this.size < this.#end) {
        at = this.#takeOne(text, at, columns?.[row]) + 1;
        row += 1;
      }
    }
  }

  /** The complete subtrees since the last call, if they were asked for. */
  takeNodes(): readonly ComputedNode[] {
    const nodes = this.#nodes;
    this.#nodes = [];
    return nodes;
  }

  async finish(): Promise<VerifyReport> {
    await this.#meetHeads();
    await this.#meetWhatIsBeyond();
    const sealedTo = Math.min(this.#sealed?.size ?? 0, this.size);
    const anchors = [...this.#anchors.values()];
    return {
      verdict: this.faults.any ? 'altered' : anchors.length > 0 ? 'anchored' : 'not-anchored',
      origin: this.#ring.origin,
      events: this.#events,
      sealed: this.#sealed ?? null,
      anchors,
      unsealedFrom: sealedTo < this.#last ? sealedTo + 1 : null,
      first: this.faults.first(),
      faults: this.faults.listed,
      moreFaults: this.faults.more,
      notes: this.notes,
    };
  }

  /** Checks what the heads of this very size say, and goes on to those that come next. */
  async #meetHeads(): Promise<void> {
    let end = Number.POSITIVE_INFINITY;
    for (const cursor of this.#cursors) {
      while (cursor.end <= this.size) {
        const head = cursor.item?.head;
        if (head?.size === this.size) this.#meet(head);
        else if (head !== undefined) this.#late(head);
        await cursor.next();
      }
      end = Math.min(end, cursor.end);
    }
    this.#end = end;
    this.#isCovered = !this.#isThorough && this.#cursors.some(({ item }) => (item?.head?.size ?? 0) > this.size);
  }

  /** Heads that cover more than there is. */
  async #meetWhatIsBeyond(): Promise<void> {
    for (const cursor of this.#cursors) {
      while (cursor.item !== undefined) {
        const { head } = cursor.item;
        if (head !== undefined && head.size > this.size && this.#isSigned(head)) this.#reportEnd(head);
        await cursor.next();
      }
    }
  }

  #reportEnd({ size, from }: HeldHead): void {
    const first = this.#last + 1;
    const detail = `the log ends at ${this.#last}, but the head of ${from} covers ${size} events: what came after is gone`;
    if (!this.faults.listed.some(({ kind }) => kind === 'truncated'))
      this.faults.add({ kind: 'truncated', from: first, to: first, detail });
  }

  #late({ size, from }: HeldHead): void {
    if (this.faults.any) return;
    this.#note(`A head of ${size} events in ${from} stands behind a later one; it was left out.`);
  }

  #note(note: string): void {
    if (this.notes.length < MOST_NOTES) this.notes.push(note);
  }

  /** Whether the signature counts; reports it where it does not. */
  #isSigned(head: HeldHead): boolean {
    const signature = this.#ring.check(head);
    if (signature.kind !== 'unknown') return true;
    const from = Math.min((this.#sealed?.size ?? 0) + 1, head.size);
    const detail = `the head of ${head.size} events in ${head.from} is not signed by a key of this log that may sign it`;
    this.faults.add({ kind: 'signature', from, to: head.size, detail });
    return false;
  }

  #meet(head: HeldHead): void {
    if (!this.#isSigned(head) || !this.#fits(head)) return;
    const signature = this.#ring.check(head);
    const keyId = 'keyId' in signature ? signature.keyId : null;
    const { size, root, signedAt = null, from, outside } = head;
    const fitting = { size, root: root.toString('base64'), signedAt, keyId, from };
    if (this.#sealed === undefined || size > this.#sealed.size || (outside && size === this.#sealed.size))
      this.#sealed = fitting;
    if (outside) this.#anchors.set(from, fitting);
  }

  #fits(head: HeldHead): boolean {
    const isFitting = head.root.equals(this.#frontier.root());
    if (isFitting || !this.#rootsFit) return isFitting;
    this.#rootsFit = false;
    const from = Math.min((this.#sealed?.size ?? 0) + 1, Math.max(head.size, 1));
    const detail = `these events do not lead to the root of ${head.size} events that ${head.from} holds`;
    this.faults.add({ kind: 'root', from, to: Math.max(head.size, from), detail });
    return false;
  }

  /** Gives the place of the line feed behind it. */
  #takeOne(text: Text, from: number, columns: EventColumns | undefined): number {
    const { bytes } = text;
    const scanner = this.#scanner;
    if (this.#isCovered) {
      const to = bytes.indexOf(LINE_FEED, from);
      if (scanner.readEnd(bytes, from, to)) {
        this.#takeLine(bytes, from, to, { isCanonical: true, columns });
        return to;
      }
    }
    const end = scanner.end(text, from);
    const isSure = bytes[end] === LINE_FEED && this.#isAllUtf8;
    const to = isSure ? end : bytes.indexOf(LINE_FEED, from);
    const isCanonical = isSure || (isUtf8(bytes.subarray(from, to)) && scanner.isCanonical(text, from, to));
    this.#takeLine(bytes, from, to, { isCanonical, columns });
    return to;
  }

  #takeLine(bytes: Buffer, from: number, to: number, { isCanonical, columns }: Line): void {
    const scanner = this.#scanner;
    this.#events += 1;
    const position = columns?.position ?? (isCanonical ? scanner.position : this.#last + 1);
    if (!isCanonical) this.#fault('body', position, 'its body is not an event in canonical JSON (RFC 8785)');
    if (!this.#isNext(position)) return;
    this.#last = position;
    const leaf = leafBetween(bytes, from, to);
    if (columns !== undefined) this.#compareColumns(bytes, columns, isCanonical, leaf);
    if (isCanonical) this.#checkStream(bytes, position);
    for (const cursor of this.#cursors) {
      const known = cursor.leafOf(position);
      if (known !== undefined && known !== leaf)
        this.#fault('witness', position, 'its body is not the one that the witness has the hash of');
    }
    this.#frontier.append(leaf);
  }

  #fault(kind: Parameters<Faults['add']>[0]['kind'], position: number, detail: string): void {
    this.faults.add({ kind, from: position, to: position, detail });
  }

  /** Places that are missing are kept free, so that what follows is still compared with what belongs there. */
  #isNext(position: number): boolean {
    const expected = this.#last + 1;
    if (position === expected) return true;
    if (position < expected || position > expected + FARTHEST) {
      this.#fault('order', expected, `the event that stands in its place says position ${position}`);
      return false;
    }
    const detail = position === expected + 1 ? 'it is missing' : `the events up to ${position - 1} are missing`;
    this.#fault('missing', expected, detail);
    while (this.size < position - 1) this.#frontier.append(NOTHING);
    this.#end = Math.min(this.#end, this.size + 1);
    return true;
  }

  #compareColumns(bytes: Buffer, columns: EventColumns, isCanonical: boolean, leaf: string): void {
    const { position } = columns;
    if (columns.leaf !== leaf) this.#fault('leaf', position, 'its leaf is not the hash of its body');
    if (!isCanonical) return;
    const scanner = this.#scanner;
    const streamId = JSON.parse(`"${bytes.toString('utf8', scanner.streamFrom, scanner.streamTo)}"`) as string;
    const recordedAt = Date.parse(bytes.toString('latin1', scanner.recordedFrom, scanner.recordedTo));
    const differing = [
      ...(scanner.position === position ? [] : [`position (${scanner.position} in the body)`]),
      ...(streamId === columns.streamId ? [] : ['stream_id']),
      ...(scanner.streamVersion === columns.streamVersion ? [] : ['stream_version']),
      ...(recordedAt === columns.recordedAt ? [] : ['recorded_at']),
    ];
    if (differing.length > 0)
      this.#fault('column', position, `its body does not fit the columns beside it: ${differing.join(', ')}`);
  }

  #checkStream(bytes: Buffer, position: number): void {
    const { streamFrom, streamTo, streamVersion } = this.#scanner;
    const expected = this.#streams.take(bytes, streamFrom, streamTo, streamVersion) + 1;
    if (streamVersion === expected) return;
    const name = bytes.toString('utf8', streamFrom, streamTo);
    this.#fault('stream-version', position, `it is version ${streamVersion} of ${name}, where ${expected} is expected`);
  }
}

/**
 * Verifies by heads alone, which takes half the time, and once more event by event if anything was altered: the report
 * then names the first event that does not fit.
 */
export const thoroughWhereAltered = async (
  verify: (thorough: boolean) => Promise<VerifyReport>,
): Promise<VerifyReport> => {
  const report = await verify(false);
  return report.verdict === 'altered' ? verify(true) : report;
};
