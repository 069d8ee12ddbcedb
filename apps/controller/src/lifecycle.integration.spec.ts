import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RolloutView } from '#libs/contracts';
import { ask, clientOf, problemIn, tapEvents, type Answer } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { faultsOfLog, headOf, readLog } from '#test/kit/log';
import { config, plan, TARGETS, track, world } from '#test/kit/manifests';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { reachesStatus } from '#test/kit/rollouts';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;
let fleet: TinyFleet;
/** Two configs of each test's own; all tests share targets, plans and signals. */
let router: string;
let sampler: string;
let count = 0;

/** Shown to be worse in one look: six times as many bad outcomes on the tenth with the candidate as on all the rest. */
const harm = () => ({ config: router, revision: 2, signal: 'script-errors', perWindow: 30 }) as const;
const base = () => ({ config: router, revision: 1, signal: 'script-errors', perWindow: 5 }) as const;

const client = () => clientOf(controller.operator);
const apply = (...manifests: ReturnType<typeof world>) => client().apply({ manifests, reason: 'for the test' });
const start = (over: Partial<Parameters<ReturnType<typeof client>['start']>[0]> = {}) =>
  client().start({ config: router, plan: 'three-platforms', reason: 'a wider window', ...over });
const reaches = (id: string, ...statuses: RolloutView['status'][]): Promise<RolloutView> =>
  reachesStatus(client(), id, ...statuses);
const logOf = async (rollout: string) =>
  (await readLog(database.pool)).filter(({ streamId }) => streamId === `rollout-${rollout}`);
const typesOf = async (rollout: string): Promise<readonly string[]> => (await logOf(rollout)).map(({ type }) => type);
const rolloutIn = (answer: Answer): RolloutView => answer.json as RolloutView;

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  await apply(...world());
  const first = new TinyFleet(controller.service, TARGETS);
  await until('every target has traffic', async () => {
    await first.round();
    return TARGETS.every((target) => (first.counted.get(target) ?? 0) > 0);
  });
});

beforeEach(async () => {
  count += 1;
  router = `router-${count}`;
  sampler = `sampler-${count}`;
  await apply(config(router, { window: 200_000 }), config(sampler, { top_k: 40 }));
  await apply(config(router, { window: 1_000_000 }), config(sampler, { top_k: 50 }));
  fleet = new TinyFleet(() => controller.service, TARGETS);
});

afterEach(async () => {
  await fleet.stop();
  expect(await faultsOfLog(database.pool)).toEqual([]);
  expect(controller.complaints).toEqual([]);
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

describe('A good change', () => {
  it('is previewed without a trace, goes out stage by stage over three platforms and settles everywhere', async () => {
    const head = await headOf(database.pool);
    const preview = await client().preview({ config: router, plan: 'three-platforms' });
    expect(preview).toMatchObject({ revision: 2, control: { 'api-tpu': 1, 'bedrock-gpu': 1, 'vertex-tpu': 1 } });
    expect(preview.stages.map(({ track: name, stage }) => `${name}/${stage}`)).toEqual([
      'api/10%',
      'api/100%',
      'bedrock/10%',
      'bedrock/100%',
      'vertex/10%',
      'vertex/100%',
    ]);
    expect(preview.traffic.perTarget['api-tpu']).toBeGreaterThan(0);
    expect(await headOf(database.pool)).toBe(head);

    fleet.start();
    const { id } = await start();
    const settled = await reaches(id, 'settled');
    expect(settled.tracks.map(({ status }) => status)).toEqual(['passed', 'passed', 'passed']);
    expect(settled.targets.every(({ converged, requestedBp }) => converged && requestedBp === 10_000)).toBe(true);
    const types = await typesOf(id);
    expect(types.filter((type) => type === 'StagePassed')).toHaveLength(6);
    expect(types.at(-1)).toBe('RolloutSettled');
    expect((await client().config(router)).live).toEqual({
      'api-tpu': 2,
      'bedrock-gpu': 2,
      'vertex-tpu': 2,
    });
    for (const target of TARGETS) {
      await until(`${target} serves r2 to everyone`, () => fleet.arms(target, router)[0]?.revision === 2);
      expect(fleet.arms(target, router)).toEqual([{ revision: 2, shareBp: 10_000 }]);
    }
    expect(fleet.rejected).toEqual([]);
  });

  it('waits for the platform before it, and no event comes before what it rests on', async () => {
    fleet.start();
    const { id } = await start();
    await reaches(id, 'settled');
    const log = (await readLog(database.pool)).filter(({ streamId }) => streamId === `rollout-${id}`);
    const position = (type: string, name: string, stage: string) =>
      log.find((event) => event.type === type && event.data['track'] === name && event.data['stage'] === stage)
        ?.position ?? Number.NaN;
    expect(position('StageEntered', 'bedrock', '10%')).toBeGreaterThan(position('StagePassed', 'api', '10%'));
    expect(position('StageEntered', 'vertex', '10%')).toBeGreaterThan(position('StagePassed', 'bedrock', '10%'));
    for (const delivered of log.filter(({ type }) => type === 'ExposureChanged')) {
      const asked = log.find(({ position: at }) => at === delivered.data['generation']);
      expect(asked).toMatchObject({ type: 'ExposureRequested', data: { target: delivered.data['target'] } });
    }
  });

  it('does not go on while no instance acknowledges it, and does once one does', async () => {
    const { id } = await start({ plan: 'only-api' });
    const waiting = await until('it waits for an instance', async () => {
      const { waitingFor } = await client().rollout(id);
      return waitingFor.find((what) => /acknowledged/.test(what));
    });
    expect(waiting).toContain('0 of 1 instances have acknowledged');
    fleet.start();
    await reaches(id, 'settled');
  });
});

describe('A bad change', () => {
  it('is caught in its first exposed stage, taken back, read back and drained, and cannot start again without a reason', async () => {
    fleet.faults = [harm(), base()];
    fleet.start();
    const { id } = await start();
    const back = await reaches(id, 'rolled-back');
    expect(back.cause).toMatch(/script.errors/);
    expect(back.verdicts.find(({ verdict }) => verdict === 'fail')?.sentence).toBe(back.cause);
    expect(back.tracks.map(({ status }) => status)).toEqual(['in-stage', 'not-reached', 'not-reached']);
    const reached = back.targets.find(({ target }) => target === 'api-tpu');
    expect(reached).toMatchObject({ readBack: true, ended: 'drained', requestedBp: 0 });
    const types = await typesOf(id);
    const order = ['DegradationDetected', 'RollbackStarted', 'ExposureRequested', 'TargetReadBack', 'TargetDrained'];
    const places = order.map((type) => types.lastIndexOf(type));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(types.at(-1)).toBe('RolledBack');
    expect(fleet.arms('api-tpu', router)).toEqual([{ revision: 1, shareBp: 10_000 }]);

    const again = await ask(controller.operator, 'POST', '/v1/rollouts', {
      body: { config: router, plan: 'only-api', reason: 'once more' },
    });
    expect(problemIn(again)).toMatchObject({
      status: 409,
      code: 'revision-vetoed',
      errors: [{ pointer: '/vetoReason' }],
    });
    fleet.faults = [];
    const { id: second, alpha } = await start({ plan: 'only-api', vetoReason: 'the fault was elsewhere' });
    expect(alpha).toBeLessThan(back.alpha / 10);
    await reaches(second, 'settled');
  });

  it('is taken back at the first violation of an invariant, with the instance that saw it in the sentence', async () => {
    fleet.faults = [{ ...harm(), signal: 'wrong-pool', perWindow: 1 }];
    fleet.start();
    const { id } = await start();
    const { cause } = await reaches(id, 'rolled-back');
    expect(cause).toMatch(/must never be seen.*api-tpu-1/);
  });
});

describe('A person', () => {
  it('pauses, resumes and promotes; the log says what was skipped and why', async () => {
    fleet.start();
    const { id } = await start({ plan: 'holds-at-ten' });
    const paused = await client().command(id, 'pause', { reason: 'lunch' });
    expect(paused.held).toMatchObject({ by: 'person', reason: 'lunch' });
    const refused = await ask(controller.operator, 'POST', `/v1/rollouts/${id}/promote`, { body: { reason: 'hurry' } });
    expect(problemIn(refused)).toMatchObject({ status: 409, code: 'rollout-held' });
    expect((await client().command(id, 'resume', { reason: 'back' })).held).toBeNull();
    const promoted = await client().command(id, 'promote', { reason: 'known to be good', track: 'api' });
    expect(promoted.tracks[0]?.stages[0]).toMatchObject({ status: 'passed', skipped: true });
    await reaches(id, 'settled');
    const skipped = (await readLog(database.pool)).find(({ type }) => type === 'BakeSkipped');
    expect(skipped?.data).toMatchObject({ reason: 'known to be good', stage: '10%' });
    expect(JSON.stringify(skipped?.data['missing'])).toContain('bake');
  });

  it('aborts: everything is taken back, and the next rollout may start', async () => {
    fleet.start();
    const { id } = await start({ plan: 'holds-at-ten' });
    await client().command(id, 'abort', { reason: 'changed our minds' });
    const { cause } = await reaches(id, 'rolled-back');
    expect(cause).toBe('changed our minds');
    for (const command of ['pause', 'resume', 'promote', 'abort'] as const) {
      const refused = await ask(controller.operator, 'POST', `/v1/rollouts/${id}/${command}`, {
        body: { reason: 'late' },
      });
      expect(problemIn(refused)).toMatchObject({ status: 409, code: 'rollout-already-finished' });
    }
    await start({ plan: 'only-api', vetoReason: 'aborted for other reasons' });
  });

  it('who acts on an old state is told so and nothing happens', async () => {
    const { id, version } = await start({ plan: 'holds-at-ten' });
    const door = controller.operator;
    await client().command(id, 'pause', { reason: 'first' });
    const head = await headOf(database.pool);
    const stale = await ask(door, 'POST', `/v1/rollouts/${id}/resume`, {
      body: { reason: 'second' },
      headers: { 'if-match': `"${version}"` },
    });
    expect(problemIn(stale)).toMatchObject({ status: 412, code: 'stale-version' });
    expect((await client().rollout(id)).held?.reason).toBe('first');
    // Reading again and deciding anew goes through, unless the rollout itself moved on in between.
    await until('the state that was read is the one that is acted on', async () => {
      const read = await ask(door, 'GET', `/v1/rollouts/${id}`);
      const headers = { 'if-match': read.headers.get('etag') ?? '' };
      const fresh = await ask(door, 'POST', `/v1/rollouts/${id}/resume`, { body: { reason: 'second' }, headers });
      if (fresh.status !== 200) expect(problemIn(fresh).code).toBe('stale-version');
      return fresh.status === 200;
    });
    expect((await readLog(database.pool)).slice(head).map(({ type }) => type)).toContain('RolloutResumed');
  });
});

describe('Idempotency keys', () => {
  const startWith = (key: string, body: object) =>
    ask(controller.operator, 'POST', '/v1/rollouts', { body, headers: { 'idempotency-key': key } });
  const body = () => ({ config: router, plan: 'holds-at-ten', reason: 'a wider window' });

  it('the same key with the same body gives the first outcome and writes nothing more', async () => {
    const first = await startWith('one', body());
    expect(first.status).toBe(201);
    const again = await startWith('one', body());
    expect(again.json).toMatchObject({ id: rolloutIn(first).id });
    const many = await Promise.all(Array.from({ length: 10 }, () => startWith('one', body())));
    expect(new Set(many.map((answer) => rolloutIn(answer).id))).toEqual(new Set([rolloutIn(first).id]));
    expect(
      (await readLog(database.pool)).filter(({ type, data }) => type === 'RolloutPlanned' && data['config'] === router),
    ).toHaveLength(1);
  });

  it('a repetition gets the first outcome even when the same could not be started any more', async () => {
    const strict = plan('strict', [track('api', ['api-tpu'])], { signals: [{ signal: 'script-errors', tolerate: 2 }] });
    fleet.faults = [base()];
    await fleet.round();
    await apply(strict);
    const first = await startWith('early', { ...body(), plan: 'strict' });
    expect(first.status).toBe(201);
    await apply(
      plan('strict', [track('api', ['api-tpu'])], { signals: [{ signal: 'wrong-pool' }, { signal: 'gone' }] }),
    );
    const again = await startWith('early', { ...body(), plan: 'strict' });
    expect(again.json).toMatchObject({ id: rolloutIn(first).id });
  });

  it('the same key with another body is refused, on another route too', async () => {
    await startWith('two', body());
    const head = await headOf(database.pool);
    const other = await startWith('two', { ...body(), reason: 'another reason' });
    expect(problemIn(other)).toMatchObject({ status: 422, code: 'idempotency-key-reused' });
    expect(problemIn(other).detail).toMatch(/^The Idempotency-Key two was already used for another command .* new key/);
    const elsewhere = await ask(controller.operator, 'POST', '/v1/manifests', {
      body: { manifests: [config(router, { window: 3 })] },
      headers: { 'idempotency-key': 'two' },
    });
    expect(problemIn(elsewhere)).toMatchObject({ status: 422, code: 'idempotency-key-reused' });
    const log = await readLog(database.pool);
    expect(log.slice(head).filter(({ metadata }) => metadata.actor.kind === 'token')).toEqual([]);
  });

  it('two callers may use the same key without meeting', async () => {
    expect((await startWith('three', body())).status).toBe(201);
    const other = await ask(controller.admin, 'POST', '/v1/manifests', {
      body: { manifests: [config(router, { window: 4 })] },
      headers: { 'idempotency-key': 'three' },
    });
    expect(other.status).toBe(200);
  });
});

describe('Several rollouts', () => {
  it('of ten people who start the same config at once exactly one wins and nine are told which rollout runs', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        ask(controller.operator, 'POST', '/v1/rollouts', {
          body: { config: router, plan: 'holds-at-ten', reason: `person ${n}` },
        }),
      ),
    );
    const [won, ...others] = answers.filter(({ status }) => status === 201);
    expect(others).toEqual([]);
    const lost = answers.filter((answer) => answer !== won).map(problemIn);
    expect(lost.map(({ code }) => code)).toEqual(Array.from({ length: 9 }, () => 'rollout-already-running'));
    for (const { detail } of lost) expect(detail).toContain(won && rolloutIn(won).id);
  });

  it('of two configs share targets: the bad one goes back and the good one settles', async () => {
    fleet.faults = [harm(), base()];
    fleet.start();
    const bad = await start({ plan: 'only-api' });
    const good = await start({ config: sampler });
    await reaches(bad.id, 'rolled-back');
    await reaches(good.id, 'settled');
    const { targets } = await client().at({});
    const onApi = targets.find(({ target }) => target === 'api-tpu')?.configs;
    expect(onApi?.find((each) => each.config === router)).toMatchObject({ control: 1, shareBp: 0 });
    const onSampler = onApi?.find((each) => each.config === sampler);
    expect(onSampler?.candidateValue ?? onSampler?.value).toEqual({ top_k: 50 });
  });
});

describe('The history', () => {
  it('is streamed exactly once over a restart of the controller: nothing twice, nothing missing', async () => {
    fleet.start();
    const tap = await tapEvents(controller.viewer, { lastEventId: 0 });
    const { id } = await start();
    await tap.until('the first platform is staged', (events) => events.some(({ type }) => type === 'StagePassed'));
    await controller.stop();
    await tap.ended;
    const seen = tap.ids.at(-1) ?? 0;
    expect(controller.complaints).toEqual([]);
    controller = await startInProcess(database.url, { known: controller });
    const rest = await tapEvents(controller.viewer, { lastEventId: seen });
    await rest.until('it settled', (events) => events.some(({ type }) => type === 'RolloutSettled'));
    await rest.close();
    const ids = [...tap.ids, ...rest.ids];
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, index) => index + 1));
    await reaches(id, 'settled');
  });

  it('is streamed to a reader that asks for one rollout only', async () => {
    fleet.start();
    const noise = await start({ config: sampler, plan: 'only-api' });
    const { id } = await start();
    const tap = await tapEvents(controller.viewer, { query: `?rollout=${id}&after=0` });
    await tap.until('it settled', (events) => events.some(({ type }) => type === 'RolloutSettled'));
    await tap.close();
    expect(new Set(tap.events.map(({ data }) => (data as { rollout: string }).rollout))).toEqual(new Set([id]));
    await reaches(noise.id, 'settled');
  });

  it('tells what was wanted before, during and after a rollout, by position and by time', async () => {
    fleet.start();
    const before = await headOf(database.pool);
    const { id } = await start({ plan: 'only-api' });
    await reaches(id, 'settled');
    const log = (await readLog(database.pool)).filter(({ streamId }) => streamId === `rollout-${id}`);
    const wanted = log.filter(({ type }) => type === 'ExposureRequested');
    const shareAt = async (query: { position?: number; time?: string }) => {
      const { targets } = await client().at({ ...query, target: 'api-tpu' });
      return targets[0]?.configs.find((each) => each.config === router);
    };
    expect(await shareAt({ position: before })).toMatchObject({ control: 1, candidate: null, shareBp: 0 });
    for (const { position, recordedAt, data } of wanted) {
      expect(await shareAt({ position })).toMatchObject({ candidate: 2, shareBp: data['shareBp'], rollout: id });
      const atThatTime = await shareAt({ time: recordedAt });
      expect(atThatTime).toMatchObject({ candidate: 2 });
    }
    const begun = Date.parse(log[0]?.recordedAt ?? '');
    expect(await shareAt({ time: new Date(begun - 1).toISOString() })).toMatchObject({ shareBp: 0 });
    expect(await shareAt({})).toMatchObject({ control: 2, candidate: null, value: { window: 1_000_000 } });
    expect((await client().at({ time: '2020-01-01T00:00:00Z' })).targets).toEqual([]);
  });
});
