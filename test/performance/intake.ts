import { randomUUID } from 'node:crypto';
import { OutcomeBatch } from '#libs/contracts';
import { createPool } from '#libs/postgres';
import { EvidenceBell, ExposureLookup, GroupCommitIntake, PostgresEvidenceStore, type Exposure } from '#libs/signals';
import { uniformAt } from '#libs/statistics';
import type { Pool } from 'pg';
import type { Bench, BenchContext, Figures } from './harness.js';
import { ratioOf, summarise, takeTurns } from './harness.js';
import { openPoints, POINTS, PROCESSES } from './intake-points.js';

const SIGNALS = ['bad-json', 'refusals', 'cut-off', 'syntax-errors'];
const TARGETS = Array.from({ length: 4 }, (_, n) => `target-${n}`);
const MODELS = ['haiku', 'sonnet'];
/** Bad outcomes in one batch, and how many batches are under way at once. */
const BATCH = 1_000;
const AT_ONCE = 8;
/** Of so many outcomes one is of a unit that was bad before. */
const REPEATED = 5;

/** One config on trial everywhere, assigned by unit, judged by all signals. */
class OneRollout extends ExposureLookup {
  rollout = '';

  override find(): Exposure {
    const { rollout } = this;
    const none = { invariants: new Set<string>(), values: new Map(), paired: new Set<string>(), counted: new Map() };
    return {
      rollout,
      candidate: 2,
      control: 1,
      shareBp: 1_000,
      startedAt: 0,
      assignment: 'unit',
      draw: null,
      signals: new Set(SIGNALS),
      ...none,
    };
  }
  override newest = (): number => 10;
  override running = (): readonly [] => [];
  override withdrawn = (): undefined => undefined;
  override knowsTarget = (): boolean => true;
  override knowsModel = (): boolean => true;
  override onlyModel = (): undefined => undefined;
  override sourceOf = (): undefined => undefined;
  override knowsSignal = () => 'rate' as const;
  override binningOf = (): undefined => undefined;
  override knowsRevision = (): boolean => true;
}

type Bad = { readonly signal: string; readonly unit: string; readonly revisions: { readonly router: number } };
type Sent = { readonly target: string; readonly model: string; readonly bad: readonly Bad[] };

/** What instances send: every fifth outcome is of a unit that they sent before. */
const outcomesOf = (seed: number, batches: number): readonly Sent[] => {
  let drawn = 0;
  const chance = (): number => uniformAt(seed, drawn++);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(chance() * items.length)] as T;
  const units: string[] = [];
  const unitOf = (n: number): string => {
    if (n % REPEATED === 0 && units.length > 0) return pick(units);
    const fresh = randomUUID().replaceAll('-', '');
    units.push(fresh);
    return fresh;
  };
  return Array.from({ length: batches }, () => ({
    target: pick(TARGETS),
    model: pick(MODELS),
    bad: Array.from({ length: BATCH }, (_, n) => ({
      signal: pick(SIGNALS),
      unit: unitOf(n),
      revisions: { router: chance() < 0.1 ? 2 : 1 },
    })),
  }));
};

/** Works off a list, so many at once; outcomes/s. */
const rateOf = async (sent: readonly Sent[], send: (each: Sent) => Promise<unknown>): Promise<number> => {
  const waiting = [...sent];
  const begun = performance.now();
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await send(next);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return (sent.length * BATCH) / ((performance.now() - begun) / 1_000);
};

const RAW_TABLE = `create table raw_bad (rollout text not null, signal text not null, unit text not null,
  target text not null, model text not null, arm text not null, share_bp integer not null, generation bigint not null,
  arrived_at bigint not null, primary key (rollout, signal, unit))`;

/** One batch, one statement, one commit: only the rows, de-duplicated by their key. */
const RAW = `insert into raw_bad
  select $1, signal, unit, $2, $3, case when revision = 2 then 'candidate' else 'control' end, 1000, 10, $4
  from unnest($5::text[], $6::text[], $7::integer[]) as bad(signal, unit, revision)
  order by signal, unit on conflict do nothing`;

const byRaw =
  (pool: Pool, rollout: string) =>
  ({ target, model, bad }: Sent) =>
    pool.query({
      name: 'raw',
      text: RAW,
      values: [
        rollout,
        target,
        model,
        Date.now(),
        bad.map(({ signal }) => signal),
        bad.map(({ unit }) => unit),
        bad.map(({ revisions }) => revisions.router),
      ],
    });

/** As a controller takes it, from the parsed body on: checked, placed, counted once, durable when it is answered. */
const byIntake =
  (intake: GroupCommitIntake) =>
  async ({ target, model, bad }: Sent) => {
    const from = new Date(Date.now() - 1_000).toISOString();
    const arms = [1, 2].map((revision) => ({ config: 'router', revision, requests: BATCH * 50 }));
    const windows = [{ from, ms: 1_000, model, generation: 10, requests: BATCH * 100, arms, bad: [...bad] }];
    const batch = OutcomeBatch.parse({ batch: randomUUID(), target, instance: `${target}-1`, windows });
    const { rejected } = await intake.submit(batch, { token: 'bench' }, Date.now());
    if (rejected.length > 0) throw new Error(`Outcomes were refused: ${rejected[0]?.detail}`);
  };

/** Outcomes that are lost, or counted twice, would be fast. */
const check = async (store: PostgresEvidenceStore, rollout: string, sent: readonly Sent[]): Promise<void> => {
  const units = new Set(sent.flatMap(({ bad }) => bad.map(({ signal, unit }) => `${signal} ${unit}`)));
  const { cells } = await store.foldLook(rollout, Date.now());
  const counted = cells.reduce((sum, { candidateBad, controlBad }) => sum + candidateBad + controlBad, 0);
  if (counted !== units.size)
    throw new Error(`${counted} first bad outcomes were counted, and there were ${units.size}.`);
};

const measure = async (context: BenchContext): Promise<Figures> => {
  const batches = context.quick ? 60 : 200;
  const rounds = context.quick ? 5 : 7;
  const pool = createPool(await context.database('bench_intake'), { max: AT_ONCE + 2 });
  await pool.query(RAW_TABLE);
  const exposures = new OneRollout();
  const bell = new EvidenceBell();
  const intake = new GroupCommitIntake(pool, exposures, bell, { lingerMs: 1 });
  const store = new PostgresEvidenceStore(pool, bell);
  let round = 0;
  const ours = async (): Promise<number> => {
    const sent = outcomesOf(context.seed + round, batches);
    exposures.rollout = `ours-${(round += 1)}`;
    const rate = await rateOf(sent, byIntake(intake));
    await check(store, exposures.rollout, sent);
    return rate;
  };
  const raw = async (): Promise<number> =>
    rateOf(outcomesOf(context.seed + round, batches), byRaw(pool, `raw-${(round += 1)}`));
  const metrics = openPoints(pool);
  const bodies = context.quick ? 10 : 30;
  const points = (): Promise<number> => metrics.rate(bodies);
  for (const warmUp of [ours, raw, points]) await warmUp();
  // What a round of points leaves behind (garbage, dirty pages) is no cost of the side that would come next.
  const measured = { ...(await takeTurns(rounds, { ours, raw })), ...(await takeTurns(rounds, { points })) };
  await intake.close();
  await metrics.close();
  await pool.end();
  const [side, floor, otlp] = [summarise(measured.ours), summarise(measured.raw), summarise(measured.points)];
  const ratio = ratioOf(measured.ours, measured.raw);
  context.say(`  ${batches} batches of ${BATCH} bad outcomes a round, ${AT_ONCE} at once, ${rounds} rounds`);
  context.say(`  the intake                                ${side.median} outcomes/s (spread ${side.spread})`);
  context.say(`  one upsert and commit for each batch      ${floor.median} outcomes/s (spread ${floor.spread})`);
  context.say(`  ${bodies} bodies of ${POINTS} points of OTLP of each of ${PROCESSES} processes a round`);
  context.say(`  metrics, from the body on                 ${otlp.median} points/s (spread ${otlp.spread})`);
  return {
    ratio: ratio.median,
    spread: ratio.spread,
    outcomes: side.median,
    points: otlp.median,
    pointsPerSecond: otlp,
    outcomesPerSecond: { ours: side, raw: floor },
  };
};

export const intake: Bench = {
  measures:
    'bad outcomes made durable, each unit counted once for a signal, with everything that is counted beside them, against a bare upsert of the same rows in one statement and commit for each batch; beside it points of metrics (OTLP in protobuf, deltas) that signals select, made durable',
  quick: '60 batches a round instead of 200, 10 bodies of each process instead of 30, 5 rounds instead of 7',
  musts: [
    { key: 'ratio', atLeast: 0.6 },
    { key: 'outcomes', atLeast: 20_000 },
    { key: 'points', atLeast: 50_000 },
  ],
  run: measure,
};
