import { createHmac } from 'node:crypto';
import type { Client } from 'pg';
import { grantAppRole } from '../app-role.js';
import { withClient } from '../databases.js';
import { migrate } from '../migrate.js';
import { createPool } from '../pool.js';

/** By which controllers connect to their embedded database. */
const APP_ROLE = 'headgate_app';
/** Of controllers that start at once, one after the other makes the role; these are the letters HGAR. */
const ROLE_LOCK = 0x4847_4152;

const makeRole = async (client: Client, password: string): Promise<void> => {
  await client.query('select pg_advisory_lock($1)', [ROLE_LOCK]);
  const { rows } = await client.query('select 1 from pg_roles where rolname = $1', [APP_ROLE]);
  const verb = rows.length === 0 ? 'create' : 'alter';
  await client.query(`${verb} role ${APP_ROLE} login password ${client.escapeLiteral(password)}`);
  await grantAppRole(client, APP_ROLE);
};

/**
 * Brings an embedded database up to date as its owner, and makes the role by which controllers connect to it, which can
 * only add to the log. Gives the url of that role, and the migrations that were applied. Rejects as `migrate` does.
 */
export const embeddedAppUrl = async (
  ownerUrl: string,
): Promise<{ readonly url: string; readonly applied: readonly string[] }> => {
  const url = new URL(ownerUrl);
  // The owner's password cannot be told from it, and no further file has to be kept.
  const password = createHmac('sha256', url.password).update(APP_ROLE).digest('base64url');
  const pool = createPool(ownerUrl, { max: 1 });
  const { applied } = await migrate(pool).finally(() => pool.end());
  await withClient(ownerUrl, (client) => makeRole(client, password));
  url.username = APP_ROLE;
  url.password = password;
  return { url: url.toString(), applied };
};
