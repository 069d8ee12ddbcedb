import { expect, it, vi } from 'vitest';
import type { PlatformDriver } from '#libs/platforms';
import { deliver, skipped, type PlatformFault, type Setting } from './platform-under-test.js';

/** How each fault that has no effect is called. */
const WITHOUT_EFFECT = [
  ['throttled', 'throttled'],
  ['server-error', 'unknown'],
  ['expired-credentials', 'denied'],
  ['nonsense', 'unknown'],
  ['timeout-before-effect', 'unknown'],
] as const;
const WITH_EFFECT = ['server-error-after-effect', 'timeout-after-effect'] as const;

/** What holds where there is a line to the platform, and it can fail in whatever way. */
export const faultConformance = (setting: () => Setting): void => {
  const of = (what: PlatformFault): PlatformDriver => {
    const { platform, driver } = setting();
    return what.startsWith('timeout') ? (platform.impatient?.() ?? driver) : driver;
  };

  it.for(WITHOUT_EFFECT)(
    'meets %s without effect, calls it %s, and a repetition applies',
    async ([fault, kind], context) => {
      const { platform, driver, target, ruleset } = setting();
      skipped(context, platform, fault);
      platform.breakNext(fault);
      const outcome = await of(fault).apply(target, ruleset('one'), 7);
      expect(outcome.kind).toBe(kind);
      expect('message' in outcome && outcome.message).toContain(target);
      expect(await driver.read(target)).toBeUndefined();
      expect(await deliver(driver, target, ruleset('one'), 7)).toEqual({ kind: 'applied', generation: 7 });
    },
  );

  it.for(WITH_EFFECT)('finds done what met %s', async (fault, context) => {
    const { platform, driver, target, ruleset, held } = setting();
    skipped(context, platform, fault);
    platform.breakNext(fault);
    expect(await of(fault).apply(target, ruleset('one'), 7)).toMatchObject({ kind: 'unknown' });
    expect(await deliver(driver, target, ruleset('one'), 7)).toEqual({ kind: 'applied', generation: 7 });
    expect(await driver.read(target)).toEqual({ generation: 7, ruleset: held('one') });
  });

  it.for(['before-effect', ...WITHOUT_EFFECT.map(([fault]) => fault)] as const)(
    'says that a read failed with %s, and never that nothing is there',
    async (fault, context) => {
      const { platform, driver, target, ruleset, held } = setting();
      skipped(context, platform, fault);
      const { breakNextRead } = platform;
      if (breakNextRead === undefined) return context.skip('reading is no call there');
      await deliver(driver, target, ruleset('one'), 7);
      breakNextRead(fault);
      await expect(of(fault).read(target)).rejects.toThrow();
      expect(await platform.driver().read(target)).toEqual({ generation: 7, ruleset: held('one') });
    },
  );

  it('holds the newer generation when the answer to the older one comes after it', async (context) => {
    const { platform, driver, target, ruleset, held } = setting();
    skipped(context, platform, 'reordered');
    const { delayNextAnswer } = platform;
    if (delayNextAnswer === undefined) throw new Error('Give delayNextAnswer, or say why answers keep their order.');
    const letGo = delayNextAnswer();
    const late = driver.apply(target, ruleset('old'), 7);
    await vi.waitFor(() => expect(letGo.isWaiting()).toBe(true), { timeout: 5_000, interval: 5 });
    expect(await deliver(platform.driver(), target, ruleset('new'), 8)).toEqual({ kind: 'applied', generation: 8 });
    letGo();
    // It was applied, or is superseded; both are true.
    expect(['applied', 'in-progress', 'conflict']).toContain((await late).kind);
    expect(await driver.read(target)).toEqual({ generation: 8, ruleset: held('new') });
    expect(await driver.apply(target, ruleset('old'), 7)).toMatchObject({ reason: 'superseded', current: 8 });
  });
};
