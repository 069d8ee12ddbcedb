import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TooBroadError } from '#libs/application';
import { AtView, EventList, OpenChanges } from '#libs/contracts';
import { asHeadgateEvent, eventCodec, Fleet } from '#libs/domain';
import { createPool } from '#libs/postgres';
import { emptyPast } from '../apps/controller/src/composition/past-writer.js';
import { PostgresPast } from '../apps/controller/src/composition/past.js';
import { foldedAt } from './kit/folded-at.js';
import { ask, clientOf } from './kit/http.js';
import { startInProcess, type InProcess } from './kit/in-process.js';
import { readLog } from './kit/log.js';
import { config, TARGETS, world } from './kit/manifests.js';
import { reachesStatus } from './kit/rollouts.js';
import { TinyFleet } from './kit/tiny-fleet.js';
import { until } from './kit/until.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

let database: TestDatabase;
let controller: InProcess;
let fleet: TinyFleet;
let settled: string;
let aborted: string;

const at = async (query: string): Promise<AtView> =>
  AtView.parse((await ask(controller.viewer, 'GET', `/v1/at?${query}`)).json);
const open = async (query: string): Promise<OpenChanges> =>
  OpenChanges.parse((await ask(controller.viewer, 'GET', `/v1/changes/open?${query}`)).json);
const eventsOf = async (type: string, rollout: string) =>
  (await clientOf(controller.viewer).events({ type, rollout })).items;
const firstOf = async (type: string, rollout: string) => {
  const [event] = await eventsOf(type, rollout);
  if (!event) throw new Error(`Rollout ${rollout} has no ${type}.`);
  return event;
};
const timeOf = (time: string): string => `time=${encodeURIComponent(time)}`;

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  const client = clientOf(controller.operator);
  await client.apply({ manifests: world(), reason: 'the first things' });
  fleet = new TinyFleet(controller.service, TARGETS).start();
  await until('traffic is counted', () => TARGETS.every((target) => (fleet.counted.get(target) ?? 0) > 0));
  await client.apply({ manifests: [config('sampler', { top_k: 20 }), config('router.context', { window: 400_000 })] });
  ({ id: settled } = await client.start({ config: 'sampler', plan: 'three-platforms', reason: 'fewer choices' }));
  await reachesStatus(client, settled, 'settled');
  ({ id: aborted } = await client.start({ config: 'router.context', plan: 'holds-at-ten', reason: 'longer contexts' }));
  await until('the first stage has arrived', async () => {
    const [target] = (await client.rollout(aborted)).targets;
    return target?.converged === true;
  });
  await client.command(aborted, 'abort', { reason: 'wrong day' });
  await reachesStatus(client, aborted, 'rolled-back');
});

afterAll(async () => {
  await fleet.stop();
  await controller.stop();
  await database.drop();
});

describe('What every target was desired to serve', () => {
  it('is at every position of the log what the log up to there folds to', async () => {
    const folded = new Fleet();
    const log = (await readLog(database.pool)).map((event) => asHeadgateEvent(eventCodec.decode(event)));
    for (const event of log) {
      folded.apply(event);
      expect(await at(`position=${event.position}`), `at position ${event.position}`).toMatchObject(foldedAt(folded));
    }
    expect(await at('position=0')).toMatchObject({ at: null, position: 0, targets: [] });
  });

  it('comes out the same after what is kept of the past was lost and is made anew', async () => {
    const before = await at('position=60');
    await emptyPast(database.pool);
    await clientOf(controller.operator).apply({ manifests: [config('sampler', { top_k: 30 })] });
    await until('it is made anew', async () => (await at('position=60')).targets.length === before.targets.length);
    expect(await at('position=60')).toEqual(before);
  });

  it('names the change that made it so, with who and why', async () => {
    const event = await firstOf('ExposureRequested', settled);
    const { targets } = await at(`position=${event.position}&target=api-tpu&config=sampler`);
    expect(targets[0]?.configs).toMatchObject([
      {
        config: 'sampler',
        candidate: 2,
        shareBp: 1_000,
        rollout: settled,
        since: { position: event.position, type: 'ExposureRequested', reason: 'fewer choices', precision: 'instant' },
      },
    ]);
  });
});

describe('What is known of its arrival', () => {
  it('holds what came later as well, and says that it came later', async () => {
    const asked = await firstOf('ExposureRequested', settled);
    const [target] = (await at(`position=${asked.position}&target=api-tpu`)).targets;
    expect(target?.delivered).toMatchObject({ generation: asked.position, later: true });
    expect(target?.acknowledged).toMatchObject({ generation: asked.position, instances: 1, later: true });
  });

  it('is as it was known then: an acknowledgement that was recorded later is not among it', async () => {
    const asked = await firstOf('ExposureRequested', aborted);
    const then = `${timeOf(asked.recordedAt)}&target=api-tpu`;
    const known = await at(`${then}&asKnownAt=${encodeURIComponent(asked.recordedAt)}`);
    expect(known.targets[0]).toMatchObject({ generation: asked.position, delivered: null, acknowledged: null });
    expect(known.knownAt).toBe(asked.recordedAt);
    const converged = await firstOf('TargetConverged', aborted);
    const since = await at(`${then}&asKnownAt=${encodeURIComponent(converged.recordedAt)}`);
    expect(since.targets[0]?.acknowledged).toMatchObject({ recordedAt: converged.recordedAt, later: true });
  });

  it('says how a withdrawal ended, and before that, that it was not over', async () => {
    const begun = await firstOf('RollbackStarted', aborted);
    const drained = await firstOf('TargetDrained', aborted);
    const { outcome } = drained.data as { readonly outcome: string };
    const drainAt = async (query: string) =>
      (await at(`${query}&target=api-tpu&config=router.context`)).targets[0]?.configs[0]?.drain;
    const asKnown = `&asKnownAt=${encodeURIComponent(begun.recordedAt)}`;
    expect(await drainAt(`${timeOf(begun.recordedAt)}${asKnown}`)).toMatchObject({
      rollout: aborted,
      state: 'draining',
    });
    expect(await drainAt(timeOf(begun.recordedAt))).toMatchObject({ state: outcome, later: true });
    expect(await drainAt(`position=${drained.position}`)).toMatchObject({ state: outcome, later: false });
  });

  it('tells of each instance when it is asked for, also of one that could say so only later', async () => {
    const { generation } = await clientOf(controller.viewer).target('api-tpu');
    const since = (await firstOf('TargetDrained', aborted)).recordedAt;
    await clientOf(controller.service).acknowledge('api-tpu', 'was-cut-off', { generation, since });
    const of = async (query: string) =>
      (await at(`${query}&target=api-tpu&instances=true`)).targets[0]?.instances?.find(
        ({ instance }) => instance === 'was-cut-off',
      );
    expect(await of(timeOf(since))).toMatchObject({ generation, since });
    expect(await of(`${timeOf(since)}&asKnownAt=${encodeURIComponent(since)}`)).toBeUndefined();
  });
});

describe('History', () => {
  type Page = { readonly positions: readonly number[]; readonly cursor: string | null };
  const page = async (query: string): Promise<Page> => {
    const { items, nextCursor } = EventList.parse((await ask(controller.viewer, 'GET', `/v1/events?${query}`)).json);
    return { positions: items.map(({ position }) => position), cursor: nextCursor };
  };
  const pages = async (query: string): Promise<number[]> => {
    const found: number[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const got: Page = await page(`${query}&limit=7${cursor === '' ? '' : `&cursor=${cursor}`}`);
      found.push(...got.positions);
      ({ cursor } = got);
    }
    return found;
  };
  const told = async (fits: (text: string) => boolean): Promise<number[]> =>
    (await readLog(database.pool)).filter(({ data }) => fits(JSON.stringify(data))).map(({ position }) => position);

  it('of a target is every event that names it, page by page from either end, with nothing left out or twice', async () => {
    const events = await clientOf(controller.viewer).events({}, { limit: 1_000 });
    const named = events.items.flatMap(({ position, data }) => {
      const { target, targets } = data as { readonly target?: unknown; readonly targets?: unknown };
      return target === 'api-tpu' || (Array.isArray(targets) && targets.includes('api-tpu')) ? [position] : [];
    });
    expect(named.length).toBeGreaterThan(20);
    expect(await pages('target=api-tpu')).toEqual(named);
    expect(await pages('target=api-tpu&order=newest')).toEqual(named.toReversed());
    expect(await pages('platform=api')).toEqual(named);
  });

  it('of a rollout holds what its config says of it', async () => {
    const ofRollout = await told((text) => text.includes(`"rollout":"${aborted}"`));
    expect(await pages(`rollout=${aborted}`)).toEqual(ofRollout);
    expect(await pages(`config=router.context`)).toEqual(expect.arrayContaining(ofRollout));
  });

  it('of a span of time begins and ends with it, also among the events of one target', async () => {
    const { recordedAt, position } = await firstOf('RollbackStarted', aborted);
    const [until, since] = [`until=${encodeURIComponent(recordedAt)}`, `since=${encodeURIComponent(recordedAt)}`];
    const before = await pages(`target=api-tpu&${until}`);
    const after = await pages(`target=api-tpu&${since}`);
    expect([...before, ...after]).toEqual(await pages('target=api-tpu'));
    expect([before.includes(position), after.includes(position)]).toEqual([false, true]);
  });

  it('says what set off what: a delivery names the exposure that was asked for', async () => {
    const asked = await firstOf('ExposureRequested', aborted);
    expect((await firstOf('ExposureChanged', aborted)).causationId).toBe(asked.eventId);
    expect((await firstOf('TargetConverged', aborted)).causationId).not.toBeNull();
  });
});

describe('A question that is too broad', () => {
  it('is ended after a time, and the answer says what to narrow', async () => {
    const pool = createPool(database.url, { max: 1, statementTimeoutMs: 50 });
    const blocker = await database.pool.connect();
    await blocker.query('begin');
    await blocker.query('lock table read_models.mentions in access exclusive mode');
    const asked = { subjects: ['target/api-tpu'], after: 0, before: 9, order: 'oldest', limit: 1 } as const;
    const refusal = await new PostgresPast(pool).mentioned(asked).catch((error: unknown) => error);
    await blocker.query('rollback');
    blocker.release();
    await pool.end();
    expect(refusal).toBeInstanceOf(TooBroadError);
    expect(String(refusal)).toContain('name a target, a config or a rollout');
  });
});

describe('Open changes', () => {
  it('are those in flight then, with their state, exposure, person and reason of then', async () => {
    const asked = await firstOf('TargetConverged', aborted);
    const { items } = await open(`at=${encodeURIComponent(asked.recordedAt)}&target=api-tpu`);
    expect(items).toMatchObject([
      {
        rollout: aborted,
        config: 'router.context',
        status: 'staging',
        endedAt: null,
        reason: 'longer contexts',
        exposures: [{ target: 'api-tpu', platform: 'api', shareBp: 1_000 }],
      },
      { rollout: settled, status: 'settled', exposures: [{ target: 'api-tpu', shareBp: 10_000 }] },
    ]);
    expect(items[1]?.endedAt).not.toBeNull();
  });

  it('are those of the slice only, and none of what ended too long before', async () => {
    expect((await open('platform=vertex')).items.map(({ rollout }) => rollout)).toEqual([settled]);
    expect((await open('config=router.context')).items.map(({ rollout }) => rollout)).toEqual([aborted]);
    expect((await open('lookBackHours=0')).items).toEqual([]);
  });

  it('were none before the first rollout', async () => {
    const started = await firstOf('RolloutPlanned', settled);
    const before = new Date(Date.parse(started.recordedAt) - 1).toISOString();
    expect((await open(`at=${encodeURIComponent(before)}`)).items).toEqual([]);
  });

  it('cannot be asked of the future, nor of a target that is not there', async () => {
    expect((await ask(controller.viewer, 'GET', '/v1/changes/open?at=2999-01-01T00:00:00Z')).status).toBe(400);
    expect((await ask(controller.viewer, 'GET', '/v1/changes/open?target=mars')).status).toBe(404);
  });
});
