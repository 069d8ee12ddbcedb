import { z } from 'zod';

/**
 * Roles: `admin` all but exact counts of few units; `operator` changes and rollouts; `viewer` reads; `investigator` reads,
 * exact counts as well, of which each reading is recorded; `service` sends outcomes, fetches rulesets, acknowledges.
 */
export const Role = z.enum(['admin', 'operator', 'viewer', 'investigator', 'service']);
export type Role = z.output<typeof Role>;

/** Whom a log names must be who people read there: no character that is not seen or that turns others around. */
const Subject = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, {
    error: 'only characters that can be seen, and spaces: leave out control and formatting characters',
  });

export const CreateTokenRequest = z
  .strictObject({
    subject: Subject,
    role: Role,
    expiresInDays: z.int().min(1).max(3_650).optional(),
  })
  .meta({ id: 'CreateTokenRequest' });

/** The secret is shown here once and never again; only its hash is kept. */
export const CreatedToken = z
  .object({ id: z.string(), subject: z.string(), role: Role, secret: z.string(), expiresAt: z.string().nullable() })
  .meta({ id: 'CreatedToken' });

export const TokenView = z
  .object({
    id: z.string(),
    subject: z.string(),
    role: Role,
    last4: z.string(),
    createdAt: z.string(),
    expiresAt: z.string().nullable(),
    revokedAt: z.string().nullable(),
  })
  .meta({ id: 'TokenView' });

/** `GET /v1/whoami`: whose token it is, and what it may do. */
export const WhoAmI = z
  .object({ subject: z.string(), role: Role, expiresAt: z.string().nullable() })
  .meta({ id: 'WhoAmI' });
export type WhoAmI = z.output<typeof WhoAmI>;
