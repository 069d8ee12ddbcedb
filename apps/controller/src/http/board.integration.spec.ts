import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BoardView, EventList, WhoAmI } from '#libs/contracts';
import { hear } from '#test/kit/hear';
import { ask, clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, TARGETS, world } from '#test/kit/manifests';
import { reachesStatus } from '#test/kit/rollouts';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;
let fleet: TinyFleet;
let paused: string;
let settled: string;

const board = async (): Promise<BoardView> => BoardView.parse((await ask(controller.viewer, 'GET', '/v1/board')).json);
const events = async (query: string) =>
  EventList.parse((await ask(controller.viewer, 'GET', `/v1/events?${query}`)).json);

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
  ({ id: paused } = await client.start({
    config: 'router.context',
    plan: 'three-platforms',
    reason: 'longer contexts',
  }));
  await client.command(paused, 'pause', { reason: 'lunch is ready' });
});

afterAll(async () => {
  await fleet.stop();
  await controller.stop();
  await database.drop();
});

describe('The board', () => {
  it('has what waits for a person, why, and what ended', async () => {
    const { running, ended, position } = await board();
    expect(running).toMatchObject([{ id: paused, held: { by: 'person', reason: 'lunch is ready', until: null } }]);
    expect(ended).toMatchObject([{ id: settled, status: 'settled', health: 'shown-fine' }]);
    expect(ended[0]?.tracks.every(({ passed, stages }) => passed === stages)).toBe(true);
    expect(position).toBeGreaterThan(0);
  });

  it('has for each config and target what is to be served there, and since when', async () => {
    const { configs, targets } = await board();
    expect(targets.map(({ target }) => target).toSorted()).toEqual([...TARGETS].toSorted());
    expect(targets.every(({ instances }) => instances === 1)).toBe(true);
    const cells = (name: string) => configs.find((each) => each.config === name)?.cells ?? [];
    const settledAt = (await clientOf(controller.viewer).rollout(settled)).endedAt;
    for (const cell of cells('sampler'))
      expect(cell).toMatchObject({ control: 2, candidate: null, shareBp: null, health: 'steady', since: settledAt });
    const held = cells('router.context').filter(({ rollout }) => rollout === paused);
    expect(held).toMatchObject([{ target: 'api-tpu', control: 1, candidate: 2 }]);
  });
});

describe('Who asks', () => {
  it.each(['admin', 'operator', 'viewer', 'service'] as const)('learns that it is the %s', async (role) => {
    const who = WhoAmI.parse((await ask(controller[role], 'GET', '/v1/whoami')).json);
    expect(who.role).toBe(role);
    expect(Object.keys(who).toSorted()).toEqual(['expiresAt', 'role', 'subject']);
  });
});

describe('The log, newest first', () => {
  it('is the log from its other end, page by page, with nothing left out or twice', async () => {
    const forwards = await clientOf(controller.viewer).events({}, { limit: 1_000 });
    const last = forwards.items.at(-1)?.position ?? 0;
    const positions: number[] = [];
    let cursor: string | null = String(last + 1);
    while (cursor !== null) {
      const page = await events(`order=newest&limit=7&cursor=${cursor}`);
      positions.push(...page.items.map(({ position }) => position));
      cursor = page.nextCursor;
    }
    expect(positions).toEqual(forwards.items.map(({ position }) => position).toReversed());
  });

  it('ends where it is asked to end', async () => {
    const { items, nextCursor } = await events('order=newest&after=3&limit=1000');
    expect(items.at(-1)?.position).toBe(4);
    expect(nextCursor).toBeNull();
  });
});

describe('The log, searched', () => {
  it('finds words in what happened, in reasons and in names, in any case of letters', async () => {
    const found = await events('q=LUNCH');
    expect(found.items.map(({ type }) => type)).toEqual(['RolloutHeld']);
    expect((await events('q=nobody+said+this')).items).toEqual([]);
  });

  it('finds several types at once', async () => {
    const { items } = await events(`type=RolloutStarted,RolloutSettled&rollout=${settled}`);
    expect(items.map(({ type }) => type)).toEqual(['RolloutStarted', 'RolloutSettled']);
  });

  it('finds who did it, and all that came of it at once', async () => {
    const [held] = (await events('type=RolloutHeld')).items;
    const byActor = await events(`actor=${encodeURIComponent(held?.actor.name ?? '')}&type=RolloutHeld`);
    expect(byActor.items).toEqual([held]);
    const [started] = (await events(`type=RolloutStarted&rollout=${paused}`)).items;
    const together = await events(`correlation=${encodeURIComponent(started?.correlationId ?? '')}`);
    expect(together.items.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['RolloutPlanned', 'RolloutStarted', 'StageEntered', 'ExposureRequested']),
    );
    expect((await events(`event=${started?.eventId}`)).items[0]).toEqual(started);
  });

  it('finds a span of time, its end not included', async () => {
    const [held] = (await events('type=RolloutHeld')).items;
    const at = encodeURIComponent(held?.recordedAt ?? '');
    expect((await events(`type=RolloutHeld&since=${at}`)).items).toHaveLength(1);
    expect((await events(`type=RolloutHeld&until=${at}`)).items).toHaveLength(0);
    expect((await ask(controller.viewer, 'GET', '/v1/events?since=yesterday')).status).toBe(400);
  });
});

describe('The stream', () => {
  const heardOf = (query: string, enough: (text: string) => boolean) => hear(controller.viewer, query, enough);

  it('tells of new assessments who asks for it, without a position to resume from', async () => {
    const text = await heardOf('?progress=true', (heard) => heard.includes(paused));
    const frame = text.split('\n\n').find((each) => each.startsWith('event: progress'));
    expect(frame).toBe(`event: progress\ndata: ${JSON.stringify({ rollouts: [paused] })}`);
  });

  it('does not tell others', async () => {
    const client = clientOf(controller.operator);
    const heard = heardOf('', (text) => text.includes('back from lunch'));
    const after = await heardOf('?progress=true', (text) => text.includes('event: progress'));
    expect(after).toContain('event: progress');
    await client.command(paused, 'pause', { reason: 'back from lunch' });
    expect(await heard).not.toContain('event: progress');
  });
});
