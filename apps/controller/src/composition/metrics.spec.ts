import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { FleetTarget } from '#libs/domain';
import { aPlan, aRollout, type RolloutStory } from '#libs/testing';
import { registerMetrics } from './metrics.js';

const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
let reader: PeriodicExportingMetricReader;
let provider: MeterProvider;

beforeEach(() => {
  exporter.reset();
  reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  provider = new MeterProvider({ readers: [reader] });
  metrics.disable();
  metrics.setGlobalMeterProvider(provider);
});
afterEach(async () => {
  await provider.shutdown();
  metrics.disable();
});

const registered = (target: string): FleetTarget => ({
  target,
  platform: 'api',
  labels: {},
  models: ['sonnet'],
  driver: 'pull',
  settings: {},
  retired: false,
  acknowledged: 0,
  drift: null,
  generation: 1,
  version: 1,
});

const watch = (story: RolloutStory): void => {
  const entry = { version: 1, position: 1, lastEvent: '', startedBy: 'ada', reason: '' };
  registerMetrics({
    view: {
      fleet: { targets: new Map(['api-us', 'api-eu'].map((target) => [target, registered(target)])) },
      get rollouts() {
        return new Map([[story.rollout.id, { ...entry, rollout: story.rollout }]]);
      },
    },
    head: async () => 0,
    readers: () => [],
    streams: () => 0,
    now: () => story.now,
  });
};
/** By target, and step where there is one, what a gauge tells now. */
const told = async (name: string): Promise<Readonly<Record<string, unknown>>> => {
  exporter.reset();
  await reader.forceFlush();
  const found = exporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics)
    .flatMap((scope) => scope.metrics)
    .filter(({ descriptor }) => descriptor.name === name);
  const points = found.flatMap((each) => (each.dataPointType === DataPointType.GAUGE ? each.dataPoints : []));
  return Object.fromEntries(
    points.map(({ value, attributes: { target, step, status } }) => [
      [target, step, status].filter((part) => part !== undefined).join(' '),
      value,
    ]),
  );
};

it('what is not read back, or not drained, is told target by target with its age, and as nothing once it is over', async () => {
  const story = aRollout(aPlan()).arrives().waits(5_000);
  watch(story);
  const nothing = { 'api-us': 0, 'api-eu': 0 };
  const closed = {
    'api-us reading-back': 0,
    'api-eu reading-back': 0,
    'api-us draining': 0,
    'api-eu draining': 0,
  };
  expect(await told('headgate.rollback.open')).toEqual(closed);
  expect(await told('headgate.delivery.failing')).toEqual(nothing);
  story
    .looks({ verdicts: { 'script-errors': 'fail' } })
    .delivers('api-us')
    .waits(1_000);
  story.looks({ targets: { 'api-eu': undefined } });
  story.does({ type: 'RecordExposureFailed', target: 'api-eu', generation: 99, error: 'no answer' });
  story.waits(6 * 3_600_000);
  expect(await told('headgate.rollback.open')).toEqual({
    ...closed,
    'api-us draining': 21_601,
    'api-eu reading-back': 21_601,
  });
  expect(await told('headgate.delivery.failing')).toEqual({ ...nothing, 'api-eu': 21_600 });
  expect(await told('headgate.rollouts')).toMatchObject({ 'rolling-back': 1, staging: 0 });
  story.reachesStatus('rolled-back');
  expect(await told('headgate.rollback.open')).toEqual(closed);
  expect(await told('headgate.delivery.failing')).toEqual(nothing);
  expect(await told('headgate.rollouts')).toMatchObject({ 'rolling-back': 0, 'rolled-back': 1 });
});
