import type { JsonObject } from '#libs/kernel';
import { z } from 'zod';

const FirstRole = z.enum(['admin', 'operator', 'viewer', 'service']);

const Issued = z.object({
  token: z.string(),
  subject: z.string(),
  role: z.enum([...FirstRole.options, 'investigator']),
  /** SHA-256 of the secret, in hex: the secret has 256 random bits, so no slow hash is needed. */
  hash: z.string(),
  last4: z.string(),
  expiresAt: z.string().nullable(),
});

/** Who may do what. Secrets never appear: only a hash, which is no use to a reader. */
export const accessEvents = {
  TokenIssued: { 1: Issued.extend({ role: FirstRole }), 2: Issued },
  TokenRevoked: { 1: z.object({ token: z.string() }) },
  /** Somebody with the right to it was shown counts of so few units that others are not shown them. */
  ExactCellsRead: {
    1: z.object({
      subject: z.string(),
      /** What was read. */
      what: z.enum(['exposed', 'evidence']),
      config: z.string(),
      revision: z.int(),
      rollouts: z.array(z.string()),
    }),
  },
} as const;

/** Before version 2 nobody could be an investigator. */
export const accessUpcasters = { TokenIssued: { 1: (data: JsonObject): JsonObject => data } } as const;
