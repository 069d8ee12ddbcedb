import { describe, expect, it } from 'vitest';
import { newestVersion, type HeadgateEvent } from '#libs/domain';
import type { ClaimedTask } from '#libs/kernel';
import { CountedIds, MemoryDelivery, VirtualClock } from '#libs/testing';
import { CommandRunner } from '../commands/runner.js';
import { LiveView } from '../queries/live-view.js';
import { Deliverer } from './deliver.js';

const settled = () => new Promise((done) => setImmediate(done));

const registered = (target: string, position: number) => {
  const event: HeadgateEvent = {
    type: 'TargetRegistered',
    data: { target, platform: 'edge', labels: {}, models: ['sonnet'], driver: 'pull', settings: {} },
  };
  return {
    ...event,
    eventId: target,
    schemaVersion: newestVersion(event.type),
    streamId: `target-${target}`,
    streamVersion: 1,
    position,
    recordedAt: '2026-01-05T12:00:00.000Z',
    metadata: {
      actor: { kind: 'person' as const, name: 'ada' },
      commandId: 'setting',
      correlationId: 'setting',
      occurredAt: '2026-01-05T12:00:00.000Z',
      precision: 'instant' as const,
    },
  };
};

const taskFor = (target: string, generation: number, attempts: number): ClaimedTask => ({
  id: `deliver/${generation}`,
  kind: 'deliver',
  dueAt: 0,
  payload: { target, generation },
  token: 't',
  attempts,
  leaseUntil: 0,
});

describe('deliveries to a platform that hangs', () => {
  it('are tried a few at a time once they have failed, so that others find room', async () => {
    const clock = new VirtualClock();
    const view = new LiveView();
    const delivery = new MemoryDelivery();
    const names = Array.from({ length: 100 }, (_, n) => `down-${n}`);
    for (const [index, target] of [...names, 'well'].entries()) view.apply(registered(target, index + 1));
    const forbidden = () => Promise.reject(new Error('nothing is appended here'));
    const store = { append: forbidden } as unknown as ConstructorParameters<typeof CommandRunner>[0];
    const deliverer = new Deliverer(new CommandRunner(store, clock, new CountedIds('c')), view, delivery);
    for (const target of names) delivery.breaks(target, 'does not answer');
    const first = await Promise.all(names.map((target, index) => deliverer.run(taskFor(target, index + 1, 1))));
    expect(first.every(({ kind }) => kind === 'again')).toBe(true);

    let tried = 0;
    let answer: () => void = () => undefined;
    const hangs = new Promise<void>((resolve) => (answer = resolve));
    const apply = delivery.apply.bind(delivery);
    delivery.apply = async (target, ruleset, generation) => {
      if (target !== 'well') {
        tried += 1;
        await hangs;
      }
      return apply(target, ruleset, generation);
    };
    const again = names.map((target, index) => deliverer.run(taskFor(target, index + 1, 2)));
    await settled();
    expect(tried).toBe(32);
    expect(await deliverer.run(taskFor('well', names.length + 1, 1))).toEqual({ kind: 'done' });
    for (const target of names) delivery.heals(target);
    answer();
    const kinds = (await Promise.all(again)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'done')).toHaveLength(32);
    // The others come again, and nobody is left out.
    for (const [index, target] of names.entries()) await deliverer.run(taskFor(target, index + 1, 3));
    expect(names.filter((target) => delivery.serves(target) === undefined)).toEqual([]);
  });
});

describe('deliveries of one generation', () => {
  const setting = () => {
    const view = new LiveView();
    view.apply(registered('well', 1));
    const delivery = new MemoryDelivery();
    const store = {} as unknown as ConstructorParameters<typeof CommandRunner>[0];
    const runner = new CommandRunner(store, new VirtualClock(), new CountedIds('c'));
    return { delivery, deliverer: new Deliverer(runner, view, delivery) };
  };

  it('are made once for all tasks that come together or later', async () => {
    const { delivery, deliverer } = setting();
    let calls = 0;
    const apply = delivery.apply.bind(delivery);
    delivery.apply = async (...ruleset) => {
      calls += 1;
      await settled();
      return apply(...ruleset);
    };
    const together = [1, 1, 1].map((generation) => deliverer.run(taskFor('well', generation, 1)));
    expect(await Promise.all(together)).toEqual(Array.from({ length: 3 }, () => ({ kind: 'done' })));
    expect(await deliverer.run(taskFor('well', 1, 1))).toEqual({ kind: 'done' });
    expect(calls).toBe(1);
    expect(delivery.applied).toEqual([{ target: 'well', generation: 1 }]);
  });

  it('that failed are made again, and each task that shared the failure comes back', async () => {
    const { delivery, deliverer } = setting();
    delivery.breaks('well', 'does not answer');
    const together = [1, 2].map((attempts) => deliverer.run(taskFor('well', 1, attempts)));
    expect((await Promise.all(together)).map(({ kind }) => kind)).toEqual(['again', 'again']);
    delivery.heals('well');
    expect(await deliverer.run(taskFor('well', 1, 3))).toEqual({ kind: 'done' });
    expect(delivery.serves('well')).toBeDefined();
  });
});
