import type { Pool } from 'pg';
import type { Log } from '#libs/application';
import { createPool, newerSchema, type SchemaMismatchError } from '#libs/postgres';
import { databaseTrouble, troubleOf, type DatabaseTrouble } from './database-trouble.js';

const EVERY_MS = 1_000;
const PATIENCE_MS = 2_000;

/** Besides its health: the first migration that is newer than what this controller knows. */
const LOOK = `select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as read_only,
  (select name from public.schema_migrations where number > $1 order by number limit 1) as newer`;
const AGAIN = 'Trying again all the time';
const MEANWHILE: Readonly<Record<DatabaseTrouble['kind'], string>> = {
  unreachable: AGAIN,
  'read-only': AGAIN,
  full: AGAIN,
  newer: 'Until then this controller does nothing',
};
/** Changes nothing that matters, and fails where a write fails. */
const WRITE = `update process.checkpoints set moved_at = clock_timestamp() where name = 'conductor'`;

/**
 * Knows whether the database can do its work: looks once in a second on a connection of its own, and is told of failed
 * writes. Says once on the log when trouble begins and once when it is over; when a newer version has migrated the
 * database it is never over.
 */
export class DatabaseWatch {
  readonly #pool: Pool;
  readonly #log: Log;
  readonly #schema: number;
  readonly #newerListeners = new Set<(error: SchemaMismatchError) => void>();
  #newer: SchemaMismatchError | undefined;
  #trouble: DatabaseTrouble | undefined;
  #cannotWrite: DatabaseTrouble | undefined;
  #looking: Promise<DatabaseTrouble | undefined> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param schema number of the newest migration that this controller knows */
  constructor(databaseUrl: string, log: Log, schema: number) {
    const patience = { connectTimeoutMs: PATIENCE_MS, queryTimeoutMs: PATIENCE_MS };
    this.#pool = createPool(databaseUrl, { max: 1, applicationName: 'headgate-watch', ...patience });
    this.#log = log;
    this.#schema = schema;
  }

  /** Rings once a newer version has migrated the database, at once when it already has. */
  onNewerSchema(listener: (error: SchemaMismatchError) => void): void {
    this.#newerListeners.add(listener);
    if (this.#newer) listener(this.#newer);
  }

  start(): void {
    this.#timer = setInterval(() => void this.check(), EVERY_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    await this.#pool.end();
  }

  /** What is wrong with the database now; undefined when nothing is. Never throws. */
  check(): Promise<DatabaseTrouble | undefined> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Takes note of an error that work met; false when it says nothing about the database's health. */
  note(error: unknown): boolean {
    const trouble = databaseTrouble(error);
    if (trouble === undefined) return false;
    if (trouble.kind === 'unreachable') {
      void this.check();
    } else {
      this.#cannotWrite = trouble;
      this.#set(trouble);
    }
    return true;
  }

  async #look(): Promise<DatabaseTrouble | undefined> {
    try {
      const { rows } = await this.#pool.query<{ read_only: boolean; newer: string | null }>(LOOK, [this.#schema]);
      if (typeof rows[0]?.newer === 'string') return this.#refuse(rows[0].newer);
      if (rows[0]?.read_only === true) {
        // A session keeps the setting it began with: the next look takes a new one.
        await this.#pool.query(WRITE);
      } else if (this.#cannotWrite !== undefined) {
        await this.#pool.query(WRITE);
        this.#cannotWrite = undefined;
      }
      this.#set(undefined);
    } catch (error) {
      this.#set(databaseTrouble(error) ?? troubleOf('unreachable', String(error)));
    }
    return this.#trouble;
  }

  #refuse(migration: string): DatabaseTrouble {
    const trouble = { kind: 'newer', message: newerSchema(migration).message } as const;
    this.#set(trouble);
    if (this.#newer === undefined) {
      this.#newer = newerSchema(migration);
      for (const listener of this.#newerListeners) listener(this.#newer);
    }
    return trouble;
  }

  #set(trouble: DatabaseTrouble | undefined): void {
    const before = this.#trouble;
    this.#trouble = trouble;
    if (trouble !== undefined && trouble.kind !== before?.kind)
      this.#log.error(`${trouble.message} ${MEANWHILE[trouble.kind]}; fleets keep what they have.`, {
        trouble: trouble.kind,
      });
    if (trouble === undefined && before !== undefined)
      this.#log.info('The database works again.', { trouble: before.kind });
  }
}
