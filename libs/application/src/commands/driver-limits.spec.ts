import { describe, expect, it } from 'vitest';
import { aPlan, aTrack } from '#libs/testing';
import type { RegisteredConfig } from '#libs/domain';
import type { JsonObject } from '#libs/kernel';
import { Manifest } from '#libs/contracts';
import { LiveView } from '../queries/live-view.js';
import { appliedPlanLimits, delayWarnings, driverLimits } from './driver-limits.js';

const VERTEX = { project: 'my-project', location: 'europe-west1', endpointId: '7', config: 'weights' };
const settings = { ...VERTEX, deployedModels: { r1: '11', r2: '22' } };
const place = { platform: 'api', labels: {}, models: ['sonnet'] };

const viewOf = (driver: string, given: JsonObject): LiveView => {
  const view = new LiveView();
  const metadata = { actor: { kind: 'person' as const, name: 'ada' }, commandId: 'c', correlationId: 'c' };
  view.apply({
    type: 'TargetRegistered',
    data: { target: 'api-us', ...place, driver, settings: given },
    eventId: 'e',
    schemaVersion: 2,
    streamId: 'target-api-us',
    streamVersion: 1,
    position: 1,
    recordedAt: '2026-01-05T12:00:00.000Z',
    metadata: { ...metadata, occurredAt: '2026-01-05T12:00:00.000Z', precision: 'instant' },
  });
  return view;
};

const weights = {
  status: 'registered',
  key: 'weights',
  kind: 'weights',
  assignment: 'request',
  schema: null,
  description: null,
  revisions: [],
  claims: {},
  settled: {},
} as unknown as RegisteredConfig;

const stages = (...exposures: readonly number[]) =>
  aTrack('api').stages.flatMap((stage, index) => {
    const exposure = exposures[index];
    return exposure === undefined ? [] : [{ ...stage, exposure }];
  });
const planOf = (holdback: number, ...exposures: readonly number[]) =>
  aPlan(
    { holdback, tracks: [aTrack('api', { stages: stages(...exposures) })] },
    { targets: [{ target: 'api-us', ...place }] },
  );
const asked = (over: object = {}) => ({
  config: weights,
  revision: 2,
  plan: planOf(100, 1_000, 10_000),
  controls: { 'api-us': 1 },
  ...over,
});

describe('what a driver cannot do', () => {
  it('is nothing where the plan asks for no more than it can', () => {
    expect(driverLimits(viewOf('vertex-endpoint', settings), asked())).toBeUndefined();
    expect(driverLimits(viewOf('pull', {}), asked({ plan: planOf(33, 7, 10_000) }))).toBeUndefined();
  });

  it.each([
    ['a config of another kind', { config: { ...weights, kind: 'quality' } }, '/config', ['api-us', 'spec.kind']],
    ['another config', { config: { ...weights, key: 'other' } }, '/config', ['spec.settings.config']],
    [
      'a config that is assigned otherwise',
      { config: { ...weights, assignment: 'unit' } },
      '/config',
      ['spec.assignment', 'request'],
    ],
    ['a revision without a deployed model', { revision: 3 }, '/revision', ['deployedModels.r3']],
    [
      'a share that is too fine',
      { plan: planOf(100, 50, 10_000) },
      '/plan',
      ['0.5%', 'spec.tracks[0].stages[0].exposure', 'multiple of 1%'],
    ],
    ['a holdback that is too fine', { plan: planOf(50, 1_000, 10_000) }, '/plan', ['spec.holdback']],
  ])('refuses %s, with target, field and remedy', (_, over, field, words) => {
    const fault = driverLimits(viewOf('vertex-endpoint', settings), asked(over));
    expect(fault).toMatchObject({ code: 'driver-cannot', field });
    for (const word of ['api-us', ...words]) expect(fault?.message).toContain(word);
  });

  it('is what cannot be split by instance, where no instance is known', () => {
    const appConfig = {
      region: 'eu-central-1',
      application: 'abcd',
      environment: 'abcd',
      profile: 'abcd',
      strategy: 'abcd',
    };
    const byInstance = asked({ config: { ...weights, assignment: 'instance' } });
    expect(driverLimits(viewOf('aws-appconfig', appConfig), byInstance)?.message).toContain('unit or request');
  });

  it.each([
    ['a share', { exposure: '0.5%' }, {}, '/spec/tracks/0/stages/0/exposure', '0.5%'],
    ['a holdback', {}, { holdback: '0.5%' }, '/spec/holdback', 'spec.holdback'],
  ])(
    'is found in %s of a plan that is applied, also for a target that comes with it',
    (_, stage, over, field, words) => {
      const plan = Manifest.parse({
        apiVersion: 'headgate.dev/v1',
        kind: 'Plan',
        metadata: { name: 'fine' },
        spec: {
          signals: [{ signal: 'errors' }],
          tracks: [
            {
              name: 'all',
              targets: { platform: 'api' },
              stages: [
                { exposure: '1%', bake: '1m', ...stage },
                { exposure: '100%', bake: '1m' },
              ],
            },
          ],
          ...over,
        },
      });
      const manifest = Manifest.parse({
        apiVersion: 'headgate.dev/v1',
        kind: 'Target',
        metadata: { name: 'api-eu' },
        spec: { ...place, driver: 'vertex-endpoint', settings },
      });
      const fault = { code: 'driver-cannot', message: expect.stringContaining(words) };
      expect(appliedPlanLimits(viewOf('vertex-endpoint', settings), [plan])).toMatchObject({
        ...fault,
        field: `/manifests/0${field}`,
      });
      expect(appliedPlanLimits(new LiveView(), [manifest, plan])).toMatchObject({ field: `/manifests/1${field}` });
      expect(appliedPlanLimits(viewOf('pull', {}), [plan])).toBeUndefined();
    },
  );

  it('is said of stages that are shorter than a delivery may take to arrive, with the number', () => {
    const webhook = { url: 'https://config.example.com/x', secretEnv: 'SECRET', poll: '60s' };
    const plan = planOf(100, 1_000, 10_000);
    expect(delayWarnings(viewOf('webhook', webhook), plan)).toEqual([expect.stringMatching(/api-us may take 75 s/)]);
    expect(delayWarnings(viewOf('pull', {}), plan)).toEqual([]);
  });
});
