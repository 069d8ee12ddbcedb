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
    if (!token || token.revokedAt !== null) return undefined;
    return token.expiresAt !== null && Date.parse(token.expiresAt) <= this.#clock.now() ? undefined : token;
  }

  allows(secret: string, needs: Role): boolean {
    const token = this.identify(secret);
    return token !== undefined && covers(token.role, needs);
  }
}
