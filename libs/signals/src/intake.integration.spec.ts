import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { EvidenceBell, GroupCommitIntake, IntakeBusyError, IntakeClosedError, PostgresEvidenceStore } from './index.js';
import { badOf, batchOf, exposureOf, NOON, ToldExposures } from './spec-kit.js';

const REPORTER = { token: 'tpu-fleet' };
let database: TestDatabase;
let exposures: ToldExposures;
let bell: EvidenceBell;
let intake: GroupCommitIntake;
let store: PostgresEvidenceStore;
let number = 0;
let rollout = '';

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(() => {
  rollout = `rollout-${(number += 1)}`;
  exposures = new ToldExposures();
  exposures.tell('api-tpu', 'router', 10, exposureOf(rollout, 1_000));
  exposures.tell('api-gpu', 'router', 11, exposureOf(rollout, 5_000));
  bell = new EvidenceBell();
  intake = new GroupCommitIntake(database.pool, exposures, bell);
  store = new PostgresEvidenceStore(database.pool, bell);
});

const arms = (candidate: number, control: number) => [
  { config: 'router', revision: 2, requests: candidate },
  { config: 'router', revision: 1, requests: control },
];
const submit = (batch: ReturnType<typeof batchOf>, through = intake) => through.submit(batch, REPORTER, NOON);
const badTotals = async () =>
  (await store.totals(rollout)).bad.map(({ signal, target, candidateBad, controlBad }) => ({
    signal,
    target,
    candidateBad,
    controlBad,
  }));

describe('a batch is counted once', () => {
  it('says that a repeated batch was repeated, and counts nothing twice', async () => {
    const batch = batchOf([{ arms: arms(10, 90), bad: [badOf('u1', 2)] }]);
    expect(await submit(batch)).toMatchObject({ repeated: false, acceptedWindows: 1, rejected: [] });
    expect(await submit(batch)).toMatchObject({ repeated: true, acceptedWindows: 1 });
    const totals = await store.totals(rollout);
    expect(totals.slices).toEqual([
      { target: 'api-tpu', model: 'haiku', candidateRequests: 10, controlRequests: 90, unassigned: 0 },
    ]);
  });

  it('refuses another content under an id that was counted, whether it comes later or in the same flush', async () => {
    const batch = batchOf([{ arms: arms(10, 90) }]);
    const changed = { ...batch, windows: batchOf([{ arms: arms(11, 90) }]).windows };
    const elsewhere = { ...batch, target: 'api-gpu' };
    const refused = { repeated: false, acceptedWindows: 0, rejected: [{ pointer: '/batch', code: 'batch-id-reused' }] };
    const [first, second] = await Promise.all([submit(batch), submit(changed)]);
    expect(first).toMatchObject({ repeated: false, acceptedWindows: 1, rejected: [] });
    expect(second).toMatchObject(refused);
    expect(await submit(elsewhere)).toMatchObject(refused);
    expect(await submit(batch)).toMatchObject({ repeated: true });
    expect((await store.totals(rollout)).slices).toMatchObject([{ candidateRequests: 10 }]);
  });

  it('counts one of two copies that travel in the same flush', async () => {
    const batch = batchOf([{ arms: arms(10, 90) }]);
    const receipts = await Promise.all([submit(batch), submit(batch)]);
    expect(receipts.map((receipt) => receipt.repeated)).toEqual([false, true]);
    expect((await store.totals(rollout)).slices).toMatchObject([{ candidateRequests: 10 }]);
  });

  it('counts each batch once when two controllers get all of them at the same time, in different orders', async () => {
    const other = new GroupCommitIntake(database.pool, exposures, bell, { lingerMs: 0, maxFlush: 30 });
    const batches = Array.from({ length: 60 }, (_, index) =>
      batchOf([{ arms: arms(1, 9), bad: [badOf(`u${index % 20}`, 2), badOf(`v${index}`, 1)] }]),
    );
    const receipts = await Promise.all([
      ...batches.map((batch) => submit(batch)),
      ...batches.toReversed().map((batch) => submit(batch, other)),
    ]);
    expect(receipts.filter((receipt) => !receipt.repeated)).toHaveLength(60);
    expect((await store.totals(rollout)).slices).toMatchObject([{ candidateRequests: 60, controlRequests: 540 }]);
    expect(await badTotals()).toMatchObject([{ candidateBad: 20, controlBad: 60 }]);
  });

  it('never makes two controllers wait for each other in a circle, whatever order their batches name units in', async () => {
    const units = Array.from({ length: 1_000 }, (_, index) => `u${index}`);
    const sendAll = async (target: string, generation: number, order: readonly string[]) => {
      const through = new GroupCommitIntake(database.pool, exposures, bell, { lingerMs: 0 });
      for (let turn = 0; turn < 10; turn += 1) {
        const bad = order.map((unit) => badOf(`${turn}-${unit}`, 2));
        await submit(batchOf([{ generation, requests: bad.length, bad }], { target }), through);
      }
    };
    await Promise.all([sendAll('api-tpu', 10, units), sendAll('api-gpu', 11, units.toReversed())]);
    const counted = (await store.totals(rollout)).bad.reduce((sum, slice) => sum + slice.candidateBad, 0);
    expect(counted).toBe(10 * units.length);
  });

  it('keeps nothing of a flush that died before its commit, and counts the batch when it is sent again', async () => {
    const batch = batchOf([{ arms: arms(10, 90), bad: [badOf('u1', 2)] }]);
    const blocker = await database.pool.connect();
    await blocker.query('begin');
    await blocker.query('lock table evidence.bad_counts in exclusive mode');
    const answer = submit(batch).then(
      () => 'answered',
      () => 'failed',
    );
    const waiting = `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    const pid = await vi.waitFor(async () => {
      const { rows } = await database.pool.query<{ pid: number }>(waiting);
      expect(rows).toHaveLength(1);
      return rows[0]!.pid;
    });
    await blocker.query('select pg_terminate_backend($1)', [pid]);
    expect(await answer).toBe('failed');
    await blocker.query('rollback');
    blocker.release();
    expect(await store.totals(rollout)).toEqual({ slices: [], bad: [], unmeasured: [], samples: [] });
    expect(await submit(batch)).toMatchObject({ repeated: false });
    expect(await badTotals()).toMatchObject([{ candidateBad: 1 }]);
  });

  it('counts a unit of two flushes under way once, also where the first of them dies', async () => {
    const through = new GroupCommitIntake(database.pool, exposures, bell, { lingerMs: 0 });
    const [early, late] = [
      [badOf('u1', 2), badOf('u2', 2)],
      [badOf('u2', 2), badOf('u3', 2)],
    ].map((bad) => batchOf([{ bad }]));
    const blocker = await database.pool.connect();
    await blocker.query('begin');
    await blocker.query('lock table evidence.bad_counts in exclusive mode');
    const waitsFor = async (what: string): Promise<number> => {
      const waiting = `select pid from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and wait_event = $1`;
      const { rows } = await database.pool.query<{ pid: number }>(waiting, [what]);
      expect(rows).toHaveLength(1);
      return rows[0]!.pid;
    };
    const first = submit(early!, through).then(
      () => 'answered',
      () => 'failed',
    );
    const pid = await vi.waitFor(() => waitsFor('relation'));
    const second = submit(late!, through);
    await vi.waitFor(() => waitsFor('transactionid'));
    await blocker.query('select pg_terminate_backend($1)', [pid]);
    expect(await first).toBe('failed');
    await blocker.query('rollback');
    blocker.release();
    expect(await second).toMatchObject({ repeated: false, rejected: [] });
    expect(await badTotals()).toMatchObject([{ candidateBad: 2 }]);
    expect(await submit(early!, through)).toMatchObject({ repeated: false });
    expect(await badTotals()).toMatchObject([{ candidateBad: 3 }]);
  });

  it('is written again where it gave way in a circle of transactions that waited for each other', async () => {
    const stranger = await database.pool.connect();
    const take = (unit: string) =>
      stranger.query(
        `insert into evidence.first_bad (rollout, signal, unit, target, model, arm, share_bp, generation, arrived_at)
         values ($1, 'script-error', $2, 'api-tpu', 'haiku', 'candidate', 1000, 10, 0)`,
        [rollout, unit],
      );
    await stranger.query('begin');
    await take('u2');
    const receipt = submit(batchOf([{ bad: [badOf('u1', 2), badOf('u2', 2)] }]));
    await vi.waitFor(async () => {
      const waiting = `select 1 from pg_stat_activity where datname = current_database() and wait_event = 'transactionid'`;
      expect((await database.pool.query(waiting)).rowCount).toBe(1);
    });
    await take('u1');
    await stranger.query('rollback');
    stranger.release();
    expect(await receipt).toMatchObject({ repeated: false, rejected: [] });
    expect(await badTotals()).toMatchObject([{ candidateBad: 2 }]);
  });
});

describe('the first bad outcome of a unit counts, and no other', () => {
  it('counts a unit once over targets, retries and generations, and once for each signal', async () => {
    await submit(batchOf([{ bad: [badOf('u1', 2), badOf('u1', 2), badOf('u1', 2, 'refusal')] }]));
    await submit(batchOf([{ generation: 11, bad: [badOf('u1', 2), badOf('u2', 1)] }], { target: 'api-gpu' }));
    expect(await badTotals()).toEqual([
      { signal: 'refusal', target: 'api-tpu', candidateBad: 1, controlBad: 0 },
      { signal: 'script-error', target: 'api-gpu', candidateBad: 0, controlBad: 1 },
      { signal: 'script-error', target: 'api-tpu', candidateBad: 1, controlBad: 0 },
    ]);
  });

  it('gives late outcomes the share of the generation they were served under', async () => {
    exposures.tell('api-tpu', 'router', 20, exposureOf(rollout, 5_000));
    await submit(batchOf([{ generation: 20, bad: [badOf('u1', 2)] }]));
    await submit(batchOf([{ generation: 10, bad: [badOf('u2', 1), badOf('u3', 2)] }]));
    const look = await store.foldLook(rollout, NOON);
    expect(look.cells.map(({ shareBp, candidateBad, controlBad }) => [shareBp, candidateBad, controlBad])).toEqual([
      [1_000, 1, 1],
      [5_000, 1, 0],
    ]);
  });

  it('counts every bad request, with the requests beside it, where the coin is thrown per request', async () => {
    exposures.tell('api-tpu', 'router', 10, exposureOf(rollout, 1_000, { assignment: 'request' }));
    await submit(batchOf([{ arms: arms(10, 90), bad: [badOf('u1', 2), badOf('u1', 2), badOf('u1', 1)] }]));
    await submit(batchOf([{ arms: arms(20, 80) }]));
    const cell = { signal: 'script-error', target: 'api-tpu', model: 'haiku', shareBp: 1_000 };
    const counts = { candidateBad: 2, controlBad: 1, candidateRequests: 30, controlRequests: 170 };
    const look = await store.foldLook(rollout, NOON);
    expect(look.cells).toEqual([{ ...cell, ...counts }]);
    const canonical =
      '[{"candidateBad":2,"candidateRequests":30,"controlBad":1,"controlRequests":170,"model":"haiku",' +
      '"shareBp":1000,"signal":"script-error","target":"api-tpu"}]';
    expect(look.digest).toBe(createHash('sha256').update(canonical).digest('hex'));
    expect(await badTotals()).toMatchObject([{ candidateBad: 2, controlBad: 1 }]);
  });
});

describe('an answer tells what was kept', () => {
  it('keeps the good items of a batch with bad ones', async () => {
    const bad = [badOf('u1', 2), badOf('u2', 2, 'boredom'), badOf('u3', 1)];
    const receipt = await submit(batchOf([{ arms: arms(10, 90), bad }, { model: 'opus' }]));
    expect(receipt).toMatchObject({ repeated: false, acceptedWindows: 1 });
    expect(receipt.rejected.map((item) => item.pointer)).toEqual(['/windows/0/bad/1/signal', '/windows/1/model']);
    expect(await badTotals()).toMatchObject([{ candidateBad: 1, controlBad: 1 }]);
  });

  it('lets a batch of which nothing was kept be sent again once its target is registered', async () => {
    const batch = batchOf([{}], { target: 'api-moon' });
    expect(await submit(batch)).toMatchObject({ repeated: false, acceptedWindows: 0 });
    expect(await submit(batch)).toMatchObject({ repeated: false, acceptedWindows: 0 });
  });

  it('rings after the evidence can be read', async () => {
    const rung: string[] = [];
    const stop = store.onEvidence((rollouts) => rung.push(...rollouts));
    await submit(batchOf([{ bad: [badOf('u1', 2)] }]));
    await vi.waitFor(() => expect(rung).toEqual([rollout]));
    stop();
    expect((await store.foldLook(rollout, NOON)).cells).toHaveLength(1);
  });

  it('turns batches away when too many wait, and when it is being stopped, but answers those it took', async () => {
    const small = new GroupCommitIntake(database.pool, exposures, bell, { maxWaiting: 1 });
    const taken = submit(batchOf([{ arms: arms(10, 90) }]), small);
    await expect(submit(batchOf([{}]), small)).rejects.toThrow(IntakeBusyError);
    await small.close();
    expect(await taken).toMatchObject({ repeated: false });
    await expect(submit(batchOf([{}]), small)).rejects.toThrow(IntakeClosedError);
  });
});

describe('units and requests stay in the unit store', () => {
  it('keeps unit and request ids in no table but the unit store', async () => {
    const unit = 'unit-that-must-not-leak';
    const request = 'request-that-must-not-leak';
    const bad = [badOf(unit, 2), { ...badOf(unit, 2, 'misrouted'), request }];
    await submit(batchOf([{ arms: [{ config: 'router', revision: 2, requests: 1, units: [unit] }], bad }]));
    await store.foldLook(rollout, NOON);
    const { rows } = await database.pool.query<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = 'evidence' order by 1`,
    );
    const holding: string[] = [];
    for (const { name } of rows) {
      const found = await database.pool.query(`select 1 from evidence.${name} t where t::text like '%must-not-leak%'`);
      if (found.rows.length > 0) holding.push(name);
    }
    expect(holding).toEqual(['candidate_units', 'first_bad', 'violations']);
  });
});
