import type { EventView, InclusionProof, LogHead, LogKeys } from '#libs/contracts';

type Bytes = Uint8Array<ArrayBuffer>;

/** One thing that was checked: `null` where this browser cannot tell. */
export type Check = { readonly words: string; readonly isRight: boolean | null };

export type Proved = {
  readonly checks: readonly Check[];
  /** Every check was made, and held. */
  readonly isProved: boolean;
  readonly isRefuted: boolean;
};

/** What a controller says of one event; everything here is checked against everything else. */
export type Evidence = {
  readonly shown: EventView;
  /** The exact line of the event in the export. */
  readonly line: Uint8Array;
  readonly head: LogHead;
  readonly keys: LogKeys;
  readonly proof: InclusionProof;
};

const ALGORITHM = 1;
const ID_BYTES = 4;

const bytesOf = (base64: string): Bytes => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const textBytes = (text: string): Bytes => new TextEncoder().encode(text);
const hexOf = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const isEqual = (a: Uint8Array, b: Uint8Array): boolean => hexOf(a) === hexOf(b);

const sha256 = async (...parts: readonly Uint8Array[]): Promise<Bytes> => {
  const whole = new Uint8Array(parts.reduce((all, part) => all + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', whole));
};

const nodeHash = (left: Uint8Array, right: Uint8Array): Promise<Bytes> => sha256(Uint8Array.of(1), left, right);

const half = (value: number): number => Math.floor(value / 2);
const isOdd = (value: number): boolean => value % 2 === 1;

/**
 * The root that a proof leads to from a leaf (index from 0) in a tree of that size; undefined where the proof has another
 * length than such a leaf needs (RFC 9162, section 2.1.3.2).
 */
export const rootFrom = async (
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
): Promise<Uint8Array | undefined> => {
  if (index >= size) return undefined;
  let node = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0) return undefined;
    if (isOdd(node) || node === last) {
      hash = await nodeHash(sibling, hash);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else hash = await nodeHash(hash, sibling);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 ? hash : undefined;
};

type Note = { readonly text: string; readonly name: string; readonly id: string; readonly signature: Bytes };

/** The text and the first signature of a signed note (c2sp.org/signed-note); undefined when it is none. */
const noteOf = (note: string): Note | undefined => {
  const split = note.lastIndexOf('\n\n');
  const [, name, base64] = /^— (\S+) ([A-Za-z0-9+/]+={0,2})$/mu.exec(note.slice(split + 2)) ?? [];
  if (split < 1 || name === undefined || base64 === undefined) return undefined;
  const bytes = bytesOf(base64);
  return {
    text: note.slice(0, split + 1),
    name,
    id: hexOf(bytes.subarray(0, ID_BYTES)),
    signature: bytes.slice(ID_BYTES),
  };
};

/** The bytes of a public key in its line: `<name>+<8 hex digits>+<base64 of 0x01 and the key>`. */
const keyOf = (line: string): { readonly name: string; readonly bytes: Bytes } | undefined => {
  const [, name, base64] = /^([^\s+]+)\+[0-9a-f]{8}\+([A-Za-z0-9+/=]+)$/.exec(line) ?? [];
  if (name === undefined || base64 === undefined) return undefined;
  const bytes = bytesOf(base64);
  return bytes[0] === ALGORITHM ? { name, bytes: bytes.slice(1) } : undefined;
};

const checkSignature = async (head: LogHead, keys: LogKeys): Promise<Check> => {
  const words = `The head is signed by the key ${head.keyId}`;
  const note = noteOf(head.checkpoint);
  const key = keyOf(keys.items.find(({ id }) => id === head.keyId)?.publicKey ?? '');
  if (note === undefined || key === undefined) return { words, isRight: false };
  const id = (await sha256(textBytes(`${key.name}\n`), Uint8Array.of(ALGORITHM), key.bytes)).subarray(0, ID_BYTES);
  if (hexOf(id) !== head.keyId || note.id !== head.keyId || note.name !== head.origin) return { words, isRight: false };
  try {
    const verifier = await crypto.subtle.importKey('raw', key.bytes, 'Ed25519', false, ['verify']);
    const isRight = await crypto.subtle.verify('Ed25519', verifier, note.signature, textBytes(note.text));
    return { words, isRight };
  } catch {
    return { words: `${words}: this browser knows no Ed25519 and cannot tell`, isRight: null };
  }
};

type Body = {
  readonly position: number;
  readonly eventId: string;
  readonly type: string;
  readonly streamId: string;
  readonly recordedAt: string;
  readonly metadata: {
    readonly actor: { readonly name: string };
    readonly reason?: string;
    readonly occurredAt: string;
  };
};

const isShownAs = (shown: EventView, line: Uint8Array): boolean => {
  const { metadata, ...body } = JSON.parse(new TextDecoder().decode(line)) as Body;
  return (
    body.position === shown.position &&
    body.eventId === shown.eventId &&
    body.type === shown.type &&
    body.streamId === shown.stream &&
    body.recordedAt === shown.recordedAt &&
    metadata.actor.name === shown.actor.name &&
    (metadata.reason ?? null) === shown.reason &&
    metadata.occurredAt === shown.occurredAt
  );
};

/** Checks that an event is under a signed head, by hashing its bytes here. Needs WebCrypto: a page over TLS, or of this machine. */
export const prove = async ({ shown, line, head, keys, proof }: Evidence): Promise<Proved> => {
  const leaf = await sha256(Uint8Array.of(0), line);
  const [origin, size, root64 = ''] = head.checkpoint.split('\n');
  const computed = await rootFrom(leaf, shown.position - 1, proof.size, proof.proof.map(bytesOf));
  const checks: readonly Check[] = [
    {
      words: 'Who, what, why and when are shown as they stand in the bytes that were recorded',
      isRight: isShownAs(shown, line),
    },
    { words: 'Those bytes have the hash that the proof is about', isRight: isEqual(leaf, bytesOf(proof.leaf)) },
    {
      words: `${proof.proof.length} hashes lead from it to the root of the head over ${size} events`,
      isRight:
        origin === head.origin &&
        size === String(proof.size) &&
        computed !== undefined &&
        isEqual(computed, bytesOf(root64)),
    },
    await checkSignature(head, keys),
  ];
  return {
    checks,
    isProved: checks.every(({ isRight }) => isRight === true),
    isRefuted: checks.some(({ isRight }) => isRight === false),
  };
};
