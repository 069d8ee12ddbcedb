import { z } from 'zod';

const Role = z.enum(['admin', 'operator', 'viewer', 'service']);

/** Who may do what. Secrets never appear: only a hash, which is no use to a reader. */
export const accessEvents = {
  TokenIssued: {
    1: z.object({
      token: z.string(),
      subject: z.string(),
      role: Role,
      /** SHA-256 of the secret, in hex: the secret has 256 random bits, so no slow hash is needed. */
      hash: z.string(),
      last4: z.string(),
      expiresAt: z.string().nullable(),
    }),
  },
  TokenRevoked: { 1: z.object({ token: z.string() }) },
} as const;
