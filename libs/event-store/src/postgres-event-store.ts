import type { AppendRequest, AppendResult, EventCodec, JsonObject, RecordedEvent } from '#libs/kernel';
import { EventStore } from '#libs/kernel';
import type { Pool, PoolClient } from 'pg';
import { bodiesOf, BODY, NO_ARCHIVE, type Archive, type BodyColumns } from './archive/archive.js';
import { Bell } from './bell.js';
import type { Doorbell } from './doorbell.js';
import type { FlushAnswer } from './flush.js';
import { APPEND_SQL, fitOneFlush, flushParameters, flushResults } from './flush.js';
import { GroupCommit } from './group-commit.js';
import { asError } from './health.js';
import type { PreparedRequest } from './requests.js';
import { prepare } from './requests.js';

/** The channel on which the append function rings, with the highest position. */
export const COMMIT_CHANNEL = 'event_store_commit';

export type PostgresEventStoreOptions = {
  readonly pool: Pool;
  readonly codec: EventCodec;
  /** Brings the commits of other processes; without one only polls notice them. */
  readonly doorbell?: Doorbell;
  /** Where the bodies of archived events are. */
  readonly archive?: Archive;
  /** Told of each flush that failed, besides the callers. */
  readonly onError?: (error: Error) => void;
};

/** True for an answer of the server that ends the transaction; false where the commit may have happened. */
const refusedByServer = (error: unknown): boolean => {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return false;
  const code = String(error.code);
  return !code.startsWith('08') && !code.startsWith('57');
};

/** A session stays read-only, even when the database is writable again. */
const isReadOnlySession = (error: Error): boolean => 'code' in error && error.code === '25006';

/**
 * The log in PostgreSQL. Appends of this process are committed in groups, one statement in flight, under an advisory
 * lock that all processes share, so positions are gapless and their order is commit order. When the connection breaks
 * during an append its promise rejects and the outcome is unknown: send the same command again, its id decides.
 */
export class PostgresEventStore extends EventStore {
  readonly #pool: Pool;
  readonly #codec: EventCodec;
  readonly #archive: Archive;
  readonly #onError: (error: Error) => void;
  readonly #bell = new Bell<number>();
  readonly #commits: GroupCommit<PreparedRequest, AppendResult>;
  readonly #silence: () => void;
  /** The connection that appends, kept from flush to flush until none waits. */
  #writer: Promise<PoolClient> | undefined;

  constructor(options: PostgresEventStoreOptions) {
    super();
    this.#pool = options.pool;
    this.#codec = options.codec;
    this.#archive = options.archive ?? NO_ARCHIVE;
    this.#onError = options.onError ?? (() => undefined);
    this.#commits = new GroupCommit({
      flush: (group) => this.#flush(group),
      fit: fitOneFlush,
      isRolledBack: refusedByServer,
      depth: 2,
      onIdle: () => this.#dismiss(this.#writer),
    });
    this.#silence =
      options.doorbell?.listen(COMMIT_CHANNEL, (payload) => this.#bell.ring(Number(payload))) ?? (() => undefined);
  }

  override async append(request: AppendRequest): Promise<AppendResult> {
    return this.#commits.submit(prepare(request, this.#codec));
  }

  override async readStream(streamId: string, options: { readonly afterVersion?: number } = {}) {
    const { rows } = await this.#pool.query<[...BodyColumns]>({
      name: 'event_store_read_stream',
      text: `select ${BODY} from event_store.events where stream_id = $1 and stream_version > $2 order by stream_version`,
      values: [streamId, options.afterVersion ?? 0],
      rowMode: 'array',
    });
    return this.#decode(rows);
  }

  override readAll(options: { readonly after: number; readonly limit: number }): Promise<readonly RecordedEvent[]> {
    return this.readAllOn(this.#pool, options);
  }

  /** The same on a connection of the caller's, inside its transaction. */
  async readAllOn(
    connection: Pick<Pool | PoolClient, 'query'>,
    options: { readonly after: number; readonly limit: number },
  ): Promise<readonly RecordedEvent[]> {
    const { rows } = await connection.query<[...BodyColumns]>({
      name: 'event_store_read_all',
      text: `select ${BODY} from event_store.events where position > $1 order by position limit $2`,
      values: [options.after, options.limit],
      rowMode: 'array',
    });
    return this.#decode(rows);
  }

  override async readPositions(positions: readonly number[]): Promise<readonly RecordedEvent[]> {
    if (positions.length === 0) return [];
    const { rows } = await this.#pool.query<[...BodyColumns]>({
      name: 'event_store_read_positions',
      text: `select ${BODY} from event_store.events where position = any ($1::bigint[]) order by position`,
      values: [positions],
      rowMode: 'array',
    });
    return this.#decode(rows);
  }

  override async head(): Promise<number> {
    const { rows } = await this.#pool.query<{ head: number | string }>(
      'select coalesce(max(position), 0) as head from event_store.events',
    );
    return Number(rows[0]?.head ?? 0);
  }

  override async findCommand(commandId: string) {
    const { rows } = await this.#pool.query<{
      fingerprint: string;
      outcome: JsonObject;
      last_position: number | string;
    }>({
      name: 'event_store_find_command',
      text: 'select fingerprint, outcome, last_position from event_store.commands where id = $1',
      values: [commandId],
    });
    const row = rows[0];
    if (row === undefined) return undefined;
    return { fingerprint: row.fingerprint, outcome: row.outcome, lastPosition: Number(row.last_position) };
  }

  override onCommit(listener: (position: number) => void): () => void {
    return this.#bell.listen(listener);
  }

  /** Why files of archived events that somebody asked for cannot be read now. */
  unreadable(): Promise<readonly string[]> {
    return this.#archive.unreadable();
  }

  /** Waits for the appends that are on their way and stops listening. The pool stays open. */
  async close(): Promise<void> {
    this.#silence();
    await this.#commits.idle();
  }

  async #decode(rows: readonly BodyColumns[]): Promise<readonly RecordedEvent[]> {
    const bodies = await bodiesOf(rows, this.#archive);
    return bodies.map((body) => this.#codec.decode(JSON.parse(body) as RecordedEvent));
  }

  async #flush(group: readonly PreparedRequest[]): Promise<readonly AppendResult[]> {
    const writer = (this.#writer ??= this.#pool.connect());
    try {
      const client = await writer;
      const { results, events } = await this.#write(client, group);
      const last = events.at(-1);
      if (last !== undefined) this.#bell.ring(last.position);
      return results;
    } catch (thrown) {
      const error = asError(thrown);
      if (!refusedByServer(error) || isReadOnlySession(error)) this.#dismiss(writer, error);
      this.#onError(error);
      throw error;
    }
  }

  #dismiss(writer: Promise<PoolClient> | undefined, broken?: Error): void {
    if (writer === undefined || writer !== this.#writer) return;
    this.#writer = undefined;
    writer.then(
      (client) => client.release(broken),
      () => undefined,
    );
  }

  async #write(client: PoolClient, group: readonly PreparedRequest[]) {
    const { rows } = await client.query<{ result: FlushAnswer }>({
      name: 'event_store_append',
      text: APPEND_SQL,
      values: [...flushParameters(group)],
    });
    const answer = rows[0]?.result;
    if (answer === undefined)
      throw new Error('The append function returned nothing: it is not the one that this build was made for.');
    const results = flushResults(group, answer);
    const events = results.flatMap((result) => (result.kind === 'appended' ? result.events : []));
    return { results, events };
  }
}
