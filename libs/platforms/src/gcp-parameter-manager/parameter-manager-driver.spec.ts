import { platformDriverConformance } from '#test/conformance/platform-driver';
import { emulatedParameters, GOOGLE_ENVIRONMENT, StoreEmulator } from '#test/kit/emulated-google';
import { oneFault } from '#test/kit/one-fault';
import { storeFaults } from '#test/kit/store-faults';
import { describe, expect, it } from 'vitest';
import { ParameterManagerDriver } from '../index.js';

const operation = 'CreateParameterVersion';
const setting = async () => {
  const emulator = await StoreEmulator.start();
  const settingsOf = emulatedParameters(emulator);
  const driver = (timeoutMs = 10_000) =>
    new ParameterManagerDriver({ settingsOf, environment: GOOGLE_ENVIRONMENT, timeoutMs });
  return { emulator, settingsOf, driver };
};
const nameOf = ({ project, location, parameter }: { project: string; location: string; parameter: string }) =>
  `projects/${project}/locations/${location}/parameters/${parameter}`;

platformDriverConformance('Parameter Manager', async () => {
  const { emulator, settingsOf, driver } = await setting();
  return {
    driver: () => oneFault(driver(), () => emulator.play([])),
    impatient: () => driver(1_000),
    ...storeFaults(emulator, 'parameter-manager', operation),
    impossible: {
      'half-applied': 'one write does all of it',
      slow: 'a version is there once its write is answered',
    },
    advance: () => undefined,
    leaseMs: 0,
    foreign: {
      registered: (target) => ({
        driver: 'gcp-parameter-manager',
        settings: settingsOf(target),
        config: { key: 'router', kind: 'quality' },
      }),
      strangerWrites: (target) => Promise.resolve(emulator.parameterManager.disableAll(nameOf(settingsOf(target)))),
      delayNextWrite: () => emulator.hold('parameter-manager', operation),
    },
    close: () => emulator.close(),
  };
});

describe('Parameter Manager', () => {
  it('does not enable by itself what somebody disabled: it takes a newer generation', async () => {
    const { emulator, settingsOf, driver } = await setting();
    await driver().apply('vertex', {}, 7);
    emulator.parameterManager.disableAll(nameOf(settingsOf('vertex')));
    expect(await driver().apply('vertex', {}, 7)).toMatchObject({
      reason: 'different-ruleset',
      message: expect.stringContaining('disabled'),
    });
    await emulator.close();
  });

  it('keeps the last twenty versions, for each one that is enabled costs', async () => {
    const { emulator, driver } = await setting();
    for (let generation = 1; generation <= 24; generation += 1)
      await driver().apply('vertex', { generation }, generation);
    expect(emulator.requests('parameter-manager', 'DeleteParameterVersion')).toBe(4);
    expect(await driver().read('vertex')).toEqual({ generation: 24, ruleset: { generation: 24 } });
    await emulator.close();
  });

  it('says which variable is missing when a token is to come from one', async () => {
    const { emulator, settingsOf } = await setting();
    const driver = new ParameterManagerDriver({ settingsOf, environment: {} });
    expect(await driver.apply('vertex', {}, 7)).toMatchObject({
      kind: 'denied',
      message: expect.stringContaining('EMULATED_TOKEN'),
    });
    await emulator.close();
  });
});
