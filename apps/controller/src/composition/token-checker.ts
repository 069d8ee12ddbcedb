import { hashToken, type LiveView, type Token } from '#libs/application';
import type { Clock } from '#libs/kernel';
import type { Role } from '#libs/contracts';

const RANK: Readonly<Record<Role, number>> = { investigator: 1, viewer: 1, operator: 2, admin: 3, service: 0 };

/**
 * True when a token's role covers what a route asks: admin ⊃ operator ⊃ viewer; service stands apart, admin may all. An
 * investigator may what a viewer may; the exact counts that are shown to nobody else are looked at where they are made.
 */
export const covers = (has: Role, needs: Role): boolean =>
  has === 'admin' || (needs === 'service' ? has === 'service' : has !== 'service' && RANK[has] >= RANK[needs]);

/** Knows tokens by the hash of their secret, from the folded log. */
export class TokenChecker {
  readonly #view: LiveView;
  readonly #clock: Clock;

  constructor(view: LiveView, clock: Clock) {
    this.#view = view;
    this.#clock = clock;
  }

  /** The token behind a secret; undefined when it is unknown, revoked or expired. */
  identify(secret: string): Token | undefined {
    const token = this.#view.tokenByHash(hashToken(secret));
    return token && this.#counts(token) ? token : undefined;
  }

  allows(secret: string, needs: Role): boolean {
    const token = this.identify(secret);
    return token !== undefined && covers(token.role, needs);
  }

  /** Whether the token with this id, whose secret need not be known, still counts and may do what is asked. */
  stillAllows(id: string, needs: Role): boolean {
    const token = this.#view.tokenById(id);
    return token !== undefined && this.#counts(token) && covers(token.role, needs);
  }

  #counts({ revokedAt, expiresAt }: Token): boolean {
    return revokedAt === null && (expiresAt === null || Date.parse(expiresAt) > this.#clock.now());
  }
}
