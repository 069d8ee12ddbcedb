import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EventList, EvidenceView, ExposedView } from '#libs/contracts';
import { isOnCandidate } from '#libs/domain';
import { ask, clientOf, issueToken, problemIn, type Door } from './kit/http.js';
import { startInProcess, type InProcess } from './kit/in-process.js';
import { config, plan, stage, target, track, world } from './kit/manifests.js';
import { until } from './kit/until.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

let database: TestDatabase;
let controller: InProcess;
let investigator: Door;
let rollout: string;
let generation: number;

/** A unit whose coin puts it on the candidate; the same name is the same unit. */
const unit = (name: string): string => {
  const found = Array.from({ length: 100 }, (_, n) => `${name}-${n}`).find((each) =>
    isOnCandidate(rollout, each, 5_000),
  );
  if (found === undefined) throw new Error('No coin falls on the candidate.');
  return found;
};

/** Requests of the candidate and of control, with the units that are named; the first of all only of control. */
const send = async (model: string, units: readonly string[], requests: number, badUnit?: string): Promise<void> => {
  const revisions = { 'router.context': 2 };
  const bad = badUnit === undefined ? [] : [{ signal: 'script-errors', unit: unit(badUnit), revisions }];
  const window = { from: new Date().toISOString(), ms: 1_000, model, generation, requests: requests + 100, bad };
  const arms = [
    ...(requests === 0 ? [] : [{ config: 'router.context', revision: 2, requests, units: units.map(unit) }]),
    { config: 'router.context', revision: 1, requests: 100 },
  ];
  const receipt = await clientOf(controller.service).sendOutcomes({
    batch: randomUUID(),
    target: 'api-tpu',
    instance: 'i-1',
    windows: [{ ...window, arms }],
  });
  expect(receipt.rejected).toEqual([]);
};

const exposed = async (query = '', door: Door = controller.viewer): Promise<ExposedView> =>
  ExposedView.parse((await ask(door, 'GET', `/v1/rollouts/${rollout}/exposed${query}`)).json);
const exactly = (reason = 'who was hurt') => exposed(`?exact=true&reason=${encodeURIComponent(reason)}`, investigator);
const unitsOf = (view: ExposedView) =>
  Object.fromEntries(view.models.map(({ model, units: { count, below } }) => [model, count ?? `<${below}`]));

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url, { env: { HEADGATE_MIN_UNITS: '5' } });
  investigator = { url: controller.admin.url, token: await issueToken(controller.admin, 'investigator', 'ida') };
  const client = clientOf(controller.operator);
  const slow = plan('slow', [
    track('api', ['api-tpu'], {
      stages: [stage('50%', { bake: '1h', activation: 0 }), stage('100%', { activation: 0 })],
    }),
  ]);
  await client.apply({ manifests: [...world(), { ...slow, spec: { ...slow.spec, acceptBlind: 'a test' } as never }] });
  const models = target('api-tpu', 'api', 'tpu', ['haiku', 'opus', 'sonnet']);
  await client.apply({ manifests: [models, config('router.context', { window: 400_000 })] });
  ({ generation } = await client.target('api-tpu'));
  await clientOf(controller.service).acknowledge('api-tpu', 'i-1', { generation });
  await send('haiku', [], 0);
  ({ id: rollout } = await client.start({ config: 'router.context', plan: 'slow', reason: 'longer contexts' }));
  await until('it is asked of the target', async () => {
    generation = (await client.target('api-tpu')).generation;
    return (await client.rollout(rollout)).targets[0]?.delivered === true;
  });
  await send('haiku', ['u1', 'u2', 'u3', 'u4', 'u5', 'u6'], 60);
  await send('haiku', ['u1', 'u2', 'u7'], 20, 'u8');
  await send('opus', ['u1', 'v1', 'v2'], 10);
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

describe('Who was exposed', () => {
  it('is counted in requests and distinct units: a unit counts once however often and where it was seen', async () => {
    const view = await exactly();
    expect(view).toMatchObject({ config: 'router.context', revision: 2, rollouts: [rollout], exact: true });
    expect(view.total).toMatchObject({ requests: 90, units: { count: 10, error: 0, atLeast: false } });
    expect(unitsOf(view)).toEqual({ haiku: 8, opus: 3 });
    expect(view.platforms).toMatchObject([{ platform: 'api', requests: 90, units: { count: 10 } }]);
    expect(view.cells.reduce((sum, { requests }) => sum + requests, 0)).toBe(90);
  });

  it('is the same for the revision, and when it is asked for again', async () => {
    const path = '/v1/exposed?config=router.context&revision=2';
    const view = ExposedView.parse((await ask(controller.viewer, 'GET', path)).json);
    expect(view.total).toEqual((await exposed()).total);
    expect((await ask(controller.viewer, 'GET', '/v1/exposed?config=router.context&revision=9')).status).toBe(404);
  });

  it('stays when the ids of units are gone, and then nobody can tell whether a unit was among them', async () => {
    const before = await exactly();
    await database.pool.query('delete from evidence.candidate_units');
    await database.pool.query('delete from evidence.first_bad');
    await controller.controller.core.rounds.exposed.forgetSalts([]);
    expect((await exactly()).total).toEqual(before.total);
    const { rows } = await database.pool.query('select * from evidence.exposed_salts');
    expect(rows).toEqual([]);
  });
});

describe('Counts of few units', () => {
  it('are shown as less than the least number to everybody, admins as well', async () => {
    expect(unitsOf(await exposed())).toEqual({ haiku: 8, opus: '<5' });
    expect(unitsOf(await exposed('', controller.admin))).toEqual({ haiku: 8, opus: '<5' });
    expect(unitsOf(await exposed('', investigator))).toEqual({ haiku: 8, opus: '<5' });
    expect((await exposed()).notes.join(' ')).toContain('shown as <5');
  });

  it('are refused to every other role, and without a reason', async () => {
    const path = `/v1/rollouts/${rollout}/exposed?exact=true`;
    const refusal = problemIn(await ask(controller.admin, 'GET', `${path}&reason=curious`));
    expect([refusal.status, refusal.detail]).toEqual([403, expect.stringContaining('investigator')]);
    expect(problemIn(await ask(investigator, 'GET', path)).errors).toMatchObject([{ pointer: '/reason' }]);
  });

  it('leave an event behind when an investigator reads them: who, what and why', async () => {
    await exactly('an incident of today');
    const query = 'type=ExactCellsRead&order=newest&limit=1&actor=ida';
    const { items } = EventList.parse((await ask(controller.viewer, 'GET', `/v1/events?${query}`)).json);
    expect(items).toMatchObject([
      {
        actor: { kind: 'token', name: 'ida' },
        reason: 'an incident of today',
        data: { what: 'exposed', config: 'router.context', revision: 2, rollouts: [rollout] },
      },
    ]);
  });

  it('are left out of the evidence too, which says how many; verdicts rest on them all the same', async () => {
    await send('sonnet', ['w1'], 3, 'w1');
    const evidence = async (door: Door, query = '') =>
      EvidenceView.parse(
        (await ask(door, 'GET', `/v1/rollouts/${rollout}/evidence?signal=script-errors${query}`)).json,
      );
    const sliceOf = (view: EvidenceView) =>
      view.signals[0]?.pools.flatMap(({ slices }) => slices.filter(({ model }) => model === 'sonnet')) ?? [];
    await until('it was looked at', async () => {
      const view = await evidence(investigator, '&exact=true&reason=test');
      return sliceOf(view).length === 1;
    });
    const shown = await evidence(controller.viewer);
    expect(sliceOf(shown)).toEqual([]);
    expect(shown.signals[0]?.pools[0]?.hidden).toMatchObject({ below: 5 });
  });
});
