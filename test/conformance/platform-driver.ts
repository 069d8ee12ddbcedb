import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JsonObject } from '#libs/kernel';
import type { PlatformDriver } from '#libs/platforms';
import { faultConformance } from './driver-faults.js';
import {
  deliver,
  skipped,
  type PlatformFault,
  type PlatformTrouble,
  type PlatformUnderTest,
  type Setting,
} from './platform-under-test.js';
import { strangerConformance } from './stranger.js';

export type { PlatformFault, PlatformUnderTest } from './platform-under-test.js';

const anyRuleset = (content: string): JsonObject => ({ flags: {}, metadata: { content } });

/** Faults that show at once, as far as they can happen there. */
const quickFaults = ({ impossible = {} }: PlatformUnderTest): readonly PlatformFault[] =>
  (
    [
      'before-effect',
      'after-effect',
      'throttled',
      'server-error',
      'server-error-after-effect',
      'expired-credentials',
      'nonsense',
    ] as const
  ).filter((fault) => impossible[fault] === undefined);

/** What every driver must do, faults included; each driver's spec calls it once. */
export const platformDriverConformance = (name: string, start: () => Promise<PlatformUnderTest>): void => {
  describe(`the ${name} driver`, () => {
    let platform: PlatformUnderTest;
    let driver: PlatformDriver;
    let count = 0;
    const target = () => `target-${count}`;
    const ruleset = (content: string) => (platform.rulesetOf ?? anyRuleset)(content);
    const held = (content: string) => driver.heldForm(target(), ruleset(content));
    beforeEach(async () => {
      platform = await start();
      driver = platform.driver();
      count += 1;
    });
    afterEach(() => platform.close());

    it('says that nothing is live on a target that was never told anything', async () => {
      expect(await driver.read(target())).toBeUndefined();
      expect(await driver.observe(target())).toMatchObject({ instances: [], silent: [] });
    });

    it('reads back exactly what was applied', async () => {
      expect(await driver.apply(target(), ruleset('one'), 7)).toEqual({ kind: 'applied', generation: 7 });
      expect(await driver.read(target())).toEqual({ generation: 7, ruleset: held('one') });
    });

    it('keeps targets apart', async () => {
      await driver.apply(target(), ruleset('one'), 7);
      await driver.apply(`${target()}-other`, ruleset('other'), 3);
      expect(await driver.read(target())).toEqual({ generation: 7, ruleset: held('one') });
      expect(await driver.read(`${target()}-other`)).toEqual({ generation: 3, ruleset: held('other') });
    });

    it('takes the same generation again without harm', async () => {
      await driver.apply(target(), ruleset('one'), 7);
      expect(await driver.apply(target(), ruleset('one'), 7)).toEqual({ kind: 'applied', generation: 7 });
    });

    it('refuses an older generation that arrives late, and says what is live', async () => {
      await driver.apply(target(), ruleset('new'), 8);
      const outcome = await driver.apply(target(), ruleset('old'), 7);
      expect(outcome).toMatchObject({ kind: 'conflict', reason: 'superseded', current: 8 });
      expect(await driver.read(target())).toEqual({ generation: 8, ruleset: held('new') });
    });

    it('refuses another content under a generation that is live', async () => {
      await driver.apply(target(), ruleset('one'), 7);
      const outcome = await driver.apply(target(), ruleset('two'), 7);
      expect(outcome).toMatchObject({ kind: 'conflict', reason: 'different-ruleset', current: 7 });
      expect(await driver.read(target())).toEqual({ generation: 7, ruleset: held('one') });
    });

    it.each([0, -1, 1.5, Number.NaN, 2 ** 53])('rejects generation %d, which no log can have', async (generation) => {
      expect(await driver.apply(target(), ruleset('one'), generation)).toMatchObject({ kind: 'rejected' });
      expect(await driver.read(target())).toBeUndefined();
    });

    it('rejects a ruleset that clients could not receive', async (context) => {
      if (platform.rulesetOf) return context.skip('it holds another form');
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
      expect(await driver.read(target())).toEqual({ generation: 7, ruleset: held('one') });
      expect(await driver.apply(target(), ruleset('one'), 7)).toEqual({ kind: 'applied', generation: 7 });
    });

    it('never lets the repetition of a lost apply overwrite what another controller did since', async () => {
      platform.breakNext('after-effect');
      await driver.apply(target(), ruleset('old'), 7);
      await platform.driver().apply(target(), ruleset('new'), 8);
      expect(await driver.apply(target(), ruleset('old'), 7)).toMatchObject({ reason: 'superseded', current: 8 });
      expect(await driver.read(target())).toEqual({ generation: 8, ruleset: held('new') });
    });

    it('ends with the newest generation when two controllers apply at once', async () => {
      const drivers = [driver, platform.driver()];
      // Each of them takes several calls where the platform is reached over the network.
      const writers = platform.foreign ? 10 : 20;
      const applies = Array.from({ length: writers }, (_, index) =>
        deliver(drivers[index % 2] ?? driver, target(), ruleset(`${index}`), ((index * 7) % writers) + 1),
      );
      const outcomes = await Promise.all(applies);
      expect(outcomes.filter(({ kind }) => !['applied', 'conflict'].includes(kind))).toEqual([]);
      expect(await driver.read(target())).toMatchObject({ generation: writers });
    });

    it('holds the highest generation after any sequence of applies and faults by two controllers', async () => {
      const step = fc.record({
        generation: fc.integer({ min: 1, max: 12 }),
        controller: fc.integer({ min: 0, max: 1 }),
        fault: fc.constantFrom<PlatformFault | undefined>(undefined, undefined, undefined, ...quickFaults(platform)),
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
            if (fault === undefined || fault.endsWith('after-effect')) highest = Math.max(highest, generation);
            if (fault === undefined) expect(outcome?.kind).toBe(generation < highest ? 'conflict' : 'applied');
            expect((await driver.read(place))?.generation ?? 0).toBe(highest);
          }
        }),
        { numRuns: platform.foreign ? 12 : 25 },
      );
    });

    it('tells what each instance evaluates with, and why one does not', async (context) => {
      if (!platform.acknowledge) return context.skip('instances say nothing there');
      await driver.apply(target(), ruleset('one'), 7);
      await platform.acknowledge?.(target(), 'i-2', { generation: 0, error: 'cannot parse' });
      await platform.acknowledge?.(target(), 'i-1', { generation: 7 });
      expect((await platform.driver().observe(target())).instances).toMatchObject([
        { instance: 'i-1', generation: 7, error: null },
        { instance: 'i-2', generation: 0, error: 'cannot parse' },
      ]);
    });

    it('keeps only the last word of an instance', async (context) => {
      if (!platform.acknowledge) return context.skip('instances say nothing there');
      await driver.apply(target(), ruleset('one'), 7);
      await platform.acknowledge?.(target(), 'i-1', { generation: 0, error: 'cannot parse' });
      platform.advance(10);
      await platform.acknowledge?.(target(), 'i-1', { generation: 7 });
      expect((await driver.observe(target())).instances).toMatchObject([{ generation: 7, error: null }]);
    });

    it('calls an instance silent when its lease has run out, and live when it speaks again', async (context) => {
      if (!platform.acknowledge) return context.skip('instances say nothing there');
      await driver.apply(target(), ruleset('one'), 7);
      await platform.acknowledge?.(target(), 'i-1', { generation: 7 });
      platform.advance(platform.leaseMs);
      const gone = await driver.observe(target());
      expect([gone.instances.length, gone.silent.map(({ instance }) => instance)]).toEqual([0, ['i-1']]);
      await platform.acknowledge?.(target(), 'i-1', { generation: 7 });
      expect((await driver.observe(target())).instances).toMatchObject([{ instance: 'i-1' }]);
    });

    it('does not believe an acknowledgement of a generation that the target never had', async (context) => {
      if (!platform.acknowledge) return context.skip('instances say nothing there');
      await driver.apply(target(), ruleset('one'), 7);
      await platform.acknowledge?.(target(), 'i-1', { generation: 900 });
      const [instance] = (await driver.observe(target())).instances;
      expect(instance?.error).toContain('never had');
    });

    it('says nothing of instances where they say nothing', async (context) => {
      if (platform.acknowledge) return context.skip('instances speak there');
      await driver.apply(target(), ruleset('one'), 7);
      expect(driver.capabilities(target()).acknowledgesInstances).toBe(false);
      expect(await driver.observe(target())).toEqual({ instances: [], silent: [] });
    });

    faultConformance(() => ({ platform, driver, target: target(), ruleset, held }));
    foreignConformance(() => ({ platform, driver, target: target(), ruleset, held }));
    strangerConformance(() => ({ platform, driver, target: target() }));
  });
};

/** What holds where the platform is somebody else's: other writers, and its own time. */
const foreignConformance = (setting: () => Setting): void => {
  const needs = (context: { skip: (why?: string) => never }, what: PlatformTrouble) => {
    const { platform, ...others } = setting();
    skipped(context, platform, what);
    const { foreign } = platform;
    return foreign ? { platform, foreign, ...others } : context.skip('nobody else can write there');
  };

  it('brings to its end what was half done', async (context) => {
    const { foreign, driver, target, ruleset, held } = needs(context, 'half-applied');
    if (!foreign.breakHalfway) throw new Error('Give breakHalfway, or say why nothing is ever half applied.');
    foreign.breakHalfway();
    expect((await driver.apply(target, ruleset('one'), 7)).kind).toBe('unknown');
    expect(await driver.read(target)).toBeUndefined();
    expect(await deliver(driver, target, ruleset('one'), 7)).toEqual({ kind: 'applied', generation: 7 });
    expect(await driver.read(target)).toEqual({ generation: 7, ruleset: held('one') });
  });

  it('does not say that it is applied before it is', async (context) => {
    const { platform, foreign, driver, target, ruleset } = needs(context, 'slow');
    if (!foreign.takesMs) throw new Error('Give takesMs, or say why nothing takes time.');
    foreign.takesMs(60_000);
    expect(await driver.apply(target, ruleset('one'), 7)).toEqual({ kind: 'in-progress', generation: 7 });
    expect(await driver.apply(target, ruleset('one'), 7)).toEqual({ kind: 'in-progress', generation: 7 });
    expect((await driver.read(target))?.generation ?? 0).toBe(0);
    platform.advance(60_000);
    expect(await driver.apply(target, ruleset('one'), 7)).toEqual({ kind: 'applied', generation: 7 });
  });

  it('takes a newer generation while an older one is on its way, and never the other way round', async (context) => {
    const { platform, foreign, driver, target, ruleset, held } = needs(context, 'slow');
    if (!foreign.takesMs) throw new Error('Give takesMs, or say why nothing takes time.');
    foreign.takesMs(60_000);
    await driver.apply(target, ruleset('old'), 7);
    await driver.apply(target, ruleset('new'), 8);
    expect(await platform.driver().apply(target, ruleset('old'), 7)).not.toMatchObject({ kind: 'applied' });
    for (let waited = 0; waited < 4; waited += 1) {
      platform.advance(60_000);
      await driver.apply(target, ruleset('new'), 8);
    }
    expect(await driver.read(target)).toEqual({ generation: 8, ruleset: held('new') });
    expect(await driver.apply(target, ruleset('old'), 7)).toMatchObject({ reason: 'superseded', current: 8 });
  });

  it('refuses an old generation whose write was under way while a newer one was applied', async (context) => {
    const { platform, foreign, driver, target, ruleset, held } = needs(context, 'reordered');
    const letGo = foreign.delayNextWrite();
    const late = driver.apply(target, ruleset('old'), 7);
    await vi.waitFor(() => expect(letGo.isWaiting()).toBe(true), { timeout: 5_000, interval: 5 });
    await deliver(platform.driver(), target, ruleset('new'), 8);
    letGo();
    expect(await late).not.toMatchObject({ kind: 'applied' });
    expect(await driver.read(target)).toEqual({ generation: 8, ruleset: held('new') });
    expect(await driver.apply(target, ruleset('old'), 7)).toMatchObject({ reason: 'superseded', current: 8 });
  });

  it('reads what a stranger wrote as what it is, and the next generation puts it right', async (context) => {
    const { foreign, driver, target, ruleset, held } = needs(context, 'stranger');
    await deliver(driver, target, ruleset('one'), 7);
    await foreign.strangerWrites(target);
    expect(await driver.read(target)).not.toEqual({ generation: 7, ruleset: held('one') });
    expect(await deliver(driver, target, ruleset('two'), 8)).toEqual({ kind: 'applied', generation: 8 });
    expect(await driver.read(target)).toEqual({ generation: 8, ruleset: held('two') });
  });
};
