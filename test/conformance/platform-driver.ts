import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Heartbeat, PlatformDriver } from '#libs/platforms';

/** One platform, and what the suite must be able to do to it. */
export type PlatformUnderTest = {
  /** A driver as another controller would have it, over the same platform. */
  readonly driver: () => PlatformDriver;
  /** The next apply gets no answer: `before-effect` never arrived, `after-effect` was done. */
  readonly breakNext: (when: 'before-effect' | 'after-effect') => void;
  /** A heartbeat of an instance, now. */
  readonly acknowledge: (target: string, instance: string, heartbeat: Heartbeat) => Promise<void>;
  /** Lets time pass. */
  readonly advance: (ms: number) => void;
  readonly leaseMs: number;
  readonly close: () => Promise<void>;
};

const ruleset = (content: string) => ({ flags: {}, metadata: { content } });

/** What every driver must do, faults included; each driver's spec calls it once. */
export const platformDriverConformance = (name: string, start: () => Promise<PlatformUnderTest>): void => {
  describe(`the ${name} driver`, () => {
    let platform: PlatformUnderTest;
    let driver: PlatformDriver;
    let count = 0;
    const target = () => `target-${count}`;
    beforeEach(async () => {
      platform = await start();
      driver = platform.driver();
      count += 1;
    });
    afterEach(() => platform.close());

    it('says that nothing is live on a target that was never told anything', async () => {
      expect(await driver.read(target())).toBeUndefined();
      expect(await driver.observe(target())).toEqual({ instances: [], silent: [] });
    });

    it('reads back exactly what was applied', async () => {
      expect(await driver.apply(target(), ruleset('one'), 7)).toEqual({ kind: 'applied', generation: 7 });
      expect(await driver.read(target())).toEqual({ generation: 7, ruleset: ruleset('one') });
    });

    it('keeps targets apart', async () => {
      await driver.apply(target(), ruleset('one'), 7);
      await driver.apply(`${target()}-other`, ruleset('other'), 3);
      expect(await driver.read(target())).toEqual({ generation: 7, ruleset: ruleset('one') });
      expect(await driver.read(`${target()}-other`)).toEqual({ generation: 3, ruleset: ruleset('other') });
    });

    it('takes the same generation again without harm', async () => {
      await driver.apply(target(), ruleset('one'), 7);
      expect(await driver.apply(target(), ruleset('one'), 7)).toEqual({ kind: 'applied', generation: 7 });
    });

    it('refuses an older generation that arrives late, and says what is live', async () => {
      await driver.apply(target(), ruleset('new'), 8);
      const outcome = await driver.apply(target(), ruleset('old'), 7);
      expect(outcome).toMatchObject({ kind: 'conflict', reason: 'superseded', current: 8 });
      expect(await driver.read(target())).toEqual({ generation: 8, ruleset: ruleset('new') });
    });

    it('refuses another content under a generation that is live', async () => {
      await driver.apply(target(), ruleset('one'), 7);
      const outcome = await driver.apply(target(), ruleset('two'), 7);
      expect(outcome).toMatchObject({ kind: 'conflict', reason: 'different-ruleset', current: 7 });
      expect(await driver.read(target())).toEqual({ generation: 7, ruleset: ruleset('one') });
    });

    it.each([0, -1, 1.5, Number.NaN, 2 ** 53])('rejects generation %d, which no log can have', async (generation) => {
      expect(await driver.apply(target(), ruleset('one'), generation)).toMatchObject({ kind: 'rejected' });
      expect(await driver.read(target())).toBeUndefined();
    });

    it('rejects a ruleset that clients could not receive', async () => {
      const outcome = await driver.apply(target(), ruleset('x'.repeat(5 * 1024 * 1024)), 7);
      expect(outcome).toMatchObject({ kind: 'rejected', message: expect.stringContaining('smaller') });
    });

    it('says that it does not know when no answer came, and a repetition then applies', async () => {
      platform.breakNext('before-effect');
      expect(await driver.apply(target(), ruleset('one'), 7)).toMatchObject({ kind: 'unknown' });
      expect(await driver.read(target())).toBeUndefined();
      expect(await driver.apply(target(), ruleset('one'), 7)).toEqual({ kind: 'applied', generation: 7 });
    });

    it('says that it does not know when the answer was lost, and a repetition finds it done', async () => {
      platform.breakNext('after-effect');
      expect(await driver.apply(target(), ruleset('one'), 7)).toMatchObject({ kind: 'unknown' });
      expect(await driver.read(target())).toEqual({ generation: 7, ruleset: ruleset('one') });
      expect(await driver.apply(target(), ruleset('one'), 7)).toEqual({ kind: 'applied', generation: 7 });
    });

    it('never lets the repetition of a lost apply overwrite what another controller did since', async () => {
      platform.breakNext('after-effect');
      await driver.apply(target(), ruleset('old'), 7);
      await platform.driver().apply(target(), ruleset('new'), 8);
      expect(await driver.apply(target(), ruleset('old'), 7)).toMatchObject({ reason: 'superseded', current: 8 });
      expect(await driver.read(target())).toEqual({ generation: 8, ruleset: ruleset('new') });
    });

    it('ends with the newest generation when two controllers apply at once', async () => {
      const drivers = [driver, platform.driver()];
      const applies = Array.from({ length: 20 }, (_, index) =>
        drivers[index % 2]?.apply(target(), ruleset(`${index}`), ((index * 7) % 20) + 1),
      );
      const outcomes = await Promise.all(applies);
      expect(outcomes.filter((outcome) => !['applied', 'conflict'].includes(outcome?.kind ?? ''))).toEqual([]);
      expect(await driver.read(target())).toMatchObject({ generation: 20 });
    });

    it('holds the highest generation after any sequence of applies and faults by two controllers', async () => {
      const step = fc.record({
        generation: fc.integer({ min: 1, max: 12 }),
        controller: fc.integer({ min: 0, max: 1 }),
        fault: fc.constantFrom(undefined, undefined, 'before-effect' as const, 'after-effect' as const),
      });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          const place = `${target()}-run-${(run += 1)}`;
          const drivers = [driver, platform.driver()];
          let highest = 0;
          for (const { generation, controller, fault } of steps) {
            if (fault !== undefined) platform.breakNext(fault);
            const outcome = await drivers[controller]?.apply(place, ruleset(`${generation}`), generation);
            if (fault !== 'before-effect') highest = Math.max(highest, generation);
            if (fault === undefined) expect(outcome?.kind).toBe(generation < highest ? 'conflict' : 'applied');
            expect((await driver.read(place))?.generation ?? 0).toBe(highest);
          }
        }),
        { numRuns: 25 },
      );
    });

    it('tells what each instance evaluates with, and why one does not', async () => {
      await driver.apply(target(), ruleset('one'), 7);
      await platform.acknowledge(target(), 'i-2', { generation: 0, error: 'cannot parse' });
      await platform.acknowledge(target(), 'i-1', { generation: 7 });
      expect((await platform.driver().observe(target())).instances).toMatchObject([
        { instance: 'i-1', generation: 7, error: null },
        { instance: 'i-2', generation: 0, error: 'cannot parse' },
      ]);
    });

    it('keeps only the last word of an instance', async () => {
      await driver.apply(target(), ruleset('one'), 7);
      await platform.acknowledge(target(), 'i-1', { generation: 0, error: 'cannot parse' });
      platform.advance(10);
      await platform.acknowledge(target(), 'i-1', { generation: 7 });
      expect((await driver.observe(target())).instances).toMatchObject([{ generation: 7, error: null }]);
    });

    it('calls an instance silent when its lease has run out, and live when it speaks again', async () => {
      await driver.apply(target(), ruleset('one'), 7);
      await platform.acknowledge(target(), 'i-1', { generation: 7 });
      platform.advance(platform.leaseMs);
      const gone = await driver.observe(target());
      expect([gone.instances.length, gone.silent.map(({ instance }) => instance)]).toEqual([0, ['i-1']]);
      await platform.acknowledge(target(), 'i-1', { generation: 7 });
      expect((await driver.observe(target())).instances).toMatchObject([{ instance: 'i-1' }]);
    });

    it('does not believe an acknowledgement of a generation that the target never had', async () => {
      await driver.apply(target(), ruleset('one'), 7);
      await platform.acknowledge(target(), 'i-1', { generation: 900 });
      const [instance] = (await driver.observe(target())).instances;
      expect(instance?.error).toContain('never had');
    });
  });
};
