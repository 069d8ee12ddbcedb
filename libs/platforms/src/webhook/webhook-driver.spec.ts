import type { WebhookSettings } from '#libs/contracts';
import { platformDriverConformance, type PlatformFault } from '#test/conformance/platform-driver';
import { oneFault } from '#test/kit/one-fault';
import { startWebhookReceiver, type ReceiverFault } from '#test/kit/webhook-receiver';
import { describe, expect, it } from 'vitest';
import { WebhookDriver } from '../index.js';

const FAULTS: Readonly<Record<PlatformFault, ReceiverFault>> = {
  'before-effect': 'cut-off',
  'after-effect': 'lost-answer',
  'timeout-before-effect': 'timeout',
  'timeout-after-effect': 'timeout-after',
  throttled: 'throttled',
  'server-error': 'server-error',
  'server-error-after-effect': 'server-error-after',
  'expired-credentials': 'forbidden',
  nonsense: 'nonsense',
};

const setting = async (change: Partial<WebhookSettings> = {}) => {
  const receiver = await startWebhookReceiver();
  const settingsOf = (target: string): WebhookSettings => ({
    url: `${receiver.url}/${target}`,
    secretEnv: ['OLD_SECRET', 'SECRET'],
    readBack: true,
    poll: 60_000,
    onDrift: 'hold',
    check: 60_000,
    ...change,
  });
  const environment = { SECRET: receiver.secret, OLD_SECRET: 'whsec_b2xk' };
  const clock = { now: () => Date.now() };
  const driver = (timeoutMs = 5_000) => new WebhookDriver({ settingsOf, clock, environment, timeoutMs });
  return { receiver, settingsOf, driver, clock };
};

platformDriverConformance('webhook', async () => {
  const { receiver, driver, settingsOf } = await setting();
  return {
    driver: () => oneFault(driver(), () => receiver.breakNext(undefined)),
    impatient: () => driver(1_000),
    breakNext: (when) => receiver.breakNext(FAULTS[when]),
    breakNextRead: (when) => receiver.breakNextRead(FAULTS[when]),
    delayNextAnswer: () => receiver.holdNext('answer'),
    impossible: { 'half-applied': 'one request holds all of it' },
    advance: (ms) => receiver.advance(ms),
    leaseMs: 0,
    foreign: {
      registered: (target) => ({
        driver: 'webhook',
        settings: settingsOf(target),
        config: { key: 'router', kind: 'quality' },
      }),
      takesMs: (ms) => receiver.takesMs(ms),
      strangerWrites: (target) => Promise.resolve(receiver.write(`/${target}`, '{"flags":{"mine":{}}}')),
      delayNextWrite: () => receiver.holdNext(),
    },
    close: () => receiver.close(),
  };
});

describe('a webhook', () => {
  it('waits as long as a receiver that has too much to do asks for', async () => {
    const { receiver, driver } = await setting();
    receiver.breakNext('throttled');
    expect(await driver().apply('t', {}, 7)).toMatchObject({ kind: 'throttled', retryAfterMs: 2_000 });
    await receiver.close();
  });

  it('names the variable whose secret is missing, and sends nothing without it', async () => {
    const { receiver, settingsOf, clock } = await setting();
    const driver = new WebhookDriver({ settingsOf, clock, environment: { SECRET: receiver.secret } });
    expect(await driver.apply('t', {}, 7)).toMatchObject({
      kind: 'denied',
      message: expect.stringContaining('OLD_SECRET'),
    });
    expect(receiver.held('/t')).toBeUndefined();
    await receiver.close();
  });

  it('is not read back where the receiver does not say what it holds', async () => {
    const { receiver, driver } = await setting({ readBack: false });
    expect(driver().capabilities('t').readsBack).toBe(false);
    await expect(driver().read('t')).rejects.toThrow('readBack');
    await receiver.close();
  });
});
