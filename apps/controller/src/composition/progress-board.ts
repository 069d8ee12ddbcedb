import { sql, type Kysely } from 'kysely';
import { ProgressBoard, type Progress } from '#libs/application';
import { readProgress } from '#libs/domain';

type Tables = { 'read_models.rollout_progress': { rollout: string; at: number; progress: unknown } };

/** The newest assessment of each rollout, one row each, for every controller to read. */
export class PostgresProgressBoard extends ProgressBoard {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    super();
    this.#db = db;
  }

  async put(rollout: string, progress: Progress): Promise<void> {
    await sql`
      insert into read_models.rollout_progress (rollout, at, progress)
      values (${rollout}, ${progress.at}, ${JSON.stringify(progress)}::jsonb)
      on conflict (rollout) do update
      set at = excluded.at, progress = excluded.progress
      where rollout_progress.at <= excluded.at
    `.execute(this.#db);
  }

  async get(rollouts: readonly string[]): Promise<ReadonlyMap<string, Progress>> {
    if (rollouts.length === 0) return new Map();
    const rows = await this.#db
      .selectFrom('read_models.rollout_progress')
      .select(['rollout', 'progress'])
      .where('rollout', 'in', [...rollouts])
      .execute();
    return new Map(
      rows.flatMap(({ rollout, progress }) => {
        const read = readProgress(progress);
        return read === undefined ? [] : [[rollout, read] as const];
      }),
    );
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
