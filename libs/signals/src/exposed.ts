import { createHash, randomBytes } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { inTransaction } from '#libs/postgres';

const HOUR_MS = 3_600_000;
/** Rows may be committed a little after the time that they bear. Taking one in twice changes nothing. */
const OVERLAP_MS = 120_000;
/** How far the end of a window may lie behind its arrival. */
const LATE_MS = 86_400_000;
const HASH_BYTES = 6;

/** Joins hashes of units to sketches; hashes are whole numbers below 2^48. Injected, as signals know no statistics. */
export type Merge = (...parts: readonly (readonly number[])[]) => readonly number[];

/** What was exposed to the candidate of a rollout in one hour. Units are those that were first seen in that hour. */
export type ExposedCell = {
  readonly rollout: string;
  readonly target: string;
  readonly model: string;
  /** First moment of the hour, epoch ms. */
  readonly hour: number;
  readonly requests: number;
  readonly units: readonly number[];
};

type CellKey = Pick<ExposedCell, 'rollout' | 'target' | 'model' | 'hour'>;

/** Units by the slice and the hour in which they were first seen: those that outcomes named, and all with bad ones. */
const UNITS = `
  select rollout, target, model, seen / ${HOUR_MS} * ${HOUR_MS} as hour, array_agg(unit) as units
  from (
    select rollout, target, model, unit, min(seen) as seen
    from (
      select rollout, target, model, unit, seen_at as seen from evidence.candidate_units where seen_at >= $1
      union all
      select rollout, target, model, unit, arrived_at from evidence.first_bad
      where arrived_at >= $1 and arm = 'candidate'
    ) seen_units
    group by rollout, target, model, unit
  ) first_seen
  group by rollout, target, model, hour`;

/** Requests that are in no hour yet, with the hour of the last of them. */
const REQUESTS = `
  select rollout, target, model, last_at / ${HOUR_MS} * ${HOUR_MS} as hour, total - counted as requests
  from (
    select a.rollout, a.target, a.model, max(a.last_at) as last_at, sum(a.requests)::bigint as total,
      coalesce((select sum(e.requests) from evidence.exposed e
                where e.rollout = a.rollout and e.target = a.target and e.model = a.model), 0)::bigint as counted
    from evidence.arms a where a.arm = 'candidate'
    group by a.rollout, a.target, a.model
    having max(a.last_at) >= $1
  ) arms
  where total > counted`;

const KNOWN = `
  select rollout, target, model, hour, units
  from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) as asked(rollout, target, model, hour)
    join evidence.exposed using (rollout, target, model, hour)`;

const WRITE = `
  insert into evidence.exposed as known (rollout, target, model, hour, requests, units)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[])
  on conflict (rollout, target, model, hour)
    do update set requests = known.requests + excluded.requests, units = excluded.units`;

const encode = (hashes: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(hashes.length * HASH_BYTES);
  for (const [index, hash] of hashes.entries()) bytes.writeUIntBE(hash, index * HASH_BYTES, HASH_BYTES);
  return bytes;
};

const decode = (bytes: Buffer): readonly number[] =>
  Array.from({ length: bytes.length / HASH_BYTES }, (_, index) => bytes.readUIntBE(index * HASH_BYTES, HASH_BYTES));

const hashOf = (salt: Buffer, unit: string): number =>
  createHash('sha256').update(salt).update(unit).digest().readUIntBE(0, HASH_BYTES);

type Waiting = CellKey & { requests: number; hashes: readonly number[] };

const nameOf = ({ rollout, target, model, hour }: CellKey): string => JSON.stringify([rollout, target, model, hour]);

const cellOf = (cells: Map<string, Waiting>, key: CellKey): Waiting => {
  const name = nameOf(key);
  const cell = cells.get(name) ?? { ...key, requests: 0, hashes: [] };
  cells.set(name, cell);
  return cell;
};

/**
 * Takes what was exposed into sketches by the hour, beside the intake, and reads them. Units that were seen are taken in
 * before they are forgotten; the sketches stay. The hour of requests is right to the time between two rounds.
 */
export class Exposed {
  constructor(
    private readonly pool: Pool,
    private readonly merge: Merge,
  ) {}

  /** Takes in what came since the last round, up to `now` (epoch ms). Where another controller is at it, nothing happens. */
  async take(now: number): Promise<void> {
    await inTransaction(this.pool, async (client) => {
      await client.query(
        'insert into evidence.exposed_progress (id, taken_to) values (1, 0) on conflict (id) do nothing',
      );
      const { rows } = await client.query<{ taken_to: number }>(
        'select taken_to from evidence.exposed_progress for update skip locked',
      );
      const progress = rows[0];
      if (progress === undefined) return;
      const cells = new Map<string, Waiting>();
      await this.takeUnits(client, progress.taken_to - OVERLAP_MS, cells);
      const requests = await client.query<CellKey & { requests: number }>(REQUESTS, [progress.taken_to - LATE_MS]);
      for (const { requests: count, ...key } of requests.rows) cellOf(cells, key).requests += count;
      await this.write(client, [...cells.values()]);
      await client.query('update evidence.exposed_progress set taken_to = $1', [now]);
    });
  }

  /** By rollout, target, model and hour. */
  async cells(rollouts: readonly string[]): Promise<readonly ExposedCell[]> {
    const { rows } = await this.pool.query<Omit<ExposedCell, 'units'> & { readonly units: Buffer }>(
      `select rollout, target, model, hour, requests, units from evidence.exposed where rollout = any ($1)
       order by rollout, target, model, hour`,
      [rollouts],
    );
    return rows.map((row) => ({ ...row, units: decode(row.units) }));
  }

  /** Drops the salts of rollouts whose units are all forgotten and that are not among those that still run. */
  async forgetSalts(running: readonly string[]): Promise<void> {
    await this.pool.query(
      `delete from evidence.exposed_salts s where s.rollout <> all ($1)
         and not exists (select from evidence.candidate_units u where u.rollout = s.rollout)
         and not exists (select from evidence.first_bad b where b.rollout = s.rollout)`,
      [running],
    );
  }

  private async takeUnits(client: PoolClient, since: number, cells: Map<string, Waiting>): Promise<void> {
    const { rows } = await client.query<CellKey & { readonly units: readonly string[] }>(UNITS, [since]);
    const salts = await this.salts(client, [...new Set(rows.map(({ rollout }) => rollout))]);
    for (const { units, ...key } of rows) {
      const salt = salts.get(key.rollout);
      if (salt === undefined) continue;
      const cell = cellOf(cells, key);
      cell.hashes = this.merge(
        cell.hashes,
        units.map((unit) => hashOf(salt, unit)),
      );
    }
  }

  private async write(client: PoolClient, cells: readonly Waiting[]): Promise<void> {
    const keys = [
      cells.map(({ rollout }) => rollout),
      cells.map(({ target }) => target),
      cells.map(({ model }) => model),
      cells.map(({ hour }) => hour),
    ];
    const { rows } = await client.query<CellKey & { readonly units: Buffer }>(KNOWN, keys);
    const known = new Map(rows.map((row) => [nameOf(row), decode(row.units)]));
    const units = cells.map((cell) => encode(this.merge(known.get(nameOf(cell)) ?? [], cell.hashes)));
    await client.query(WRITE, [...keys, cells.map(({ requests }) => requests), units]);
  }

  private async salts(client: PoolClient, rollouts: readonly string[]): Promise<ReadonlyMap<string, Buffer>> {
    await client.query(
      `insert into evidence.exposed_salts (rollout, salt) select * from unnest($1::text[], $2::bytea[])
       on conflict (rollout) do nothing`,
      [rollouts, rollouts.map(() => randomBytes(16))],
    );
    const { rows } = await client.query<{ rollout: string; salt: Buffer }>(
      'select rollout, salt from evidence.exposed_salts where rollout = any ($1)',
      [rollouts],
    );
    return new Map(rows.map(({ rollout, salt }) => [rollout, salt]));
  }
}
