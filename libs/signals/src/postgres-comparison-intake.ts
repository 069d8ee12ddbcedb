import type { ComparisonBatch, ComparisonReceipt } from '#libs/contracts';
import type { Pool } from 'pg';
import {
  assessComparisons,
  ComparisonIntake,
  digestOfComparisons,
  type ComparisonFact,
  type ComparisonLookup,
} from './comparisons.js';
import type { EvidenceBell } from './evidence-bell.js';
import type { Compared } from './evidence-store.js';
import { noteBatches } from './flush.js';
import { otherContent, type Reporter } from './intake.js';
import { inTransaction } from '#libs/postgres';
import { toNumber, type BigInteger } from './sql.js';

/** In the place of the target of a batch: a comparison is of two. */
const SEVERAL = '*';

const ADD = `
  insert into evidence.comparisons as known
    (rollout, signal, left_target, right_target, pairs, left_only, right_only, first_at, last_at)
  select rollout, signal, "left", "right", pairs, "leftOnly", "rightOnly", "firstAt", "lastAt"
  from json_to_recordset($1::json) as x(rollout text, signal text, "left" text, "right" text, pairs bigint,
    "leftOnly" bigint, "rightOnly" bigint, "firstAt" bigint, "lastAt" bigint)
  on conflict (rollout, signal, left_target, right_target) do update set
    pairs = known.pairs + excluded.pairs,
    left_only = known.left_only + excluded.left_only,
    right_only = known.right_only + excluded.right_only,
    first_at = least(known.first_at, excluded.first_at),
    last_at = greatest(known.last_at, excluded.last_at)`;

const READ = `
  select rollout, signal, left_target as "left", right_target as "right", pairs, left_only as "leftOnly",
    right_only as "rightOnly", last_at as "lastAt"
  from evidence.comparisons where rollout = any ($1)
  order by rollout, signal, left_target, right_target`;

type Row = {
  readonly rollout: string;
  readonly signal: string;
  readonly left: string;
  readonly right: string;
  readonly pairs: BigInteger;
  readonly leftOnly: BigInteger;
  readonly rightOnly: BigInteger;
  readonly lastAt: BigInteger;
};

/** What was compared for each of these rollouts. */
export const readComparisons = async (
  pool: Pool,
  rollouts: readonly string[],
): Promise<readonly (readonly Compared[])[]> => {
  const { rows } = await pool.query<Row>({ name: 'evidence_comparisons', text: READ, values: [rollouts] });
  return rollouts.map((wanted) =>
    rows
      .filter(({ rollout }) => rollout === wanted)
      .map(({ signal, left, right, pairs, leftOnly, rightOnly, lastAt }) => ({
        signal,
        left,
        right,
        pairs: toNumber(pairs),
        leftOnly: toNumber(leftOnly),
        rightOnly: toNumber(rightOnly),
        lastAt: toNumber(lastAt),
      })),
  );
};

/** Comparisons are few and far between: each batch is one transaction of its own. */
export class PostgresComparisonIntake extends ComparisonIntake {
  constructor(
    private readonly pool: Pool,
    private readonly lookup: ComparisonLookup,
    private readonly bell: EvidenceBell,
  ) {
    super();
  }

  override async submit(batch: ComparisonBatch, { token }: Reporter, now: number): Promise<ComparisonReceipt> {
    const receivedAt = Math.round(now);
    const { facts, accepted, rejected } = assessComparisons(batch, receivedAt, this.lookup);
    const id = batch.batch.toLowerCase();
    const receipt = { batch: id, repeated: false, accepted, rejected };
    // Nothing of a batch of which nothing is left is written, so it can be sent again once the reason is mended.
    if (accepted === 0) return receipt;
    const row = { batch: id, target: SEVERAL, reporter: token, receivedAt, digest: digestOfComparisons(batch) };
    const noted = await inTransaction(this.pool, async (client) => {
      const { fresh, other } = await noteBatches(client, [row]);
      if (fresh.has(id)) await client.query(ADD, [JSON.stringify(facts)]);
      return { isFresh: fresh.has(id), isOther: other.has(id) };
    });
    if (noted.isOther) return { ...receipt, accepted: 0, rejected: [otherContent(id)] };
    if (noted.isFresh) this.bell.ring(touchedBy(facts));
    return { ...receipt, repeated: !noted.isFresh };
  }
}

const touchedBy = (facts: readonly ComparisonFact[]): readonly string[] => [
  ...new Set(facts.map(({ rollout }) => rollout)),
];
