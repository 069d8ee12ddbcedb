import { sql, type Kysely } from 'kysely';
import { ProgressBoard, type Progress } from '#libs/application';
import { readProgress } from '#libs/domain';
import { Together } from '#libs/postgres';

type Tables = { 'read_models.rollout_progress': { rollout: string; at: number; progress: unknown } };

type Note = { readonly rollout: string; readonly progress: Progress };

/** Rows are locked in one order, so that two controllers never wait for each other. */
const putAll = async (db: Kysely<Tables>, notes: readonly Note[]): Promise<readonly void[]> => {
  await sql`
    insert into read_models.rollout_progress (rollout, at, progress)
    select rollout, at, progress::jsonb from unnest(
      ${notes.map(({ rollout }) => rollout)}::text[],
      ${notes.map(({ progress }) => progress.at)}::bigint[],
      ${notes.map(({ progress }) => JSON.stringify(progress))}::text[]
    ) as noted(rollout, at, progress) order by rollout
    on conflict (rollout) do update
    set at = excluded.at, progress = excluded.progress
    where rollout_progress.at <= excluded.at
  `.execute(db);
  return notes.map(() => undefined);
};

/** One answer for each list of rollouts. */
const getAll = async (
  db: Kysely<Tables>,
  asked: readonly (readonly string[])[],
): Promise<readonly ReadonlyMap<string, Progress>[]> => {
  const rows = await db
    .selectFrom('read_models.rollout_progress')
    .select(['rollout', 'progress'])
    .where(sql<boolean>`rollout = any (${[...new Set(asked.flat())]}::text[])`)
    .execute();
  const known = new Map(
    rows.flatMap(({ rollout, progress }) => {
      const read = readProgress(progress);
      return read === undefined ? [] : [[rollout, read] as const];
    }),
  );
  return asked.map(
    (rollouts) => new Map(rollouts.flatMap((id) => (known.has(id) ? [[id, known.get(id) as Progress]] : []))),
  );
};

/** The newest assessment of each rollout, one row each, for every controller to read. */
export class PostgresProgressBoard extends ProgressBoard {
  readonly #db: Kysely<Tables>;
  readonly #put: Together<Note, void>;
  readonly #get: Together<readonly string[], ReadonlyMap<string, Progress>>;

  constructor(db: Kysely<Tables>) {
    super();
    this.#db = db;
    this.#put = new Together<Note, void>({
      answer: (notes) => putAll(db, notes),
      keyOf: ({ rollout }) => rollout,
    });
    this.#get = new Together({ answer: (asked) => getAll(db, asked) });
  }

  put(rollout: string, progress: Progress): Promise<void> {
    return this.#put.ask({ rollout, progress });
  }

  async get(rollouts: readonly string[]): Promise<ReadonlyMap<string, Progress>> {
    return rollouts.length === 0 ? new Map() : this.#get.ask(rollouts);
  }

  async times(rollouts: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (rollouts.length === 0) return new Map();
    const rows = await this.#db
      .selectFrom('read_models.rollout_progress')
      .select(['rollout', 'at'])
      .where('rollout', 'in', [...rollouts])
      .execute();
    return new Map(rows.map(({ rollout, at }) => [rollout, Number(at)]));
  }
}
