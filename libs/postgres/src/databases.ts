import { Client } from 'pg';

/** Runs work on one connection of its own. */
export const withClient = async <T>(url: string, work: (client: Client) => Promise<T>): Promise<T> => {
  const client = new Client({ connectionString: url });
  // A connection that breaks fails the running query, which reports it.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

/** The same server, another database. */
export const databaseUrl = (url: string, database: string): string => {
  const parsed = new URL(url);
  parsed.pathname = `/${database}`;
  return parsed.toString();
};

const exists = async (client: Client, database: string): Promise<boolean> => {
  const found = await client.query('select 1 from pg_database where datname = $1', [database]);
  return found.rows.length > 0;
};

/** Makes a database where there is none. `template` is copied; nobody may be connected to it. */
export const createDatabase = async (serverUrl: string, database: string, template?: string): Promise<string> => {
  await withClient(serverUrl, async (client) => {
    // Copying files is twice as fast as logging every page, for templates as small as ours.
    const copy = template === undefined ? '' : ` template ${client.escapeIdentifier(template)} strategy file_copy`;
    await client.query(`create database ${client.escapeIdentifier(database)}${copy}`);
  });
  return databaseUrl(serverUrl, database);
};

/** Makes the database unless it is there; two at once are harmless. */
export const ensureDatabase = (serverUrl: string, database: string): Promise<void> =>
  withClient(serverUrl, async (client) => {
    if (await exists(client, database)) return;
    try {
      await client.query(`create database ${client.escapeIdentifier(database)}`);
    } catch (error) {
      if (!(await exists(client, database))) throw error;
    }
  });

/** Drops a database, with whoever is connected to it. */
export const dropDatabase = async (serverUrl: string, database: string): Promise<void> => {
  await withClient(serverUrl, (client) =>
    client.query(`drop database if exists ${client.escapeIdentifier(database)} with (force)`),
  );
};
