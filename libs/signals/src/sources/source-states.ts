import type { Pool } from 'pg';

/** Under which name the state of a source that is asked is kept, beside those of resources that send. */
export const sourceKey = (source: string): string => `asked/${source}`;

/** Reads what is remembered of sources, for those who only want to know how they are. */
export abstract class SourceStates {
  /** Source → its stored state; those that were never asked are left out. */
  abstract read(sources: readonly string[]): Promise<ReadonlyMap<string, unknown>>;
}

type Row = { readonly source: string; readonly state: string | null };

/** The states that the intake keeps in the database. */
export class PostgresSourceStates extends SourceStates {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    super();
    this.#pool = pool;
  }

  async read(sources: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    if (sources.length === 0) return new Map();
    const keys = new Map(sources.map((source) => [sourceKey(source), source]));
    const { rows } = await this.#pool.query<Row>({
      name: 'evidence_read_source_states',
      text: 'select source, state from evidence.sources where source = any($1::text[])',
      values: [[...keys.keys()]],
    });
    return new Map(
      rows.flatMap(({ source, state }): readonly (readonly [string, unknown])[] =>
        state === null ? [] : [[keys.get(source) ?? source, JSON.parse(state) as unknown]],
      ),
    );
  }
}
