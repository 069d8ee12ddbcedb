import type { TokenView } from '#libs/contracts';
import type { z } from 'zod';
import { plain, showTime } from '../format.js';
import { table } from '../look.js';
import type { Look } from '../look.js';
import { solid } from '../wrap.js';

type Token = z.output<typeof TokenView>;

const stateOf = (token: Token, { paint, zone, now }: Look): string => {
  if (token.revokedAt !== null) return paint.red(`revoked ${showTime(token.revokedAt, zone)}`);
  if (token.expiresAt === null) return 'valid, never expires';
  const shown = showTime(token.expiresAt, zone);
  return Date.parse(token.expiresAt) <= now ? paint.red(`expired ${shown}`) : `valid until ${shown}`;
};

/** One line per token; secrets are never shown again. */
export const renderTokens = (tokens: readonly Token[], look: Look): string =>
  table(
    ['ID', 'SUBJECT', 'ROLE', 'ENDS IN', 'CREATED', 'STATE'],
    tokens.map((token) => [
      token.id,
      plain(token.subject),
      token.role,
      `…${token.last4}`,
      solid(showTime(token.createdAt, look.zone)),
      stateOf(token, look),
    ]),
    look,
    ['ENDS IN', 'CREATED'],
  );
