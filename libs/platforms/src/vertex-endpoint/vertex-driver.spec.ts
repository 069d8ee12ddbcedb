import type { JsonObject } from '#libs/kernel';
import { platformDriverConformance } from '#test/conformance/platform-driver';
import { emulatedEndpoints, GOOGLE_ENVIRONMENT, StoreEmulator } from '#test/kit/emulated-google';
import { oneFault } from '#test/kit/one-fault';
import { storeFaults } from '#test/kit/store-faults';
import { describe, expect, it } from 'vitest';
import { VertexDriver } from '../index.js';

const operation = 'UpdateEndpoint';
const setting = async () => {
  const emulator = await StoreEmulator.start();
  const settingsOf = emulatedEndpoints(emulator);
  const driver = (timeoutMs = 10_000) => new VertexDriver({ settingsOf, environment: GOOGLE_ENVIRONMENT, timeoutMs });
  return { emulator, settingsOf, driver };
};

/** r2 with so many basis points. */
const split = (candidateBp: number): JsonObject => ({
  flags: {
    weights: {
      defaultVariant: 'r1',
      targeting: {
        if: [
          { var: 'targetingKey' },
          { fractional: [{ cat: ['x'] }, ['r2', candidateBp], ['r1', 10_000 - candidateBp]] },
          null,
        ],
      },
    },
  },
});

/** Another percentage for each word. */
const percentOf = (content: string): number =>
  [...content].reduce((sum, letter) => sum * 7 + letter.charCodeAt(0), 0) % 101;

platformDriverConformance('Vertex endpoint', async () => {
  const { emulator, settingsOf, driver } = await setting();
  return {
    driver: () => oneFault(driver(), () => emulator.play([])),
    impatient: () => driver(1_000),
    ...storeFaults(emulator, 'vertex', operation),
    impossible: {
      'half-applied': 'split and generation change in one write',
      slow: 'an endpoint splits as it says once its write is answered',
    },
    advance: () => undefined,
    leaseMs: 0,
    rulesetOf: (content) => split(percentOf(content) * 100),
    foreign: {
      registered: (target) => ({
        driver: 'vertex-endpoint',
        settings: settingsOf(target),
        config: { key: 'weights', kind: 'weights' },
      }),
      strangerWrites: (target) => {
        const { project, location, endpointId } = settingsOf(target);
        return Promise.resolve(emulator.vertex.setSplit(project, location, endpointId, { 11: 50, 22: 50 }));
      },
      delayNextWrite: () => emulator.hold('vertex', operation),
    },
    close: () => emulator.close(),
  };
});

describe('a Vertex endpoint', () => {
  it.each([
    ['a share that is no whole percent', split(50), 'whole percents'],
    [
      'a revision for which no model is deployed',
      { flags: { weights: { defaultVariant: 'r3' } } },
      'no deployed model is named for r3',
    ],
    ['a ruleset without its config', { flags: {} }, 'apply its manifest'],
  ])('rejects %s, and says what to do', async (_, ruleset, words) => {
    const { emulator, driver } = await setting();
    expect(await driver().apply('v', ruleset, 7)).toMatchObject({
      kind: 'rejected',
      message: expect.stringContaining(words),
    });
    await emulator.close();
  });

  it('keeps the labels of others', async () => {
    const { emulator, driver, settingsOf } = await setting();
    const { project, location, endpointId, endpoint } = settingsOf('v');
    const url = `${endpoint}/v1/projects/${project}/locations/${location}/endpoints/${endpointId}`;
    const headers = { authorization: 'Bearer token' };
    await fetch(`${url}?updateMask=labels`, { method: 'PATCH', headers, body: '{"labels":{"team":"a"}}' });
    await driver().apply('v', split(1_000), 7);
    const read = (await (await fetch(url, { headers })).json()) as object;
    expect(read).toMatchObject({
      labels: { team: 'a', 'headgate-generation': '7' },
      trafficSplit: { 11: 90, 22: 10 },
    });
    await emulator.close();
  });
});
