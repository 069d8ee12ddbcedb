import type { Pool } from 'pg';
import { Together } from '#libs/postgres';

type SnapshotRow = { readonly rollout: string; readonly state: Buffer };

const readSnapshots = async (pool: Pool, rollouts: readonly string[]): Promise<readonly (Buffer | undefined)[]> => {
  const { rows } = await pool.query<SnapshotRow>({
    name: 'evidence_read_snapshots',
    text: 'select rollout, state from evidence.fold_snapshots where rollout = any ($1)',
    values: [rollouts],
  });
  const states = new Map(rows.map(({ rollout, state }) => [rollout, state]));
  return rollouts.map((rollout) => states.get(rollout));
};

const WRITE = `
  insert into evidence.fold_snapshots as known (rollout, look, state)
  values ($1, $2, $3)
  on conflict (rollout) do update set look = excluded.look, state = excluded.state
  where known.look < excluded.look`;

/** Folded evidence of each rollout as bytes that only who folds can read; the pool stays its owner's. */
export class PostgresFoldSnapshots {
  private readonly states: Together<string, Buffer | undefined>;

  constructor(private readonly pool: Pool) {
    this.states = new Together({ answer: (rollouts) => readSnapshots(pool, rollouts) });
  }

  read(rollout: string): Promise<Buffer | undefined> {
    return this.states.ask(rollout);
  }

  /** Takes the place of an older snapshot, never of one of the same or a later look. */
  async write(rollout: string, look: number, bytes: Buffer): Promise<void> {
    await this.pool.query({ name: 'evidence_write_snapshot', text: WRITE, values: [rollout, look, bytes] });
  }

  async remove(rollout: string): Promise<void> {
    await this.pool.query('delete from evidence.fold_snapshots where rollout = $1', [rollout]);
  }
}
