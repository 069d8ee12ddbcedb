import { z } from 'zod';

const Hash = z.string();

/** The newest signed head of the tree over the log, and how it is with sealing. */
export const LogHead = z
  .object({
    origin: z.string(),
    /** How many events the head covers. */
    size: z.int(),
    root: Hash,
    signedAt: z.string().nullable(),
    keyId: z.string(),
    /** The signed note, as other tools read it. */
    checkpoint: z.string(),
    /** The highest position in the log. */
    position: z.int(),
    /** The first event that the head does not cover; null when it covers all. */
    unsealedFrom: z.int().nullable(),
    sealing: z.object({
      state: z.enum(['waiting', 'sealing', 'no-key', 'stopped', 'off']),
      message: z.string().nullable(),
    }),
  })
  .meta({ id: 'LogHead' });
export type LogHead = z.output<typeof LogHead>;

export const LogKey = z.object({
  id: z.string(),
  publicKey: z.string(),
  /** It signs heads of more events than this, until the next key takes over. */
  fromSize: z.int(),
  madeAt: z.string(),
  /** By which the key before vouches for this one; null for the first, and after a lost key. */
  statement: z.string().nullable(),
});

export const LogKeys = z.object({ items: z.array(LogKey) }).meta({ id: 'LogKeys' });
export type LogKeys = z.output<typeof LogKeys>;

export const InclusionProof = z
  .object({ position: z.int(), size: z.int(), leaf: Hash, proof: z.array(Hash) })
  .meta({ id: 'InclusionProof' });
export type InclusionProof = z.output<typeof InclusionProof>;

export const ConsistencyProof = z
  .object({ first: z.int(), second: z.int(), proof: z.array(Hash) })
  .meta({ id: 'ConsistencyProof' });
export type ConsistencyProof = z.output<typeof ConsistencyProof>;
