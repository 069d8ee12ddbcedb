import { expect, it } from 'vitest';
import { Auditor, CommandRunner, Deliverer, Delivery, LiveView } from '#libs/application';
import { eventCodec, newestVersion, type HeadgateEvent } from '#libs/domain';
import { MemoryEventStore } from '#libs/event-store';
import type { ClaimedTask, JsonObject } from '#libs/kernel';
import type { PlatformDriver } from '#libs/platforms';
import { CountedIds, VirtualClock } from '#libs/testing';
import type { PlatformUnderTest, Registered } from './platform-under-test.js';

type Setting = { readonly platform: PlatformUnderTest; readonly driver: PlatformDriver; readonly target: string };

class Driven extends Delivery {
  constructor(private readonly driver: PlatformDriver) {
    super();
  }
  apply(...what: Parameters<Delivery['apply']>): ReturnType<Delivery['apply']> {
    return this.driver.apply(...what);
  }
  read(target: string): ReturnType<Delivery['read']> {
    return this.driver.read(target);
  }
  observe(target: string): ReturnType<Delivery['observe']> {
    return this.driver.observe(target);
  }
  override heldForm(target: string, ruleset: JsonObject): JsonObject {
    return this.driver.heldForm(target, ruleset);
  }
}

/** A log with one target and one config, and those who deliver and look after it. */
const furnished = async ({ driver, target }: Setting, registered: Registered, onDrift: 'hold' | 'put-back') => {
  const clock = new VirtualClock();
  const store = new MemoryEventStore({ codec: eventCodec, clock });
  const view = new LiveView();
  const ids = new CountedIds('event');
  const runner = new CommandRunner(store, clock, ids);
  const delivery = new Driven(driver);
  const deliverer = new Deliverer(runner, view, delivery);
  const auditor = new Auditor(runner, view, delivery, () => store.head());
  let isFollowing = Promise.resolve();
  const follow = (): Promise<void> =>
    (isFollowing = isFollowing.then(async () => {
      for (const event of await store.readAll({ after: view.position, limit: 1_000 })) view.apply(event);
    }));
  store.onCommit(() => void follow());
  const record = async (streamId: string, event: HeadgateEvent): Promise<void> => {
    const occurredAt = new Date(clock.now()).toISOString();
    const actor = { kind: 'person' as const, name: 'ada' };
    const metadata = {
      actor,
      commandId: 'setting',
      correlationId: 'setting',
      occurredAt,
      precision: 'instant' as const,
    };
    const whole = { ...event, eventId: ids.next(), schemaVersion: newestVersion(event.type), metadata };
    await store.append({ streams: [{ streamId, expectedVersion: 'any', events: [whole] }] });
    await follow();
  };
  const { key, kind } = registered.config;
  // Times have their defaults: manifests write them in words.
  const given = Object.entries(registered.settings as JsonObject).filter(
    ([name]) => name !== 'poll' && name !== 'check',
  );
  const settings = { ...Object.fromEntries(given), onDrift };
  const data = { target, platform: 'edge', labels: {}, models: ['sonnet'], driver: registered.driver, settings };
  await record(`target-${target}`, { type: 'TargetRegistered', data });
  await record(`config-${key}`, {
    type: 'ConfigRegistered',
    data: { key, kind, assignment: 'request', description: null, schema: null },
  });
  const value = { pool: 'a' };
  await record(`config-${key}`, {
    type: 'RevisionProposed',
    data: { key, revision: 1, digest: 'd', value, links: [], baseline: true },
  });
  const known = () => {
    const found = view.fleet.targets.get(target);
    if (!found) throw new Error('The target is not registered.');
    return found;
  };
  const task = (kind_: string, payload: JsonObject): ClaimedTask => ({
    id: kind_,
    kind: kind_,
    dueAt: 0,
    payload,
    token: 't',
    attempts: 1,
    leaseUntil: 0,
  });
  const delivers = async (): Promise<void> => {
    const payload = { target, generation: known().generation };
    for (let attempt = 0; attempt < 200; attempt += 1)
      if ((await deliverer.run(task('deliver', payload))).kind === 'done') return;
    throw new Error('It is still not delivered after 200 attempts.');
  };
  const looks = async (times: number): Promise<void> => {
    for (let look = 0; look < times; look += 1) {
      await auditor.run(task('audit', { target }));
      await follow();
    }
  };
  const drifts = async () =>
    (await store.readStream(`target-${target}`)).filter(({ type }) => type.startsWith('Drift'));
  const moves = () =>
    record(`target-${target}`, { type: 'DriftFound', data: { ...NEWER, target, generation: known().generation } });
  return { known, delivers, looks, drifts, moves };
};

/** Stands for whatever asks something of the target next. */
const NEWER = { held: null, detail: 'asked anew', action: 'put-back' } as const;

/** What becomes of a stranger's write, from the log to the platform and back. */
export const strangerConformance = (setting: () => Setting): void => {
  const needs = (context: { skip: (why?: string) => never }) => {
    const whole = setting();
    const why = whole.platform.impossible?.['stranger'];
    if (why !== undefined) return context.skip(`stranger cannot happen: ${why}`);
    const { foreign } = whole.platform;
    return foreign ? { ...whole, foreign } : context.skip('nobody else can write there');
  };

  it("records the drift of a stranger's write and leaves it there where the policy is hold, until something is asked", async (context) => {
    const { foreign, driver, target, platform } = needs(context);
    const log = await furnished({ driver, target, platform }, foreign.registered(target), 'hold');
    await log.delivers();
    await log.looks(1);
    await foreign.strangerWrites(target);
    const theirs = await driver.read(target);
    await log.looks(3);
    const drifts = await log.drifts();
    expect(drifts.map(({ type }) => type)).toEqual(['DriftFound']);
    expect(drifts[0]?.data).toMatchObject({ action: 'hold', generation: log.known().generation });
    expect(await driver.read(target)).toEqual(theirs);
    await log.moves();
    await log.delivers();
    expect((await driver.read(target))?.generation).toBe(log.known().generation);
    await log.looks(1);
    expect((await log.drifts()).at(-1)?.type).toBe('DriftEnded');
  });

  it("puts a stranger's write back under a generation of its own where the policy is put-back", async (context) => {
    const { foreign, driver, target, platform } = needs(context);
    const log = await furnished({ driver, target, platform }, foreign.registered(target), 'put-back');
    await log.delivers();
    await log.looks(1);
    const before = await driver.read(target);
    await foreign.strangerWrites(target);
    await log.looks(2);
    const [found] = await log.drifts();
    expect(found?.data).toMatchObject({ action: 'put-back' });
    expect(log.known().generation).toBe(found?.position);
    await log.delivers();
    const after = await driver.read(target);
    expect(after?.generation).toBe(found?.position);
    expect(servedOf(after?.ruleset)).toEqual(servedOf(before?.ruleset));
    await log.looks(1);
    expect((await log.drifts()).map(({ type }) => type)).toEqual(['DriftFound', 'DriftEnded']);
  });
};

/** What is served, without the generations that it says. */
const servedOf = (ruleset: JsonObject | undefined): unknown =>
  JSON.parse(JSON.stringify(ruleset ?? null), (name: string, value: unknown) =>
    name === 'metadata' ? undefined : value,
  );
