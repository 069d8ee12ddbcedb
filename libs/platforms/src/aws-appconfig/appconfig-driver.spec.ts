import { platformDriverConformance } from '#test/conformance/platform-driver';
import { emulatedAppConfig } from '#test/kit/emulated-appconfig';
import { oneFault } from '#test/kit/one-fault';
import { storeFaults } from '#test/kit/store-faults';
import { describe, expect, it } from 'vitest';
import { AppConfigDriver } from '../index.js';

platformDriverConformance('AppConfig', async () => {
  let passed = 0;
  const now = () => Date.now() + passed;
  const { emulator, settingsOf } = await emulatedAppConfig({ now });
  return {
    driver: () => oneFault(new AppConfigDriver({ settingsOf, clock: { now } }), () => emulator.play([])),
    impatient: () => new AppConfigDriver({ settingsOf, clock: { now }, timeoutMs: 1_000 }),
    ...storeFaults(emulator, 'appconfig', 'StartDeployment'),
    advance: (ms) => {
      passed += ms;
    },
    leaseMs: 0,
    foreign: {
      registered: (target) => ({
        driver: 'aws-appconfig',
        settings: settingsOf(target),
        config: { key: 'router', kind: 'quality' },
      }),
      strangerWrites: async (target) => {
        const { application, environment, profile, strategy } = settingsOf(target);
        const { state } = emulator.appConfig;
        const content = '{"flags":{"mine":{}}}';
        const { number } = state.createVersion(
          application,
          profile,
          { content, contentType: 'application/json', label: 'hotfix', description: undefined },
          undefined,
        );
        state.start({ application, environment }, { profile, version: String(number), strategy }, undefined);
      },
      takesMs: (ms) => {
        emulator.takesMs = ms;
      },
      delayNextWrite: () => emulator.hold('appconfig', 'StartDeployment'),
      breakHalfway: () => emulator.play([{ service: 'appconfig', fault: 'cut-off', operation: 'StartDeployment' }]),
    },
    close: () => emulator.close(),
  };
});

describe('AppConfig', () => {
  it('is waited for no longer than is said, and the effect is then unknown', async () => {
    const { emulator, settingsOf } = await emulatedAppConfig();
    const driver = new AppConfigDriver({ settingsOf, clock: { now: () => Date.now() }, timeoutMs: 300 });
    emulator.play([{ service: 'appconfig', fault: 'timeout' }]);
    expect(await driver.apply('api', {}, 7)).toMatchObject({ kind: 'unknown' });
    await emulator.close();
  });

  it('deploys one thing at a time: what another profile deploys is waited for, never stopped', async () => {
    const { emulator, settingsOf } = await emulatedAppConfig();
    const driver = new AppConfigDriver({ settingsOf, clock: { now: () => Date.now() } });
    const { application, environment, strategy } = settingsOf('api');
    const { state } = emulator.appConfig;
    const profile = state.createProfile(application, 'other').id;
    state.createVersion(
      application,
      profile,
      { content: '{}', contentType: '', label: undefined, description: undefined },
      0,
    );
    emulator.takesMs = 3_600_000;
    const other = state.start({ application, environment }, { profile, version: '1', strategy }, undefined);
    expect(await driver.apply('api', {}, 7)).toMatchObject({
      kind: 'throttled',
      message: expect.stringContaining('another profile'),
    });
    expect(state.stateOf(other)).toBe('DEPLOYING');
    emulator.takesMs = 0;
    expect(await driver.apply('api', {}, 7)).toEqual({ kind: 'applied', generation: 7 });
    await emulator.close();
  });

  it('is not fought with: what an alarm took back rests before it is tried again, and a newer generation does not', async () => {
    let passed = 0;
    const now = () => Date.now() + passed;
    const { emulator, settingsOf } = await emulatedAppConfig({ now });
    const driver = new AppConfigDriver({ settingsOf, clock: { now } });
    const { application, environment } = settingsOf('api');
    emulator.takesMs = 1_000;
    await driver.apply('api', {}, 7);
    emulator.appConfig.state.stop(application, environment, '1', false);
    emulator.takesMs = 0;
    expect(await driver.apply('api', {}, 7)).toMatchObject({
      kind: 'rejected',
      message: expect.stringContaining('alarm'),
    });
    expect(await driver.apply('api', {}, 8)).toEqual({ kind: 'applied', generation: 8 });
    const other = settingsOf('other');
    emulator.takesMs = 1_000;
    await driver.apply('other', {}, 7);
    emulator.appConfig.state.stop(other.application, other.environment, '1', false);
    passed += 301_000;
    emulator.takesMs = 0;
    expect(await driver.apply('other', {}, 7)).toEqual({ kind: 'applied', generation: 7 });
    await emulator.close();
  });
});
