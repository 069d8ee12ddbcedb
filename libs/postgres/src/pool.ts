import { Kysely, PostgresDialect } from 'kysely';
import type { PoolClient } from 'pg';
import { Pool, types } from 'pg';

export type PoolOptions = {
  /** Most connections at once. Default 10. */
  readonly max?: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName?: string;
  /** The server ends statements that run longer, in milliseconds. Default: none. */
  readonly statementTimeoutMs?: number;
  /** Longest time to get a connection, in milliseconds, waiting for a free one included. Default: none. */
  readonly connectTimeoutMs?: number;
  /** A query without an answer for so long, in milliseconds, fails, also when the server is silent. Default: none. */
  readonly queryTimeoutMs?: number;
  /** The server ends a transaction whose client says nothing for so long, in milliseconds. Default: none. */
  readonly silentTransactionMs?: number;
  /** An idle connection is closed after so long, in milliseconds. Default 10 s. */
  readonly idleMs?: number;
  /** Told when an idle connection breaks; the pool replaces it by itself. */
  readonly onError?: (error: Error) => void;
};

const INT8 = 20;

/** 64-bit integers arrive as numbers; one beyond 2^53 is refused rather than rounded. */
const parseInt8 = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new Error(`The database returned ${text}, which a number cannot hold exactly.`);
  return value;
};

const getTypeParser: typeof types.getTypeParser = (oid: number, format?: 'text' | 'binary') =>
  oid === INT8 && format !== 'binary' ? parseInt8 : types.getTypeParser(oid, format);

/** A connection pool. Connections are made when they are needed; `bigint` columns are read as numbers. */
export const createPool = (url: string, options: PoolOptions = {}): Pool => {
  const pool = new Pool({
    connectionString: url,
    max: options.max ?? 10,
    application_name: options.applicationName ?? 'headgate',
    statement_timeout: options.statementTimeoutMs ?? false,
    // A query goes out without waiting for the answer of the one before it on the same connection.
    pipeline: true,
    ...(options.silentTransactionMs === undefined
      ? {}
      : { idle_in_transaction_session_timeout: options.silentTransactionMs }),
    ...(options.idleMs === undefined ? {} : { idleTimeoutMillis: options.idleMs }),
    ...(options.connectTimeoutMs === undefined ? {} : { connectionTimeoutMillis: options.connectTimeoutMs }),
    ...(options.queryTimeoutMs === undefined ? {} : { query_timeout: options.queryTimeoutMs }),
    types: { getTypeParser },
  });
  pool.on('error', (error) => options.onError?.(error));
  // A connection that breaks while it is lent out, between two queries, would otherwise end the process; the next
  // query on it fails and is reported there.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
};

/** Kysely over a pool. Destroying it ends the pool. */
export const createKysely = <DB>(pool: Pool): Kysely<DB> => new Kysely<DB>({ dialect: new PostgresDialect({ pool }) });

/**
 * Kysely over one connection, inside a transaction that somebody else has begun and will end; it must not begin,
 * commit, or be used after that.
 */
export const kyselyOn = <DB>(client: PoolClient): Kysely<DB> =>
  new Kysely<DB>({
    dialect: new PostgresDialect({
      pool: {
        connect: () => Promise.resolve(borrowed(client)),
        end: () => Promise.resolve(),
      },
    }),
  });

/** Kysely gives the connection back after each query; its holder keeps it. */
const borrowed = (client: PoolClient): Pick<PoolClient, 'query' | 'release'> => ({
  query: client.query.bind(client) as PoolClient['query'],
  release: () => undefined,
});
