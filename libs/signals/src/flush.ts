import type { PoolClient } from 'pg';
import { int4Array, textArray } from '#libs/postgres';
import { UNIT_CAP } from './evidence-store.js';
import type { RequestCellFact, UnitBadFact, UnitFact, UnitSlice, ViolationFact } from './facts.js';
import {
  ARMS,
  BUCKETS,
  COUNTED_SAMPLES,
  INSTANCE_CELLS,
  LEFTOVER_UNITS,
  LEFTOVERS,
  OBSERVED,
  PAIRS,
  REQUEST_CELLS,
  ROLLOUTS,
  SIGNALS_SEEN,
  TARGETS_SEEN,
  TRAFFIC,
  TRAFFIC_BAD,
  UNIT_COUNTS,
  UNITS,
  UNIT_BAD,
  UNIT_VALUES,
  UNMEASURED,
  VALUE_CELLS,
  VIOLATIONS,
  VIOLATIONS_SEEN,
} from './flush-statements.js';
import type { Tally } from './tally.js';

/** Violations kept in full per rollout, signal, slice, arm and combination of revisions. */
const VIOLATION_CAP = 50;

export type BatchRow = {
  readonly batch: string;
  readonly target: string;
  readonly reporter: string;
  readonly receivedAt: number;
  /** SHA-256 of its content. */
  readonly digest: string;
};

/** Which batches were not known, and which were, with another content. */
export type Noted = { readonly fresh: ReadonlySet<string>; readonly other: ReadonlySet<string> };

/** Batches that were known under the same ids with another content. */
const othersOf = async (client: PoolClient, rows: readonly BatchRow[]): Promise<ReadonlySet<string>> => {
  if (rows.length === 0) return new Set();
  const { rows: known } = await client.query<{ batch: string; digest: string | null }>(
    'select batch, digest from evidence.batches where batch = any ($1::uuid[])',
    [rows.map(({ batch }) => batch)],
  );
  const digests = new Map(known.map(({ batch, digest }) => [batch, digest]));
  const isOther = ({ batch, digest }: BatchRow): boolean => (digests.get(batch) ?? digest) !== digest;
  return new Set(rows.filter(isOther).map(({ batch }) => batch));
};

/** Notes the batches. Rows have to come in order of their ids. */
export const noteBatches = async (client: PoolClient, rows: readonly BatchRow[]): Promise<Noted> => {
  const { rows: noted } = await client.query<{ batch: string }>(
    `insert into evidence.batches (batch, target, reporter, received_at, digest)
     select batch, target, reporter, "receivedAt", digest
     from json_to_recordset($1::json) as x(batch uuid, target text, reporter text, "receivedAt" bigint, digest text)
     on conflict (batch) do nothing
     returning batch`,
    [JSON.stringify(rows)],
  );
  const fresh = new Set(noted.map((row) => row.batch));
  return {
    fresh,
    other: await othersOf(
      client,
      rows.filter(({ batch }) => !fresh.has(batch)),
    ),
  };
};

const write = async (client: PoolClient, statement: string, rows: readonly object[]): Promise<void> => {
  if (rows.length > 0) await client.query(statement, [JSON.stringify(rows)]);
};

type Sliced = { readonly slices: readonly object[]; readonly sliceOfRow: readonly number[] };

/** What rows share is sent once. */
const sliced = (rows: readonly UnitBadFact[]): Sliced => {
  const numbers = new Map<UnitSlice, number>();
  const byContent = new Map<string, number>();
  const numberOf = (slice: UnitSlice): number => {
    const content = JSON.stringify(slice);
    const number = byContent.get(content) ?? byContent.size;
    byContent.set(content, number);
    numbers.set(slice, number);
    return number;
  };
  const sliceOfRow = rows.map(({ slice }) => numbers.get(slice) ?? numberOf(slice));
  const slices = [...byContent].map(([content, slice]) => ({ slice, ...(JSON.parse(content) as UnitSlice) }));
  return { slices, sliceOfRow };
};

type UnitCount = { readonly rollout: string; readonly target: string; readonly model: string; readonly units: number };

/** Gives what is new in each slice, to be counted once nothing else waits for it. */
const writeUnits = async (
  client: PoolClient,
  units: readonly UnitFact[],
  now: number,
): Promise<readonly UnitCount[]> => {
  if (units.length === 0) return [];
  return (await client.query<UnitCount>(UNITS, [JSON.stringify(units), now, UNIT_CAP])).rows;
};

/** What units that were bad for the first time add to the cells of their slices. */
type UnitCell = Omit<RequestCellFact, 'candidateRequests' | 'controlRequests'>;

const writeUnitBad = async (
  client: PoolClient,
  rows: readonly UnitBadFact[],
  now: number,
): Promise<readonly UnitCell[]> => {
  if (rows.length === 0) return [];
  const { slices, sliceOfRow } = sliced(rows);
  const units = textArray(rows.map((row) => row.unit));
  const first = await client.query<UnitCell>(UNIT_BAD, [JSON.stringify(slices), units, int4Array(sliceOfRow), now]);
  return first.rows;
};

const writeUnitValues = async (client: PoolClient, tally: Tally, now: number): Promise<void> => {
  const rows = tally.unitValues.sorted();
  if (rows.length === 0) return;
  const { slices, sliceOfRow } = sliced(rows);
  const units = rows.map((row) => row.unit);
  const values = rows.map((row) => row.value);
  await client.query(UNIT_VALUES, [JSON.stringify(slices), textArray(units), int4Array(sliceOfRow), values, now]);
};

const writeViolations = async (client: PoolClient, violations: readonly ViolationFact[]): Promise<void> => {
  if (violations.length === 0) return;
  const bySlice = new Map<string, ViolationFact[]>();
  for (const row of violations) {
    const key = [row.rollout, row.signal, row.target, row.model, row.arm, row.revisions].join(' ');
    const rows = bySlice.get(key);
    if (rows === undefined) bySlice.set(key, [row]);
    else rows.push(row);
  }
  const counts = [...bySlice.values()].map((rows) => ({ ...rows[0], violations: rows.length }));
  const place = new Map(violations.map((row, index) => [row, index]));
  const kept = [...bySlice.values()].flatMap((rows) =>
    rows.slice(0, VIOLATION_CAP).map((row, index) => ({
      ...row,
      revisions: JSON.parse(row.revisions) as unknown,
      place: place.get(row),
      rank: index + 1,
      added: rows.length,
    })),
  );
  await client.query(VIOLATIONS, [JSON.stringify(counts), JSON.stringify(kept), VIOLATION_CAP]);
};

type Writing = {
  /** Units that may still add to the activation of their slice. */
  readonly units: readonly UnitFact[];
  /** Flushes of this controller that have begun and not ended. */
  readonly underWay: readonly Tally[];
  /** Epoch milliseconds. */
  readonly now: number;
};

/**
 * Writes a tally inside the caller's transaction. Every flush takes its rows in the same order, table by table and
 * sorted within each, so that flushes wait for each other but hardly ever in a circle. What is locked until the commit
 * is locked late: rows of units that no flush under way holds come first, then those that would wait for one of them,
 * and last the counters that all flushes share.
 */
export const writeTally = async (
  client: PoolClient,
  tally: Tally,
  { units, underWay, now }: Writing,
): Promise<void> => {
  const freshUnits = await writeUnits(client, units, now);
  const leftoverUnits = tally.leftoverUnits.sorted();
  if (leftoverUnits.length > 0) await client.query(LEFTOVER_UNITS, [JSON.stringify(leftoverUnits), now, UNIT_CAP]);
  const { own, shared } = tally.unitBad.sortedBeside(underWay.map(({ unitBad }) => unitBad));
  const firstOfUnits = [...(await writeUnitBad(client, own, now)), ...(await writeUnitBad(client, shared, now))];
  await writeUnitValues(client, tally, now);
  const traffic = tally.traffic.sorted();
  await write(client, TRAFFIC, traffic);
  await write(client, TARGETS_SEEN, traffic);
  await write(client, SIGNALS_SEEN, tally.measured.sorted());
  await write(client, TRAFFIC_BAD, tally.trafficBad.sorted());
  await write(client, ROLLOUTS, tally.rollouts.sorted());
  await write(client, ARMS, tally.arms.sorted());
  await write(client, UNIT_COUNTS, freshUnits);
  await write(client, LEFTOVERS, tally.leftovers.sorted());
  await write(client, UNMEASURED, tally.unmeasured.sorted());
  await write(client, REQUEST_CELLS, [...firstOfUnits, ...tally.requestCells.sorted()]);
  await write(client, VALUE_CELLS, tally.valueCells.sorted());
  await write(client, INSTANCE_CELLS, tally.instanceCells.sorted());
  await write(client, PAIRS, tally.pairs.sorted());
  await write(client, COUNTED_SAMPLES, tally.samples.sorted());
  await write(client, BUCKETS, tally.buckets.sorted());
  await write(client, OBSERVED, tally.observed.sorted());
  await writeViolations(client, tally.violations);
  await write(client, VIOLATIONS_SEEN, tally.violationsSeen.sorted());
};
