import type { Pool } from 'pg';
import type { Span, StageBake } from './evidence-store.js';
import type { BigInteger } from './sql.js';
import { toNumber } from './sql.js';

/**
 * By whose clock bakes are counted. Controllers whose clocks differ take turns at one rollout: by their own, one would
 * find that nobody had looked for a while, and another that the time had passed already.
 */
export type BakeClock = 'server' | 'callers';

/** A stage's bake is to be brought up to `now` (epoch ms) by the span that is covered with evidence. */
export type BakeAsked = {
  readonly rollout: string;
  readonly track: string;
  readonly stage: string;
  readonly now: number;
  readonly covered: Span | undefined;
  /** After a longer time without a look nobody was there to see it bake. */
  readonly maxGapMs: number;
};

type Key = { readonly rollout: string; readonly track: string; readonly stage: string };

/** Tells one stage of one rollout from all others. */
export const bakeKey = ({ rollout, track, stage }: Key): string => JSON.stringify([rollout, track, stage]);

// Rows are locked in one order, so that two controllers never wait for each other.
const ADVANCE = `
  with given as (
    select rollout, track, stage, covered_from, covered_until, max_gap_ms,
      case when $8 then (extract(epoch from clock_timestamp()) * 1000)::bigint else now end as now
    from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
      as given(rollout, track, stage, now, covered_from, covered_until, max_gap_ms)
  ), asked as (
    select rollout, track, stage, now, max_gap_ms, coalesce(covered_from, now) as covered_from,
      least(now, coalesce(covered_until, now)) as covered_until
    from given
  ), begun as (
    insert into evidence.bakes (rollout, track, stage, baked_ms, advanced_at, covered_until, looked_since)
    select rollout, track, stage, 0, now, now, now from asked order by rollout, track, stage
    on conflict (rollout, track, stage) do nothing
  ), known as (
    select bakes.rollout, bakes.track, bakes.stage, asked.now, asked.covered_from, asked.covered_until as covers_until,
      coalesce(bakes.covered_until, bakes.advanced_at) as counted_until,
      case when asked.now - bakes.advanced_at > asked.max_gap_ms then asked.now - asked.max_gap_ms
        else coalesce(bakes.looked_since, bakes.advanced_at) end as looked_since
    from evidence.bakes join asked using (rollout, track, stage)
    order by bakes.rollout, bakes.track, bakes.stage for update of bakes
  )
  update evidence.bakes set
    baked_ms = baked_ms + greatest(0, known.covers_until - greatest(known.covered_from, known.counted_until, known.looked_since)),
    looked_since = known.looked_since,
    covered_until = greatest(known.counted_until, known.covers_until),
    advanced_at = greatest(advanced_at, known.now)
  from known
  where bakes.rollout = known.rollout and bakes.track = known.track and bakes.stage = known.stage
  returning bakes.rollout, bakes.track, bakes.stage, bakes.baked_ms`;

type BakeRow = {
  readonly rollout: string;
  readonly track: string;
  readonly stage: string;
  readonly baked_ms: BigInteger;
};

/** Milliseconds that each of these stages, which are all different, has baked by now; 0 at the first look. */
export const advanceBakes = async (
  pool: Pool,
  asked: readonly BakeAsked[],
  clock: BakeClock,
): Promise<readonly number[]> => {
  const inMs = (time: number | undefined): number | null => (time === undefined ? null : Math.round(time));
  const { rows } = await pool.query<BakeRow>({
    name: 'evidence_advance_bakes',
    text: ADVANCE,
    values: [
      asked.map(({ rollout }) => rollout),
      asked.map(({ track }) => track),
      asked.map(({ stage }) => stage),
      asked.map(({ now }) => inMs(now)),
      asked.map(({ covered }) => inMs(covered?.from)),
      asked.map(({ covered }) => inMs(covered?.until)),
      asked.map(({ maxGapMs }) => inMs(maxGapMs)),
      clock === 'server',
    ],
  });
  const baked = new Map(rows.map((row) => [bakeKey(row), toNumber(row.baked_ms)]));
  return asked.map((each) => baked.get(bakeKey(each)) ?? 0);
};

export const readBakes = async (pool: Pool, rollout: string): Promise<readonly StageBake[]> => {
  const { rows } = await pool.query<BakeRow>(
    'select rollout, track, stage, baked_ms from evidence.bakes where rollout = $1 order by track, stage',
    [rollout],
  );
  return rows.map((row) => ({ track: row.track, stage: row.stage, bakedMs: toNumber(row.baked_ms) }));
};
