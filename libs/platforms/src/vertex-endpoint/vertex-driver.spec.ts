import type { JsonObject } from '#libs/kernel';
import { platformDriverConformance, type PlatformFault } from '#test/conformance/platform-driver';
import { emulatedEndpoints, GOOGLE_ENVIRONMENT, StoreEmulator } from '#test/kit/emulated-google';
import { oneFault } from '#test/kit/one-fault';
import { describe, expect, it } from 'vitest';
import { VertexDriver } from '../index.js';

const operation = 'UpdateEndpoint';
const FAULTS = {
  'before-effect': { fault: 'cut-off' },
  'after-effect': { fault: 'lost-answer', operation },
  throttled: { fault: 'throttled' },
  'server-error': { fault: 'server-error' },
  'server-error-after-effect': { fault: 'server-error-after', operation },
  'expired-credentials': { fault: 'expired-credentials' },
  nonsense: { fault: 'nonsense' },
} as const satisfies Readonly<Record<PlatformFault, unknown>>;

const setting = async () => {
  const emulator = await StoreEmulator.start();
  const settingsOf = emulatedEndpoints(emulator);
  const driver = () => new VertexDriver({ settingsOf, environment: GOOGLE_ENVIRONMENT });
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
    breakNext: (when) => emulator.play([{ service: 'vertex', ...FAULTS[when] }]),
    advance: () => undefined,
    leaseMs: 0,
    rulesetOf: (content) => split(percentOf(content) * 100),
    foreign: {
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
