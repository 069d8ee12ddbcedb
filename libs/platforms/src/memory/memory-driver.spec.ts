import { platformDriverConformance } from '#test/conformance/platform-driver';
import { describe, expect, it } from 'vitest';
import { MemoryDriver, MemoryPlatform, type RulesetSnapshot } from '../index.js';

const LEASE_MS = 15_000;

const WHY = 'it lives in this process, and there is no line to it';
const IN_PROCESS = {
  throttled: WHY,
  'server-error': WHY,
  'server-error-after-effect': WHY,
  'expired-credentials': WHY,
  nonsense: WHY,
  'timeout-before-effect': WHY,
  'timeout-after-effect': WHY,
  reordered: WHY,
};

platformDriverConformance('memory', () => {
  let now = 1_000_000;
  const platform = new MemoryPlatform();
  const driver = () => new MemoryDriver({ now: () => now }, platform, LEASE_MS);
  return Promise.resolve({
    driver,
    breakNext: (when) => platform.breakNext(when === 'before-effect' ? when : 'after-effect'),
    impossible: IN_PROCESS,
    acknowledge: (target, instance, heartbeat) => driver().acknowledge(target, instance, heartbeat, now),
    advance: (ms) => {
      now += ms;
    },
    leaseMs: LEASE_MS,
    close: () => Promise.resolve(),
  });
});

describe('the feed of the memory platform', () => {
  it('rings once for each newer generation, and never for an older one', async () => {
    const driver = new MemoryDriver({ now: () => 0 });
    const heard: RulesetSnapshot[] = [];
    const unsubscribe = driver.platform.feed.onChange((snapshot) => heard.push(snapshot));
    for (const generation of [2, 1, 2, 5]) await driver.apply('api-tpu', {}, generation);
    unsubscribe();
    await driver.apply('api-tpu', {}, 6);
    expect(heard.map(({ generation }) => generation)).toEqual([2, 5]);
    expect(driver.platform.feed.current('api-tpu')?.generation).toBe(6);
  });
});
