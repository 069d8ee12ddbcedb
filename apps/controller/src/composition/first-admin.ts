import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { IssueTokenCommand, IssueTokenHandler, newSecret } from '#libs/application';
import type { ControllerConfig } from '../config.js';
import type { Core } from './core.js';

const PENDING = /^first-admin\.\d+\.pending$/;

type Place = Pick<ControllerConfig, 'dataDir' | 'adminTokenFile'>;

/**
 * Issues the first admin token of a new installation and hands it over: to the file that the configuration names, or
 * once on stderr. The log keeps only its hash, so the secret is on disk before it is issued, and a controller that was
 * killed in between hands it over at its next start. Of several controllers at once one issues it.
 */
export const issueFirstAdmin = async (core: Core, place: Place): Promise<void> => {
  const dataDir = resolve(place.dataDir);
  if (core.view.tokens.some(({ role }) => role === 'admin')) {
    handOverWhatIsPending(core, dataDir, place);
    return;
  }
  const secret = newSecret('admin');
  const pending = join(dataDir, `first-admin.${process.pid}.pending`);
  writeFileSync(pending, secret, { mode: 0o600, flush: true });
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
  if (outcome.accepted) await core.view.caughtUpWith(outcome.lastPosition);
  handOverWhatIsPending(core, dataDir, place);
};

/** A secret that was written but never issued is worth nothing: it is forgotten. */
const handOverWhatIsPending = (core: Core, dataDir: string, place: Place): void => {
  for (const name of readdirSync(dataDir).filter((file) => PENDING.test(file))) {
    const pending = join(dataDir, name);
    // Another controller in this folder may have been faster.
    if (!existsSync(pending)) continue;
    const secret = readFileSync(pending, 'utf8');
    if (core.tokens.allows(secret, 'admin')) handOver(secret, core, place);
    rmSync(pending, { force: true });
  }
};

const handOver = (secret: string, core: Core, { adminTokenFile }: Place): void => {
  if (adminTokenFile === undefined) {
    process.stderr.write(`\nFirst admin token (shown only now, keep it):\n  ${secret}\n\n`);
    return;
  }
  const file = resolve(adminTokenFile);
  mkdirSync(dirname(file), { recursive: true });
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, `${secret}\n`, { mode: 0o600, flush: true });
  renameSync(partial, file);
  core.log.info('The first admin token was written; it is shown nowhere else.', { file: adminTokenFile });
};
