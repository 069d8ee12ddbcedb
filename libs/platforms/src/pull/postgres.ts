import type { Outcome } from '../driver.js';

/** The little of a connection pool that delivery needs. */
export type Queryable = {
  query<R extends object>(text: string, values?: readonly unknown[]): Promise<{ readonly rows: readonly R[] }>;
};

/** One channel for all news of delivery: `ruleset <generation> <target>` and `instances <target>`. */
export const CHANNEL = 'headgate_delivery';

const sqlState = (error: unknown): string | undefined => {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
};

/**
 * Says by SQLSTATE how a failed write ended. Without one the connection broke or timed out, so the write may have been
 * committed: `unknown`.
 */
export const outcomeOfFailure = (target: string, generation: number, error: unknown): Outcome => {
  const state = sqlState(error);
  const cause = error instanceof Error ? error.message : String(error);
  const what = `Applying generation ${generation} to target ${target}`;
  if (state === undefined || /^(08|57|58|XX)/.test(state)) {
    return { kind: 'unknown', message: `${what} got no answer (${cause}): read the target, then apply again.` };
  }
  if (/^(40|55)/.test(state)) {
    const message = `${what} met another writer (${cause}): apply again.`;
    return { kind: 'conflict', reason: 'concurrent', current: null, message };
  }
  if (state.startsWith('53')) {
    return { kind: 'throttled', retryAfterMs: null, message: `${what} found no room (${cause}): apply again later.` };
  }
  if (state === '42501' || state.startsWith('28')) {
    return {
      kind: 'denied',
      message: `${what} is not allowed (${cause}): grant the controller's database role access.`,
    };
  }
  return { kind: 'rejected', message: `${what} failed (${cause}): check that the database is migrated.` };
};
