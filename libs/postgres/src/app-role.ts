import type { Client, PoolClient } from 'pg';

type Connection = Pick<Client | PoolClient, 'query' | 'escapeIdentifier'>;

/** Only ever added to: what proves what was decided. */
const LOG = ['events', 'commands', 'tree_nodes', 'tree_heads', 'seal_keys'].map((table) => `event_store.${table}`);

const SCHEMAS = `select nspname as name from pg_namespace
  where nspname not like 'pg\\_%' and nspname not in ('information_schema', 'public') order by 1`;

/** The role that is to run controllers does not exist, or is one that nothing can be kept from. */
export class AppRoleError extends Error {
  override readonly name = 'AppRoleError';
}

/**
 * Lets a role run controllers on a migrated database: read everything, write what controllers write, and only add to
 * the log. Called by the owner of the schema, again after each migration. Throws `AppRoleError` for a role that does
 * not exist, or that could alter the log all the same.
 */
export const grantAppRole = async (connection: Connection, role: string): Promise<void> => {
  const found = await connection.query<{ rolsuper: boolean }>('select rolsuper from pg_roles where rolname = $1', [
    role,
  ]);
  if (found.rows[0] === undefined)
    throw new AppRoleError(`There is no role ${role}: make it with "create role ${role} login password '…'" first.`);
  if (found.rows[0].rolsuper) throw new AppRoleError(`${role} is a superuser, whom nothing can be kept from.`);
  const to = connection.escapeIdentifier(role);
  const { rows } = await connection.query<{ name: string }>(SCHEMAS);
  const schemas = rows.map(({ name }) => connection.escapeIdentifier(name));
  await connection.query('begin');
  try {
    for (const schema of schemas) {
      await connection.query(`grant usage on schema ${schema} to ${to}`);
      await connection.query(`grant select, insert, update, delete on all tables in schema ${schema} to ${to}`);
      await connection.query(`grant usage, select on all sequences in schema ${schema} to ${to}`);
    }
    await connection.query(`grant select on public.schema_migrations to ${to}`);
    for (const table of LOG)
      await connection.query(`revoke update, delete, truncate, references, trigger on ${table} from ${to}`);
    await connection.query('commit');
  } catch (error) {
    await connection.query('rollback');
    throw error;
  }
  const left = await connection.query<{ may: boolean }>(MAY_ALTER('$1::name'), [role]);
  if (left.rows[0]?.may === true)
    throw new AppRoleError(
      `${role} could alter the log all the same: it owns the tables, or is a member of a role that may.`,
    );
};

const MAY_ALTER = (who: string): string =>
  `select bool_or(has_table_privilege(${who}, t.name, 'UPDATE, DELETE, TRUNCATE, TRIGGER')) as may
   from unnest(array['${LOG.join("', '")}']) t(name)`;

/** Whether whoever is connected could alter the log by SQL, past the controller. */
export const mayAlterLog = async (connection: Pick<Connection, 'query'>): Promise<boolean> => {
  const { rows } = await connection.query<{ may: boolean }>(MAY_ALTER('current_user'));
  return rows[0]?.may === true;
};

const NOT_GRANTED = `
  select c.oid::regclass::text as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('delivery', 'event_store', 'evidence', 'hooks', 'process', 'read_models')
    and c.relkind in ('r', 'p') and not c.relispartition
    and not (has_table_privilege(c.oid, 'SELECT') and has_table_privilege(c.oid, 'INSERT'))
  order by 1`;

/** Throws `AppRoleError` where whoever is connected may not use some table: the schema is newer than what was granted. */
export const checkGrants = async (connection: Pick<Connection, 'query'>): Promise<void> => {
  const { rows } = await connection.query<{ name: string }>(NOT_GRANTED);
  if (rows.length === 0) return;
  const who = await connection.query<{ role: string }>('select current_user as role');
  const role = who.rows[0]?.role ?? '';
  throw new AppRoleError(
    `${role} may not use ${rows.map(({ name }) => name).join(', ')}: let the owner of the schema run "headgate migrate --role ${role}".`,
  );
};
