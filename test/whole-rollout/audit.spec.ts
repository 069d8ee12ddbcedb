import { beforeEach, describe, expect, it } from 'vitest';
import { Auditor, CommandRunner, LiveView, rulesetOf } from '#libs/application';
import { eventCodec, newestVersion, type HeadgateEvent } from '#libs/domain';
import { MemoryEventStore } from '#libs/event-store';
import type { JsonObject } from '#libs/kernel';
import { CountedIds, MemoryDelivery, VirtualClock } from '#libs/testing';

const TARGET = 'edge';
const CHECK_MS = 60_000;
/** Poll 60 s, and 15 s besides. */
const TAKEN_MS = 75_000;

let clock: VirtualClock;
let store: MemoryEventStore;
let view: LiveView;
let delivery: MemoryDelivery;
let auditor: Auditor;
let held: { generation: number; ruleset: JsonObject } | undefined;

const ids = new CountedIds('event');
const record = async (streamId: string, event: HeadgateEvent): Promise<void> => {
  const occurredAt = new Date(clock.now()).toISOString();
  const metadata = { actor: { kind: 'person' as const, name: 'ada' }, commandId: 'setting', correlationId: 'setting' };
  const whole = {
    ...event,
    eventId: ids.next(),
    schemaVersion: newestVersion(event.type),
    metadata: { ...metadata, occurredAt, precision: 'instant' as const },
  };
  await store.append({ streams: [{ streamId, expectedVersion: 'any', events: [whole] }] });
  await catchUp();
};
const catchUp = async (): Promise<void> => {
  for (const event of await store.readAll({ after: view.position, limit: 1_000 })) view.apply(event);
};
const target = () => {
  const known = view.fleet.targets.get(TARGET);
  if (!known) throw new Error('The target is not registered.');
  return known;
};
const arrives = (): void => {
  held = { generation: target().generation, ruleset: rulesetOf(view, target()) };
};
/** One look, and in how many ms the next one is due. */
const look = async (): Promise<number> => {
  const task = { id: `audit/${TARGET}`, kind: 'audit', dueAt: 0, payload: { target: TARGET } };
  const next = await auditor.run({ ...task, token: 't', attempts: 1, leaseUntil: 0 });
  await catchUp();
  return next.kind === 'again' ? next.atMs - clock.now() : -1;
};
const twice = async (): Promise<void> => {
  await look();
  await look();
};
const drifts = async () =>
  (await store.readStream(`target-${TARGET}`)).filter(({ type }) => type.startsWith('Drift')).map(({ data }) => data);
const registered = async (onDrift: 'hold' | 'put-back'): Promise<void> => {
  const settings = { url: 'https://edge.example', secretEnv: 'SECRET', onDrift };
  const data = { target: TARGET, platform: 'edge', labels: {}, models: ['sonnet'], driver: 'webhook', settings };
  await record(`target-${TARGET}`, { type: 'TargetRegistered', data });
};

beforeEach(() => {
  clock = new VirtualClock();
  store = new MemoryEventStore({ codec: eventCodec, clock });
  view = new LiveView();
  delivery = new MemoryDelivery();
  delivery.read = () => Promise.resolve(held);
  held = undefined;
  const runner = new CommandRunner(store, clock, ids);
  store.onCommit(() => void catchUp());
  auditor = new Auditor(runner, view, delivery, () => store.head());
});

describe('a look at what a target holds', () => {
  it('finds nothing where it holds what was asked, and comes again after the time that its settings say', async () => {
    await registered('hold');
    arrives();
    expect(await look()).toBe(CHECK_MS);
    expect(await drifts()).toEqual([]);
  });

  it('calls nothing a drift that has not been delivered yet', async () => {
    await registered('hold');
    held = { generation: 0, ruleset: { flags: { old: {} } } };
    await twice();
    expect(await drifts()).toEqual([]);
  });

  it('finds what a stranger wrote when it has seen it twice, and says it once', async () => {
    await registered('hold');
    arrives();
    await look();
    held = { generation: 0, ruleset: {} };
    expect(await look()).toBeLessThan(CHECK_MS);
    expect(await drifts()).toEqual([]);
    await twice();
    expect(await drifts()).toMatchObject([
      { held: null, action: 'hold', detail: expect.stringContaining('never wrote') },
    ]);
  });

  it('finds a content that was changed under the generation that was asked, and names the configs', async () => {
    await registered('hold');
    arrives();
    await look();
    held = { generation: target().generation, ruleset: { flags: { mine: {} } } };
    await twice();
    expect(await drifts()).toMatchObject([{ detail: expect.stringContaining("config mine is not Headgate's") }]);
  });

  it('finds that it went back, that it holds nothing, and that it says what no log has', async () => {
    await registered('hold');
    const settings = { ...target().settings, url: 'https://other.example' };
    const data = { target: TARGET, labels: {}, models: ['sonnet'], settings };
    await record(`target-${TARGET}`, { type: 'TargetLabelled', data });
    arrives();
    await look();
    const details: string[] = [];
    for (const seen of [{ generation: 1, ruleset: {} }, undefined, { generation: 900, ruleset: {} }]) {
      held = seen;
      await twice();
      details.push(String(target().drift?.detail));
    }
    expect(details).toEqual([
      expect.stringContaining('back at generation 1'),
      expect.stringContaining('holds nothing'),
      expect.stringContaining('which no log has'),
    ]);
  });

  it('ends the drift when it holds again what was asked', async () => {
    await registered('hold');
    arrives();
    await look();
    held = undefined;
    await twice();
    arrives();
    await look();
    expect((await drifts()).length).toBe(2);
    expect(target().drift).toBeNull();
  });

  it('rule 6: has it put back under a generation of its own, where the target says so', async () => {
    await registered('put-back');
    arrives();
    await look();
    const before = target().generation;
    held = undefined;
    await twice();
    expect(target().generation).toBeGreaterThan(before);
    await twice();
    expect(await drifts()).toHaveLength(1);
  });

  it('knows nothing of a target that cannot be asked', async () => {
    await registered('hold');
    arrives();
    await look();
    delivery.read = () => Promise.reject(new Error('it does not answer'));
    expect(await look()).toBe(CHECK_MS);
    expect(await drifts()).toEqual([]);
  });

  it('notes what has been there for as long as readers need, so that it is known after a restart', async () => {
    await registered('hold');
    arrives();
    await look();
    clock.advance(TAKEN_MS);
    await look();
    expect(target().acknowledged).toBe(target().generation);
    auditor = new Auditor(new CommandRunner(store, clock, ids), view, delivery, () => store.head());
    held = undefined;
    await twice();
    expect(await drifts()).toHaveLength(1);
  });
});
