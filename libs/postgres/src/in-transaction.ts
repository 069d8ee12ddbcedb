import type { Pool, PoolClient } from 'pg';

/** Runs work in one transaction; a throw takes it back. A connection that failed is thrown away. */
export const inTransaction = async <T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> => {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    broken = error instanceof Error ? error : new Error(String(error));
    throw error;
  } finally {
    // Closing the connection ends its transaction, also where a `rollback` could not be sent any more.
    client.release(broken);
  }
};
