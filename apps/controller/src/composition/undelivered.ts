import { sql, type Kysely } from 'kysely';
import { Undelivered, type Failing } from '#libs/application';

type Row = { target: string; generation: string; error: string; since: Date };
type Tables = { 'delivery.undelivered': Row };

/** One row for each target that fails, for every controller to read. */
export class PostgresUndelivered extends Undelivered {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    super();
    this.#db = db;
  }

  async fails(target: string, { generation, error, since }: Failing): Promise<boolean> {
    const { rows } = await sql<{ begins: boolean }>`
      insert into delivery.undelivered (target, generation, error, since)
      values (${target}, ${generation}, ${error}, ${new Date(since)})
      on conflict (target) do update set generation = excluded.generation, error = excluded.error
      returning xmax = 0 as begins
    `.execute(this.#db);
    return rows[0]?.begins ?? false;
  }

  async arrived(targets: readonly string[]): Promise<readonly string[]> {
    if (targets.length === 0) return [];
    const ended = await this.#db
      .deleteFrom('delivery.undelivered')
      .where('target', 'in', [...targets])
      .returning('target')
      .execute();
    return ended.map(({ target }) => target);
  }

  async all(): Promise<ReadonlyMap<string, Failing>> {
    const rows = await this.#db.selectFrom('delivery.undelivered').selectAll().execute();
    return new Map(
      rows.map(({ target, generation, error, since }) => [
        target,
        { generation: Number(generation), error, since: since.getTime() },
      ]),
    );
  }
}
