import { createTestDatabase, type TestDatabase } from '#test/test-database';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  EvidenceBell,
  GroupCommitIntake,
  MemoryCountedIntake,
  MemoryEvidenceStore,
  MemoryIntake,
  PostgresCountedIntake,
  PostgresEvidenceStore,
  type Counted,
  type CountedIntake,
  type EvidenceStore,
  type OutcomeIntake,
  type ViolationGroup,
  type ViolationReport,
} from '../index.js';
import type { Binning } from '../bins.js';
import { batchOf, exposureOf, NOON, ToldExposures, type WindowInput } from '../spec-kit.js';

const HOUR = 3_600_000;
const ROLLOUTS = ['by-unit', 'by-request', 'by-instance'];

const draw = { candidate: new Set(['one', 'two']), kept: new Set(['one']), control: new Set(['three']) };

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** What a source counts for the rollouts below. */
const counted = new Map<string, Binning | null>([
  ['timeouts', null],
  ['duration', 'by-size'],
  ['rating', { low: 0, high: 1 }],
]);

/** By unit on two targets, first 10%, then half, then taken back; by request on one of them, first a fifth, then half. */
const toldExposures = (): ToldExposures => {
  const told = new ToldExposures();
  for (const target of ['api-tpu', 'api-gpu']) {
    told.tell(target, 'router', 10, exposureOf('by-unit', 1_000, { counted }));
    told.tell(target, 'router', 11, exposureOf('by-unit', 5_000, { counted }));
    told.withdraw(target, 'router', 2, 'by-unit');
  }
  told.leave('by-unit', 'api-tpu', NOON - 20_000);
  const byRequest = { assignment: 'request', candidate: 3, counted } as const;
  told.tell('api-tpu', 'sampling', 10, exposureOf('by-request', 2_000, byRequest));
  told.tell('api-tpu', 'sampling', 11, exposureOf('by-request', 5_000, byRequest));
  const byInstance = { assignment: 'instance' as const, candidate: 3 };
  told.tell('api-gpu', 'sampling', 10, exposureOf('by-instance', 5_000, { ...byInstance, draw }));
  told.tell('api-gpu', 'sampling', 11, exposureOf('by-instance', 10_000, byInstance));
  return told;
};

/** Mostly what is right; now and then what has to be refused. */
const revision = fc.constantFrom(1, 1, 2, 2, 2, 3, 6);
const revisions = fc.record({ router: revision, sampling: revision }, { requiredKeys: [] });
const bad = fc.record(
  {
    signal: fc.constantFrom('script-error', 'script-error', 'refusal', 'latency', 'misrouted', 'unheard-of'),
    unit: fc.nat(5).map((n) => `u${n}`),
    request: fc.nat(99).map((n) => `rq${n}`),
    revisions,
  },
  { requiredKeys: ['signal', 'revisions'] },
);
const value = fc.record(
  {
    signal: fc.constantFrom('score', 'first-token', 'refusal', 'unheard-of'),
    value: fc.constantFrom(0, 0.25, 0.5, 1, 3, 812.5, -1, 1e12),
    unit: fc.nat(5).map((n) => `u${n}`),
    count: fc.integer({ min: 1, max: 3 }),
    revisions,
  },
  { requiredKeys: ['signal', 'value', 'revisions'] },
);
const pair = fc.record({
  signal: fc.constantFrom('agreement', 'agreement', 'score'),
  config: fc.constantFrom('router', 'sampling'),
  revision,
  pairs: fc.nat(9),
  candidateOnly: fc.nat(4),
  controlOnly: fc.nat(4),
});
const arm = fc.record({
  config: fc.constantFrom('router', 'sampling'),
  revision,
  requests: fc.nat(100),
  unassigned: fc.nat(2),
  units: fc.array(
    fc.nat(30).map((n) => `u${n}`),
    { maxLength: 6 },
  ),
});
const secondsFromNoon = fc.oneof(fc.integer({ min: -100, max: 70 }), fc.integer({ min: -25 * 3_600, max: -500 }));
const window: fc.Arbitrary<WindowInput> = fc.record({
  from: secondsFromNoon.map((seconds) => new Date(NOON + seconds * 1_000).toISOString()),
  model: fc.constantFrom('haiku', 'haiku', 'sonnet', 'opus'),
  generation: fc.constantFrom(9, 10, 10, 11, 101),
  // A window without requests tells of earlier ones.
  requests: fc.oneof({ weight: 3, arbitrary: fc.nat(200) }, { weight: 1, arbitrary: fc.constant(0) }),
  arms: fc.array(arm, { maxLength: 4 }),
  bad: fc.array(bad, { maxLength: 40, size: 'max' }),
  values: fc.array(value, { maxLength: 12, size: 'max' }),
  pairs: fc.array(pair, { maxLength: 4 }),
  signals: fc.option(fc.subarray(['script-error', 'refusal', 'misrouted', 'unheard-of']), { nil: undefined }),
});
const countedItem = fc
  .record({
    signal: fc.constantFrom('timeouts', 'timeouts', 'timeouts', 'duration', 'rating', 'refusal', 'unheard-of'),
    target: fc.constantFrom('api-tpu', 'api-tpu', 'api-gpu', 'mars'),
    model: fc.constantFrom('haiku', 'haiku', 'opus'),
    arm: fc.option(
      fc.record({
        config: fc.constantFrom('router', 'router', 'sampling', 'nothing'),
        revision: fc.constantFrom(1, 1, 2, 3, 9),
        generation: fc.option(fc.constantFrom(10, 11, 101), { nil: undefined }),
      }),
      { nil: undefined },
    ),
    from: fc.integer({ min: -7_200, max: -1 }).map((seconds) => NOON + seconds * 1_000),
    lasts: fc.constantFrom(1_000, 60_000, 7_300_000),
    requests: fc.nat(300),
    bad: fc.nat(4),
    value: fc.constantFrom(0, 0.5, 1, 812.25, -1),
    bucket: fc.option(fc.nat(10), { nil: undefined }),
  })
  .map(({ lasts, value, arm: named, bucket, ...rest }): Counted => ({
    ...rest,
    until: rest.from + lasts,
    ...(named && { arm: named }),
    ...(bucket === undefined ? {} : { bucket }),
    ...(rest.signal === 'duration' || rest.signal === 'rating' ? { values: [[value, rest.requests]] } : {}),
  }));
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('count' as const),
      items: fc.array(countedItem, { maxLength: 40, size: 'max' }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('report' as const),
      target: fc.constantFrom('api-tpu', 'api-tpu', 'api-gpu', 'api-gpu', 'bedrock-east', 'mars'),
      instance: fc.constantFrom('one', 'two', 'three', 'four'),
      windows: fc.array(window, { minLength: 1, maxLength: 3 }),
      again: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('look' as const), at: fc.nat(9_999) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('bake' as const),
      stage: fc.constantFrom('10%', '50%'),
      at: fc.nat(20_000),
      covered: fc.option(fc.record({ from: fc.nat(20_000), lastsMs: fc.integer({ min: -500, max: 6_000 }) })),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Groups of one target come in an order of the database's own. */
const inOrder = ({ candidate, elsewhere, first }: ViolationReport): unknown => {
  const nameOf = ({ target, revisions }: ViolationGroup): string =>
    `${target} ${JSON.stringify(Object.entries(revisions).toSorted())}`;
  const sorted = (groups: readonly ViolationGroup[]) => groups.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return { candidate: sorted(candidate), elsewhere: sorted(elsewhere), first };
};

/** What every question is answered with after a script. */
const answers = async (
  store: EvidenceStore,
  intake: OutcomeIntake,
  source: CountedIntake,
  steps: readonly Step[],
): Promise<unknown> => {
  const said: unknown[] = [];
  for (const [index, drawn] of steps.entries()) {
    if (drawn.do === 'look') for (const rollout of ROLLOUTS) said.push(await store.foldLook(rollout, NOON + drawn.at));
    if (drawn.do === 'bake') {
      const from = NOON + (drawn.covered?.from ?? 0);
      const covered = drawn.covered ? { from, until: from + drawn.covered.lastsMs } : undefined;
      said.push(await store.advanceBake('by-unit', 'api', drawn.stage, NOON + drawn.at, covered, 2_000));
    }
    if (drawn.do === 'count') {
      const seen = (state: unknown): number => (typeof state === 'number' ? state : 0) + drawn.items.length;
      const next = (state: unknown) => ({ state: seen(state), counted: drawn.items, result: seen(state) });
      said.push(await source.advance('prometheus', next, NOON));
    }
    if (drawn.do !== 'report') continue;
    const { target, instance, windows, again } = drawn;
    const id = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
    const batch = batchOf(windows, { target, instance, batch: id });
    said.push(await intake.submit(batch, { token: 'fleet' }, NOON));
    if (again) said.push(await intake.submit(batch, { token: 'fleet' }, NOON));
  }
  for (const rollout of ROLLOUTS) {
    said.push(await store.requests(rollout), await store.totals(rollout));
    said.push(await store.activation(rollout), await store.bakedMs(rollout), await store.toldArms(rollout));
    said.push(await store.readLooks(rollout, 0), await store.readLooks(rollout, 2), await store.lookCount(rollout));
    said.push(await store.lastSeen(rollout), await store.lastSeen(rollout, ['bedrock-east', 'api-gpu']));
    for (const signal of ['misrouted', 'script-error'])
      for (const targets of [undefined, ['api-tpu'], []])
        for (const lookBackMs of [30_000, 24 * HOUR])
          said.push(
            inOrder(await store.violations(rollout, signal, { lookBackMs, now: NOON, ...(targets && { targets }) })),
          );
  }
  const asked = { signals: ['timeouts', 'duration', 'rating'], targets: ['api-tpu', 'api-gpu'] };
  said.push(await store.before({ ...asked, fromMs: NOON - HOUR - 1, untilMs: NOON + 1 }));
  for (const spanMs of [HOUR / 60, 24 * HOUR]) said.push(await store.traffic({ now: NOON, spanMs }));
  return said;
};

it('answers every question as the evidence in PostgreSQL does, whatever was reported and looked at before', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14, size: 'max' }), async (steps) => {
      await database.clear();
      const told = toldExposures();
      const bell = new EvidenceBell();
      const durable = new PostgresEvidenceStore(database.pool, bell);
      const intake = new GroupCommitIntake(database.pool, told, bell, { lingerMs: 0 });
      const memory = new MemoryEvidenceStore();
      const expected = await answers(durable, intake, new PostgresCountedIntake(database.pool, told, bell), steps);
      const source = new MemoryCountedIntake(memory.rows, told);
      expect(await answers(memory, new MemoryIntake(memory.rows, told), source, steps)).toEqual(expected);
    }),
    { numRuns: 25, interruptAfterTimeLimit: 50_000 },
  );
}, 60_000);
