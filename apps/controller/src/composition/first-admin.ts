import { IssueTokenHandler, newSecret, IssueTokenCommand } from '#libs/application';
import type { Core } from './core.js';

/** Issues the first admin token of a new installation; undefined when there is one already. Two controllers at once issue one. */
export const issueFirstAdmin = async (core: Core): Promise<string | undefined> => {
  if (core.view.tokens.some(({ role }) => role === 'admin')) return undefined;
  const secret = newSecret('admin');
  const context = {
    actor: { kind: 'automation', name: 'headgate' },
    commandId: 'first-admin-token',
    fingerprint: 'first-admin-token',
    correlationId: 'first-admin-token',
    reason: 'first start of this installation',
  } as const;
  const outcome = await new IssueTokenHandler(core.runner).execute(
    new IssueTokenCommand({ subject: 'first-admin', role: 'admin', secret, expiresAt: null }, context),
  );
  if (!outcome.accepted || outcome.repeated) return undefined;
  await core.view.caughtUpWith(outcome.lastPosition);
  return secret;
};
