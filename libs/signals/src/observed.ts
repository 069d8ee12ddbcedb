import type { Pool } from 'pg';
import type { ObservedAsked, ObservedTotals } from './evidence-store.js';
import { toNumber, type BigInteger } from './sql.js';

const MINUTE_MS = 60_000;

type Row = {
  readonly signal: string;
  readonly target: string;
  readonly model: string;
  readonly requests: BigInteger;
  readonly bad: BigInteger;
  readonly value_count: BigInteger;
  readonly value_sum: number;
};

/** The first and the last minute that lie between two times as a whole; the last is before the first where none does. */
export const wholeMinutes = ({
  fromMs,
  untilMs,
}: Pick<ObservedAsked, 'fromMs' | 'untilMs'>): readonly [number, number] => [
  Math.ceil(fromMs / MINUTE_MS) * MINUTE_MS,
  Math.floor(untilMs / MINUTE_MS) * MINUTE_MS - MINUTE_MS,
];

export const readObserved = async (pool: Pool, asked: ObservedAsked): Promise<readonly ObservedTotals[]> => {
  const { rows } = await pool.query<Row>({
    name: 'evidence_observed',
    text: `select signal, target, model, sum(requests)::bigint as requests, sum(bad)::bigint as bad,
        sum(value_count)::bigint as value_count, sum(value_sum) as value_sum
      from evidence.observed
      where signal = any ($1::text[]) and target = any ($2::text[]) and minute between $3::bigint and $4::bigint
      group by signal, target, model order by signal collate "C", target collate "C", model collate "C"`,
    values: [asked.signals, asked.targets, ...wholeMinutes(asked)],
  });
  return rows.map((row) => ({
    signal: row.signal,
    target: row.target,
    model: row.model,
    requests: toNumber(row.requests),
    bad: toNumber(row.bad),
    valueCount: toNumber(row.value_count),
    valueSum: row.value_sum,
  }));
};

export const readToldArms = async (pool: Pool, rollout: string): Promise<readonly string[]> => {
  const { rows } = await pool.query<{ signal: string }>({
    name: 'evidence_told_arms',
    text: 'select signal from evidence.told_arms where rollout = $1 order by signal collate "C"',
    values: [rollout],
  });
  return rows.map(({ signal }) => signal);
};
