import {
  Faults,
  KeyRing,
  leafHash,
  canonicalJson,
  MANIFEST,
  NoteError,
  parseCheckpoint,
  parsePackManifest,
  sha256Of,
  verifyInclusion,
  type PackManifest,
  type SignedHead,
} from '#libs/event-store';
import { readKeyOption, readKeysText, type HeldKeys } from './held.js';
import type { PackContents } from './pack-files.js';
import type { PackReport } from './pack-report.js';

/** An event of a pack: what its exact bytes say. */
export type PackedEvent = {
  readonly position: number;
  readonly streamId: string;
  readonly streamVersion: number;
  readonly type: string;
  readonly recordedAt: string;
};

/** A pack as far as the log's signatures and tree tell; what its verdicts rest on is checked beside it. */
export type CheckedPack = Omit<PackReport, 'verdict' | 'proved' | 'unproved'> & {
  readonly isHeld: boolean;
  readonly bodies: readonly PackedEvent[];
  readonly looks: string | undefined;
};

const EVENTS = 'events.ndjson';
const PROOFS = 'proofs.ndjson';
const HEAD = 'head.txt';
const KEYS = 'keys.json';
const LOOKS = 'looks.ndjson';
const SUMMARY = 'summary.html';
const NEEDED = [SUMMARY, EVENTS, PROOFS, HEAD, KEYS];

/** Collects what does not fit, by file. */
class Check {
  readonly faults: string[] = [];

  /** What `read` gives; undefined, and a fault, where it cannot be read. */
  read<T>(what: string, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof NoteError || error instanceof SyntaxError || error instanceof TypeError)) throw error;
      this.faults.push(`${what}: ${error.message}`);
      return undefined;
    }
  }
}

const textOf = (files: PackContents['files'], name: string): string => files.get(name)?.toString('utf8') ?? '';

const linesOf = (text: string): readonly string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));

/** Every file is the one that the manifest names, and no other is there. */
const checkFiles = ({ files }: PackContents, manifest: PackManifest, { faults }: Check): void => {
  const listed = new Map(manifest.files.map((file) => [file.name, file]));
  for (const { name, digest } of manifest.files) {
    const bytes = files.get(name);
    if (bytes === undefined) faults.push(`${name}: the manifest names it, and it is missing`);
    else if (sha256Of(bytes) !== digest) faults.push(`${name}: it is not the file that the manifest names (SHA-256)`);
  }
  for (const name of files.keys())
    if (name !== MANIFEST && !listed.has(name)) faults.push(`${name}: the manifest does not name it`);
  for (const name of NEEDED) if (!listed.has(name)) faults.push(`${name}: it belongs to every pack, and is not listed`);
};

type Proof = { readonly position: number; readonly proof: readonly string[] };

/** Each event is canonical, has its proof under the head, and stands in order. */
const checkEvents = (contents: PackContents, head: SignedHead, check: Check): readonly PackedEvent[] => {
  const proofs = new Map<number, readonly string[]>();
  for (const line of linesOf(textOf(contents.files, PROOFS))) {
    const proof = check.read(PROOFS, () => JSON.parse(line) as Proof);
    if (proof !== undefined) proofs.set(proof.position, proof.proof);
  }
  const events: PackedEvent[] = [];
  for (const line of linesOf(textOf(contents.files, EVENTS))) {
    const event = check.read(EVENTS, () => JSON.parse(line) as PackedEvent);
    if (event === undefined) continue;
    const { position } = event;
    const proof = proofs.get(position);
    proofs.delete(position);
    if (canonicalJson(event) !== line) check.faults.push(`${EVENTS}: event ${position} is not in canonical JSON`);
    const path = proof?.map((hash) => Buffer.from(hash, 'base64'));
    if (path === undefined || !verifyInclusion(leafHash(line), position - 1, head, path))
      check.faults.push(`${EVENTS}: event ${position} is not proved to be in the signed log`);
    if (position <= (events.at(-1)?.position ?? 0)) check.faults.push(`${EVENTS}: event ${position} is out of order`);
    events.push(event);
  }
  for (const position of proofs.keys())
    check.faults.push(`${PROOFS}: there is a proof of event ${position}, but no event`);
  return events;
};

/** The stream of the rollout begins with its plan and has no gap. */
const checkStream = (events: readonly PackedEvent[], rollout: string, { faults }: Check): void => {
  const own = events.filter(({ streamId }) => streamId === `rollout-${rollout}`);
  if (own[0]?.type !== 'RolloutPlanned') faults.push(`${EVENTS}: rollout ${rollout} does not begin in here`);
  const gap = own.findIndex(({ streamVersion }, n) => streamVersion !== n + 1);
  if (gap >= 0) faults.push(`${EVENTS}: the event of rollout ${rollout} with version ${gap + 1} is missing`);
};

const ringOf = (held: readonly HeldKeys[], own: HeldKeys | undefined, faults: Faults, notes: string[]): KeyRing =>
  new KeyRing(
    held.flatMap(({ keys }) => keys),
    own?.chain ?? [],
    faults,
    notes,
  );

/** Signatures: of the manifest by a key that counts, of the head by that or by one before it. */
const checkSignatures = (
  { ring, manifest, head }: { readonly ring: KeyRing; readonly manifest: PackManifest; readonly head: SignedHead },
  check: Check,
): string => {
  if (ring.signerOf(manifest.note, manifest.size) === undefined)
    check.faults.push(`${MANIFEST}: it is not signed by a key that may sign it`);
  const signature = ring.check(head);
  if (signature.kind !== 'trusted' && signature.kind !== 'earlier')
    check.faults.push(`${HEAD}: it is not signed by a key of this log that may sign it`);
  if (head.size !== manifest.size || head.origin !== manifest.origin || head.note.signatures.length !== 1)
    check.faults.push(`${HEAD}: it is not the head that the manifest names`);
  return 'keyId' in signature ? signature.keyId : '';
};

/** Checks the files of a pack with the keys that `--key` names. Throws usage errors for keys that cannot be read. */
export const checkPack = (contents: PackContents, given: readonly string[]): CheckedPack => {
  const check = new Check();
  if (contents.trouble !== undefined) check.faults.push(`the archive: ${contents.trouble}`);
  const text = (name: string): string => textOf(contents.files, name);
  const manifest = check.read(MANIFEST, () => parsePackManifest(text(MANIFEST)));
  const head = check.read(HEAD, () => parseCheckpoint(text(HEAD)));
  const chain = check.read(KEYS, () => readKeysText(text(KEYS)));
  const origin = manifest?.origin ?? head?.origin;
  const held = given.map((key) => readKeyOption(key, origin));
  const faults = new Faults();
  const notes: string[] = [];
  const ring = ringOf(held, chain, faults, notes);
  check.faults.push(...faults.listed.map(({ detail }) => `${KEYS}: ${detail}`));
  if (manifest !== undefined) checkFiles(contents, manifest, check);
  const keyId = manifest && head ? checkSignatures({ ring, manifest, head }, check) : '';
  const bodies = head === undefined ? [] : checkEvents(contents, head, check);
  if (manifest !== undefined) checkStream(bodies, manifest.rollout, check);
  return {
    isHeld: held.some(({ keys }) => keys.length > 0),
    rollout: manifest?.rollout ?? null,
    origin: origin ?? null,
    madeAt: manifest?.madeAt ?? null,
    files: contents.files.size,
    events: bodies.length,
    head: head === undefined ? null : { size: head.size, signedAt: head.signedAt ?? null, keyId },
    faults: check.faults,
    notes,
    bodies,
    looks: contents.files.has(LOOKS) ? text(LOOKS) : undefined,
  };
};
