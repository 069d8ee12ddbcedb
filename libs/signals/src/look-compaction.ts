import { createHash } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { Compactor, type Chained, type CompactedLook, type NamedLook } from './compact.js';
import { readLooks } from './looks.js';
import { inTransaction } from '#libs/postgres';

/** A rollout that ended long ago, and how to learn which looks its verdicts name: asked only where it is to be compacted. */
export type EndedRollout = { readonly rollout: string; readonly named: () => Promise<readonly NamedLook[]> };

/** Looks read and summed at once: others have their turn in between. */
const PAGE = 200;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const rowOf = ({ look, at, cells, standsFor, chain }: CompactedLook) => {
  const text = JSON.stringify(cells);
  return { look, at, cells: text, digest: sha256(text), standsFor, chain };
};

/** Nothing comes to a rollout that has ended: what had arrived after its last look was for nobody. */
const LEFT_OVER = ['pending', 'pending_values', 'fold_snapshots'] as const;

const replace = async (client: PoolClient, rollout: string, looks: readonly CompactedLook[]): Promise<void> => {
  await client.query('delete from evidence.looks where rollout = $1', [rollout]);
  await client.query(
    `insert into evidence.looks (rollout, look, looked_at, cells, digest, stands_for, chain)
     select $1, look, at, cells, digest, "standsFor", chain from json_to_recordset($2::json)
       as x(look integer, at bigint, cells text, digest text, "standsFor" integer, chain text)`,
    [rollout, JSON.stringify(looks.map(rowOf))],
  );
  for (const table of LEFT_OVER) await client.query(`delete from evidence.${table} where rollout = $1`, [rollout]);
};

/**
 * Compacts the looks of rollouts that have ended, each in a transaction of its own, and once. Any number of controllers
 * may do so at once. Looks that were altered, or are not those that verdicts name, are left as they are.
 */
export class LookCompaction {
  constructor(
    private readonly pool: Pool,
    private readonly chained: Chained,
  ) {}

  /** Gives how many rollouts were compacted. Goes on after one that cannot be, and throws the first reason at the end. */
  async compact(ended: readonly EndedRollout[], now: number): Promise<number> {
    const due = await this.due(ended);
    let compacted = 0;
    const failures: unknown[] = [];
    for (const each of due)
      try {
        if (await this.compactOne(each, now)) compacted += 1;
      } catch (error) {
        failures.push(error);
      }
    if (failures.length > 0) throw failures[0];
    return compacted;
  }

  /** Folds are kept for the sake of the next look: of rollouts that have ended there is none. Gives how many were dropped. */
  async dropSnapshots(rollouts: readonly string[]): Promise<number> {
    const { rowCount } = await this.pool.query('delete from evidence.fold_snapshots where rollout = any ($1)', [
      rollouts,
    ]);
    return rowCount ?? 0;
  }

  private async due(ended: readonly EndedRollout[]): Promise<readonly EndedRollout[]> {
    const { rows } = await this.pool.query<{ readonly rollout: string }>(
      'select rollout from evidence.folds where rollout = any ($1) and compacted_at is null',
      [ended.map(({ rollout }) => rollout)],
    );
    const due = new Set(rows.map(({ rollout }) => rollout));
    return ended.filter(({ rollout }) => due.has(rollout));
  }

  private async compactOne({ rollout, named }: EndedRollout, now: number): Promise<boolean> {
    const names = await named();
    return inTransaction(this.pool, async (client) => {
      const { rowCount } = await client.query(
        'select from evidence.folds where rollout = $1 and compacted_at is null for update skip locked',
        [rollout],
      );
      if (rowCount === 0) return false;
      const compactor = new Compactor(names, this.chained);
      for (let after: number | undefined = 0; after !== undefined;) {
        const [looks = []] = await readLooks(client, [{ rollout, after, most: PAGE }]);
        for (const look of looks) compactor.tell(look);
        after = looks.at(-1)?.look;
      }
      await replace(client, rollout, compactor.end(rollout));
      await client.query('update evidence.folds set compacted_at = $2 where rollout = $1', [rollout, Math.round(now)]);
      return true;
    });
  }
}
