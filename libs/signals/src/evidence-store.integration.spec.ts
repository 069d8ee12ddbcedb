import { createTestDatabase, type TestDatabase } from '#test/test-database';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EvidenceBell, GroupCommitIntake, PostgresEvidenceStore, UNIT_CAP } from './index.js';
import type { Span } from './index.js';
import { badOf, batchOf, exposureOf, NOON, ToldExposures, type WindowInput } from './spec-kit.js';

const REPORTER = { token: 'tpu-fleet' };
const HOUR = 3_600_000;
let database: TestDatabase;
let exposures: ToldExposures;
let intake: GroupCommitIntake;
let store: PostgresEvidenceStore;
let number = 0;
let rollout = '';

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.pool.query(
    `truncate evidence.violations_seen, evidence.traffic, evidence.traffic_bad, evidence.targets_seen,
       evidence.signals_seen`,
  );
  rollout = `rollout-${(number += 1)}`;
  exposures = new ToldExposures();
  exposures.tell('api-tpu', 'router', 10, exposureOf(rollout, 1_000));
  const bell = new EvidenceBell();
  intake = new GroupCommitIntake(database.pool, exposures, bell, { lingerMs: 0 });
  store = new PostgresEvidenceStore(database.pool, bell);
});

const at = (ms: number) => new Date(ms - 10_000).toISOString();
const send = (windows: readonly WindowInput[], more: { target?: string; instance?: string } = {}, now = NOON) =>
  intake.submit(batchOf(windows, more), REPORTER, now);
const served = (revision: number, requests: number, units: string[] = []) => ({
  config: 'router',
  revision,
  requests,
  units,
});

describe('looks', () => {
  it('gives each outcome to exactly one look when two controllers look at the same time', async () => {
    const other = new PostgresEvidenceStore(database.pool, new EvidenceBell());
    const sending = Array.from({ length: 40 }, (_, index) => send([{ bad: [badOf(`u${index}`, 2)] }]));
    const looking = Array.from({ length: 20 }, (_, index) => (index % 2 ? store : other).foldLook(rollout, NOON));
    await Promise.all([...sending, ...looking]);
    await store.foldLook(rollout, NOON);
    const looks = await Promise.all(looking);
    expect(looks.map((look) => look.look).toSorted((a, b) => a - b)).toEqual(looking.map((_, index) => index + 1));
    const kept = await store.readLooks(rollout, 0);
    expect(kept.reduce((sum, look) => sum + (look.cells[0]?.candidateBad ?? 0), 0)).toBe(40);
  });

  it('of many rollouts are taken together, each with what arrived for it', async () => {
    const names = Array.from({ length: 70 }, (_, index) => `${rollout}-${index}`);
    for (const [index, name] of names.entries()) {
      exposures.tell('api-tpu', 'router', 10, exposureOf(name, 1_000));
      await send([{ arms: [served(2, index + 1)], bad: index % 2 === 0 ? [badOf('u1', 2)] : [] }]);
    }
    const taken = await Promise.all(names.map((name) => store.takeLook(name, NOON)));
    const looks = taken.map(({ look }) => look);
    expect(looks.map(({ rollout: name }) => name)).toEqual(names);
    expect(looks.map(({ cells }) => cells.length)).toEqual(names.map((_, index) => (index % 2 === 0 ? 1 : 0)));
    const slices = taken.map(({ requests }) => requests.slices[0]);
    expect(slices.map((slice) => slice?.candidateRequests)).toEqual(names.map((_, index) => index + 1));
    const kept = await Promise.all(names.map((name) => store.readLooks(name, 0)));
    expect(kept).toEqual(looks.map((look) => (look.cells.length > 0 ? [look] : [])));
  });

  it('counts empty looks without keeping them', async () => {
    await store.foldLook(rollout, NOON);
    await send([{ bad: [badOf('u1', 2)] }]);
    const look = await store.foldLook(rollout, NOON + 1_000);
    expect(await store.foldLook(rollout, NOON + 2_000)).toMatchObject({ look: 3, cells: [] });
    expect(await store.lookCount(rollout)).toBe(3);
    expect(await store.readLooks(rollout, 0)).toEqual([look]);
    expect(await store.readLooks(rollout, 2)).toEqual([]);
    expect(look).toMatchObject({ look: 2, at: NOON + 1_000 });
  });

  it('carries the digest of its cells, and notices when a kept look was altered', async () => {
    await send([{ bad: [badOf('u1', 2), badOf('u2', 1, 'refusal')] }]);
    const look = await store.foldLook(rollout, NOON);
    const canonical =
      '[{"candidateBad":0,"controlBad":1,"model":"haiku","shareBp":1000,"signal":"refusal","target":"api-tpu"},' +
      '{"candidateBad":1,"controlBad":0,"model":"haiku","shareBp":1000,"signal":"script-error","target":"api-tpu"}]';
    expect(look.digest).toBe(createHash('sha256').update(canonical).digest('hex'));
    await database.pool.query(`update evidence.looks set cells = replace(cells, '1000', '5000') where rollout = $1`, [
      rollout,
    ]);
    await expect(store.readLooks(rollout, 0)).rejects.toThrow(/was altered/);
  });
});

describe('activation', () => {
  it('counts distinct units on the candidate per slice, and not those on control', async () => {
    await send([{ arms: [served(2, 3, ['u1', 'u2']), served(1, 3, ['u9'])] }, { arms: [served(2, 1, ['u2', 'u3'])] }]);
    await send([{ model: 'sonnet', arms: [served(2, 1, ['u1'])] }]);
    expect(await store.activation(rollout)).toEqual([
      { target: 'api-tpu', model: 'haiku', units: 3 },
      { target: 'api-tpu', model: 'sonnet', units: 1 },
    ]);
  });

  it('stops to collect units when there are enough', async () => {
    for (let batch = 0; batch < 12; batch += 1)
      await send([
        {
          arms: [
            served(
              2,
              64,
              Array.from({ length: 64 }, (_, index) => `u${batch}-${index}`),
            ),
          ],
        },
      ]);
    const other = new GroupCommitIntake(database.pool, exposures, new EvidenceBell());
    await other.submit(batchOf([{ arms: [served(2, 2, ['late-1', 'late-2'])] }]), REPORTER, NOON);
    const [slice] = await store.activation(rollout);
    expect(slice?.units).toBe(UNIT_CAP);
  });
});

describe('violations of an invariant', () => {
  const violation = (revision: number, request: string) => ({
    signal: 'misrouted',
    request,
    revisions: { router: revision },
  });
  const look = { lookBackMs: 24 * HOUR, now: NOON };
  const onCandidate = (violations: number, more = {}) => ({
    target: 'api-tpu',
    revisions: { router: 2, ...more },
    violations,
  });

  it('names instance, request, model, time and reporter of the first one on the candidate', async () => {
    await send([{ bad: [violation(2, 'req-1'), violation(2, 'req-2')] }]);
    await send([{ bad: [violation(2, 'req-3')] }], { instance: 'tpu-8' });
    const report = await store.violations(rollout, 'misrouted', look);
    expect(report).toMatchObject({ candidate: [onCandidate(3)], elsewhere: [] });
    expect(report.first).toEqual({
      target: 'api-tpu',
      model: 'haiku',
      arm: 'candidate',
      generation: 10,
      instance: 'tpu-7',
      request: 'req-1',
      reporter: 'tpu-fleet',
      at: NOON,
    });
  });

  it('remembers those off the candidate from before the rollout, as far as the look-back goes', async () => {
    const old = { generation: 3, bad: [violation(1, 'old')] };
    await send([{ ...old, from: at(NOON - 24 * HOUR - 20_000) }]);
    await send([{ ...old, from: at(NOON - 2 * HOUR) }]);
    await send([{ ...old, from: at(NOON - 2 * HOUR) }], { target: 'api-gpu' });
    await send([{ arms: [served(2, 5)], bad: [violation(1, 'beside'), violation(2, 'on it')] }]);
    const report = await store.violations(rollout, 'misrouted', look);
    expect(report.candidate).toEqual([onCandidate(1)]);
    expect(report.elsewhere).toEqual([{ target: 'api-tpu', revisions: { router: 1 }, violations: 2 }]);
    const everywhere = await store.violations(rollout, 'misrouted', { ...look, targets: ['api-tpu', 'api-gpu'] });
    expect(everywhere.elsewhere).toEqual([
      { target: 'api-gpu', revisions: { router: 1 }, violations: 1 },
      { target: 'api-tpu', revisions: { router: 1 }, violations: 2 },
    ]);
  });

  it('keeps those of a revision that was withdrawn apart from those of control', async () => {
    exposures.tell('api-tpu', 'router', 20, exposureOf(`${rollout}-next`, 1_000, { candidate: 3 }));
    await send([{ bad: [violation(2, 'withdrawn'), violation(1, 'control')] }]);
    await send([{ generation: 20, arms: [served(3, 5)], bad: [violation(3, 'candidate')] }]);
    const report = await store.violations(`${rollout}-next`, 'misrouted', look);
    expect(report.candidate).toEqual([onCandidate(1, { router: 3 })]);
    expect(report.elsewhere).toEqual([
      { target: 'api-tpu', revisions: { router: 1 }, violations: 1 },
      { target: 'api-tpu', revisions: { router: 2 }, violations: 1 },
    ]);
  });

  it('tells with which revisions of other configs they were served, on either side', async () => {
    exposures.tell('api-tpu', 'sampling', 10, exposureOf(`${rollout}-other`, 1_000, { candidate: 4 }));
    const with4 = (router: number) => ({ signal: 'misrouted', revisions: { sampling: 4, router } });
    await send([{ bad: [with4(2), with4(1), with4(1), violation(2, 'alone')] }]);
    await send([{ bad: [with4(2)] }]);
    const there = { ...look, targets: ['api-tpu'] };
    const report = await store.violations(rollout, 'misrouted', there);
    expect(report.candidate).toEqual([onCandidate(1), onCandidate(2, { sampling: 4 })]);
    expect(report.elsewhere).toEqual([{ target: 'api-tpu', revisions: { router: 1, sampling: 4 }, violations: 2 }]);
    const other = await store.violations(`${rollout}-other`, 'misrouted', there);
    expect(other.candidate).toEqual([
      { target: 'api-tpu', revisions: { router: 1, sampling: 4 }, violations: 2 },
      onCandidate(2, { sampling: 4 }),
    ]);
  });

  it('counts all of a flood and keeps the first ones in full', async () => {
    const flood = Array.from({ length: 400 }, (_, index) => violation(2, `req-${index}`));
    await Promise.all([send([{ requests: 400, bad: flood }]), send([{ requests: 400, bad: flood }])]);
    await send([{ requests: 400, bad: flood }]);
    expect(await store.violations(rollout, 'misrouted', look)).toMatchObject({ candidate: [onCandidate(1_200)] });
    const kept = await database.pool.query('select 1 from evidence.violations where rollout = $1', [rollout]);
    expect(kept.rows).toHaveLength(50);
  });

  it('reports none for a rollout that nothing was seen of', async () => {
    expect(await store.violations('unseen', 'misrouted', look)).toEqual({
      candidate: [],
      elsewhere: [],
      first: undefined,
    });
  });
});

describe('drain', () => {
  it('tells per target when the candidate and when anything was served last, also after it was withdrawn', async () => {
    await send([{ arms: [served(2, 5), served(1, 5)] }]);
    exposures.withdraw('api-tpu', 'router', 2, rollout);
    const later = NOON + 60_000;
    await send([{ generation: 30, from: at(later), arms: [served(2, 1), served(1, 9)] }], {}, later);
    const latest = NOON + 120_000;
    await send([{ generation: 30, from: at(latest), arms: [served(2, 0), served(1, 10)] }], {}, latest);
    await send([{ generation: 30, from: at(NOON + 30_000), arms: [served(2, 1), served(1, 9)] }], {}, latest);
    expect(await store.lastSeen(rollout)).toMatchObject([{ target: 'api-tpu', candidateAt: later, anyAt: latest }]);
    expect((await store.totals(rollout)).slices).toMatchObject([{ candidateRequests: 5, controlRequests: 5 }]);
  });

  it('counts the requests and the units that still come to it after its control was asked for, on whatever generation', async () => {
    const asked = NOON;
    exposures.withdraw('api-tpu', 'router', 2, rollout);
    exposures.leave(rollout, 'api-tpu', asked);
    const after = (ms: number) => ({ from: new Date(asked + ms).toISOString(), ms: 1_000 });
    // Right at its time, and begun before: no leftovers.
    await send([{ arms: [served(2, 5, ['u1'])] }, { ...after(-500), arms: [served(2, 7, ['u2'])] }], {}, asked + 5_000);
    expect((await store.lastSeen(rollout))[0]?.leftover).toBeUndefined();
    // An instance that has not taken the control, a session that sticks, and the same one again.
    const stale = { ...after(0), arms: [served(2, 4, ['u3']), served(1, 5)] };
    const stuck = { generation: 30, ...after(2_000), arms: [served(2, 2, ['u4']), served(1, 9)] };
    const later = { generation: 30, ...after(9_000), arms: [served(2, 1, ['u4'])] };
    await send([stale, stuck], {}, asked + 10_000);
    await send([later], {}, asked + 10_000);
    expect((await store.lastSeen(rollout))[0]?.leftover).toEqual({
      requests: 7,
      units: 2,
      firstAt: asked,
      lastAt: asked + 10_000,
    });
  });

  it('tells of a target that is asked about when anything was served there, although the rollout was never seen', async () => {
    await send([{ generation: 3, requests: 50 }]);
    expect(await store.lastSeen(rollout)).toEqual([]);
    expect(await store.lastSeen(rollout, ['api-tpu', 'nowhere'])).toEqual([
      {
        target: 'api-tpu',
        candidateAt: undefined,
        anyAt: NOON,
        flowingSince: NOON - 10_000,
        measured: { '*': { from: NOON - 10_000, until: NOON } },
      },
      { target: 'nowhere', candidateAt: undefined, anyAt: undefined, flowingSince: undefined, measured: {} },
    ]);
  });

  it('sees a withdrawn candidate beside the next rollout of the same config', async () => {
    exposures.withdraw('api-tpu', 'router', 2, rollout);
    const next = `${rollout}-next`;
    exposures.tell('api-tpu', 'router', 40, exposureOf(next, 500, { candidate: 3 }));
    const receipt = await send([{ generation: 40, arms: [served(2, 1), served(3, 2)], bad: [badOf('u1', 2)] }]);
    expect(receipt.rejected).toEqual([]);
    expect(await store.lastSeen(rollout)).toMatchObject([{ candidateAt: NOON }]);
    expect(await store.totals(next)).toMatchObject({ slices: [{ candidateRequests: 2 }], bad: [] });
  });
});

describe('traffic', () => {
  it('gives rates per slice and signal over the time that was seen, rollout or not', async () => {
    for (const back of [0, 10_000, 20_000])
      await send([{ generation: 3, from: at(NOON - back), requests: 50, bad: [badOf('u1', 1)] }]);
    await send([{ generation: 3, from: at(NOON - 3 * HOUR), requests: 99_999 }]);
    expect(await store.traffic({ now: NOON + 5_000, spanMs: HOUR })).toEqual({
      requests: [{ target: 'api-tpu', model: 'haiku', requestsPerSecond: 5 }],
      bad: [{ signal: 'script-error', target: 'api-tpu', model: 'haiku', badPerSecond: 0.1 }],
    });
  });
});

describe('bake', () => {
  const span = (from: number, until: number): Span => ({ from: NOON + from, until: NOON + until });
  const step = (after: number, covered: Span | undefined) =>
    store.advanceBake(rollout, 'api', '10%', NOON + after, covered, 2_000);

  it('counts what is covered, once, and nothing from before it began or after now', async () => {
    expect(await step(0, span(-60_000, 0))).toBe(0);
    expect(await step(1_000, span(-60_000, 900))).toBe(900);
    expect(await step(1_500, span(-60_000, 900))).toBe(900);
    expect(await step(2_000, span(-60_000, 9_000))).toBe(2_000);
    expect(await step(2_500, span(-60_000, 2_600))).toBe(2_500);
    expect(await store.bakedMs(rollout)).toEqual([{ track: 'api', stage: '10%', bakedMs: 2_500 }]);
  });

  it('leaves a gap out, also when what comes after it is known late', async () => {
    await step(0, span(0, 0));
    for (const after of [1_000, 2_000, 3_000, 4_000, 5_000]) expect(await step(after, span(0, 500))).toBe(500);
    expect(await step(6_000, span(4_500, 6_000))).toBe(2_000);
  });

  it('passes over the time in which nothing counts', async () => {
    await step(0, undefined);
    expect(await step(1_000, undefined)).toBe(0);
    expect(await step(2_000, span(0, 2_000))).toBe(1_000);
  });

  it('counts of a time in which no controller looked only the last moment', async () => {
    await step(0, span(0, 0));
    expect(await step(1_000, span(0, 1_000))).toBe(1_000);
    expect(await step(60_000, span(0, 60_000))).toBe(3_000);
    expect(await step(61_000, span(0, 61_000))).toBe(4_000);
  });

  it('counts no time twice when several controllers advance it, on clocks that differ', async () => {
    await step(0, span(0, 0));
    const steps = Array.from({ length: 20 }, (_, index) =>
      step(1_000 + index * 10 - (index % 2) * 700, span(0, 5_000)),
    );
    const baked = await Promise.all(steps);
    expect(Math.max(...baked)).toBe(1_180);
  });

  it('goes on by the clock of the server while controllers take turns whose clocks are seconds apart', async () => {
    const shared = new PostgresEvidenceStore(database.pool, new EvidenceBell(), 'server');
    const begun = Date.now();
    const covered = { from: begun - 60_000, until: begun + 60_000 };
    let [baked, turn] = [0, 0];
    while (baked < 300 && Date.now() < begun + 20_000) {
      turn += 1;
      const now = Date.now() + (turn % 2 === 0 ? 4_000 : -3_000);
      baked = await shared.advanceBake(rollout, 'api', '10%', now, covered, 2_000);
    }
    expect(baked).toBeGreaterThanOrEqual(300);
    expect(baked).toBeLessThanOrEqual(Date.now() - begun + 5);
  });

  it('goes on from rows that were written before covered time was known', async () => {
    await database.pool.query(
      `insert into evidence.bakes (rollout, track, stage, baked_ms, advanced_at) values ($1, 'api', '10%', 700, $2)`,
      [rollout, NOON],
    );
    expect(await step(1_000, span(0, 1_000))).toBe(1_700);
  });
});

describe('the time that outcomes cover on a target', () => {
  const sendWindow = (from: number, ms: number, requests = 5) =>
    send([{ from: new Date(NOON + from).toISOString(), ms, requests, arms: [served(2, requests)] }], {}, NOON + 60_000);
  const covered = async () => {
    const [target] = await store.lastSeen(rollout);
    const { from = 0, until = 0 } = target?.measured['*'] ?? {};
    return [from - NOON, until - NOON];
  };

  it('goes from the first to the last window that follow each other, in whatever order they lie in a batch', async () => {
    await sendWindow(0, 1_000);
    await sendWindow(1_000, 1_000);
    expect(await covered()).toEqual([0, 2_000]);
    const window = (from: number) => ({ from: new Date(NOON + from).toISOString(), ms: 1_000, requests: 5 });
    await send([window(4_000), window(2_000), window(3_000)], {}, NOON + 60_000);
    expect(await covered()).toEqual([0, 5_000]);
  });

  it('begins anew after a gap, and a window that fills the gap joins both sides of it', async () => {
    await sendWindow(0, 1_000);
    await sendWindow(5_000, 1_000);
    expect(await covered()).toEqual([5_000, 6_000]);
    await sendWindow(500, 400);
    expect(await covered()).toEqual([5_000, 6_000]);
    await sendWindow(1_000, 4_000);
    expect(await covered()).toEqual([1_000, 6_000]);
  });

  it('is not covered by windows without requests', async () => {
    await sendWindow(0, 1_000);
    await sendWindow(1_000, 5_000, 0);
    expect(await covered()).toEqual([0, 1_000]);
  });

  it('is as long as its windows also where the clock of an instance runs ahead', async () => {
    await send([{ from: new Date(NOON).toISOString(), ms: 1_000, arms: [served(2, 5)] }], {}, NOON + 400);
    expect(await covered()).toEqual([-600, 400]);
  });
});

describe('signals that a window names as measured', () => {
  const sendWindow = (from: number, signals: string[] | undefined, arms: ReturnType<typeof served>[]) =>
    send(
      [{ from: new Date(NOON + from).toISOString(), ms: 1_000, arms, ...(signals ? { signals } : {}) }],
      {},
      NOON + 60_000,
    );

  it('are known per target, each since and until when it was measured', async () => {
    await sendWindow(0, undefined, [served(2, 5)]);
    await sendWindow(1_000, ['script-error', 'misrouted'], [served(2, 5)]);
    await sendWindow(2_000, ['script-error'], [served(2, 5)]);
    const [target] = await store.lastSeen(rollout);
    expect(target?.measured).toEqual({
      '*': { from: NOON, until: NOON + 1_000 },
      '+': { from: NOON + 1_000, until: NOON + 3_000 },
      'script-error': { from: NOON + 1_000, until: NOON + 3_000 },
      misrouted: { from: NOON + 1_000, until: NOON + 2_000 },
    });
  });

  it('count the requests of the others as unmeasured, on each arm', async () => {
    await sendWindow(0, undefined, [served(2, 5), served(1, 50)]);
    await sendWindow(1_000, ['script-error', 'misrouted'], [served(2, 7), served(1, 70)]);
    await sendWindow(2_000, ['script-error'], [served(2, 1), served(1, 10)]);
    const { slices, unmeasured } = await store.totals(rollout);
    expect(slices).toMatchObject([{ candidateRequests: 13, controlRequests: 130 }]);
    const slice = { target: 'api-tpu', model: 'haiku' };
    expect(unmeasured).toEqual([
      { ...slice, signal: 'misrouted', candidateRequests: 1, controlRequests: 10 },
      { ...slice, signal: 'refusal', candidateRequests: 8, controlRequests: 80 },
    ]);
  });
});

describe('whatever the order and however often batches come', () => {
  // A unit is sticky: its arm, target and model follow from its number.
  const bads = fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.constantFrom('script-error', 'refusal')), {
    maxLength: 6,
  });
  const batches = fc.array(
    fc.record({ gpu: fc.boolean(), candidate: fc.nat(50), control: fc.nat(50), bads, misrouted: fc.nat(2) }),
    { minLength: 1, maxLength: 8 },
  );
  const orders = fc.array(fc.nat(1_000), { minLength: 8, maxLength: 24 });

  const evidenceOf = async (name: string) => {
    const look = await store.foldLook(name, NOON);
    const options = { lookBackMs: HOUR, now: NOON, targets: ['api-tpu', 'api-gpu'] };
    const { candidate } = await store.violations(name, 'misrouted', options);
    return {
      totals: await store.totals(name),
      activation: await store.activation(name),
      digest: look.digest,
      candidate,
      seen: await store.lastSeen(name),
    };
  };

  it('adds up to the same evidence', async () => {
    await fc.assert(
      fc.asyncProperty(batches, orders, async (contents, order) => {
        const results = [];
        for (const shuffled of [false, true]) {
          const name = `rollout-${(number += 1)}-order`;
          for (const target of ['api-tpu', 'api-gpu'])
            exposures.tell(target, 'router', 50, exposureOf(name, target === 'api-tpu' ? 1_000 : 5_000));
          const built = contents.map((content) => {
            const target = content.gpu ? 'api-gpu' : 'api-tpu';
            const bad = content.bads.map(([unit, signal]) => badOf(`${target}-${unit}`, (unit % 2) + 1, signal));
            const misrouted = Array.from({ length: content.misrouted }, () => badOf(`${target}-x`, 2, 'misrouted'));
            const counts = [served(2, content.candidate, [`${target}-1`]), served(1, content.control)];
            return batchOf([{ generation: 50, arms: counts, bad: [...bad, ...misrouted] }], { target });
          });
          const sequence = shuffled
            ? [...order.map((pick) => built[pick % built.length]!), ...built.toReversed()]
            : built;
          await Promise.all(sequence.map((batch) => intake.submit(batch, REPORTER, NOON)));
          results.push(await evidenceOf(name));
        }
        expect(results[1]).toEqual(results[0]);
      }),
      { numRuns: 25 },
    );
  });
});
