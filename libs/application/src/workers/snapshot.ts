import { createHash } from 'node:crypto';
import { packEvidence, Packer, unpackEvidence, Unpacker, type EvidencePool, type Rollout } from '#libs/domain';
import { startFolded, type Folded } from './folded.js';

/**
 * Raise it with every change of what is folded, of how, or of how it is written: a snapshot of another format is not
 * read. Old looks are folded anew then, as always when a snapshot does not fit.
 */
const FORMAT = 3;

/** Numbers are written as the machine has them; one of another byte order does not read them. */
const BYTE_ORDER = Buffer.from(Float64Array.of(1).buffer).toString('hex');

const DIGEST_BYTES = 32;
const LENGTH_BYTES = 4;

type Header = {
  /** Of everything that the same looks could be folded differently by. */
  readonly fingerprint: string;
  readonly look: number;
  readonly digest: string;
  readonly names: readonly string[];
};

const sha256 = (data: string | Uint8Array): Buffer => createHash('sha256').update(data).digest();

const fingerprintOf = (pools: readonly EvidencePool[]): string => {
  const specs = pools.map(({ track, targets, evidence }) => ({ track, targets, spec: evidence.spec }));
  return sha256(JSON.stringify({ format: FORMAT, byteOrder: BYTE_ORDER, method: 'rate-grid-v1', specs })).toString(
    'hex',
  );
};

/** What was folded, as bytes: their SHA-256, the length of a JSON header, the header, and all numbers. */
export const packFolded = ({ pools, counts, look, digest }: Folded): Buffer => {
  const packer = new Packer();
  for (const { evidence } of pools) packEvidence(packer, evidence);
  counts.pack(packer);
  const { numbers, names } = packer.packed();
  const header = Buffer.from(
    JSON.stringify({ fingerprint: fingerprintOf(pools), look, digest, names } satisfies Header),
  );
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(header.length);
  const body = Buffer.concat([length, header, Buffer.from(numbers.buffer)]);
  return Buffer.concat([sha256(body), body]);
};

/** Undefined where the bytes are damaged or were written by another format, for another plan, or after `newest`. */
export const unpackFolded = (rollout: Rollout, bytes: Buffer, newest: number): Folded | undefined => {
  const body = bytes.subarray(DIGEST_BYTES);
  if (body.length < LENGTH_BYTES || !sha256(body).equals(bytes.subarray(0, DIGEST_BYTES))) return undefined;
  const start = LENGTH_BYTES + body.readUInt32LE();
  const header = JSON.parse(body.toString('utf8', LENGTH_BYTES, start)) as Header;
  const folded = startFolded(rollout);
  if (header.fingerprint !== fingerprintOf(folded.pools) || header.look > newest) return undefined;
  const numbers = new Float64Array(new Uint8Array(body.subarray(start)).buffer);
  const unpacker = new Unpacker({ numbers, names: header.names });
  for (const { evidence } of folded.pools) unpackEvidence(unpacker, evidence);
  folded.counts.unpack(unpacker);
  if (!unpacker.isAtEnd) throw new RangeError(`The snapshot of rollout ${rollout.id} holds more than its format says.`);
  return Object.assign(folded, { look: header.look, digest: header.digest });
};
