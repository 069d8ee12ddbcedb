import { expect, it } from 'vitest';
import { CONFIG, configRegistered, Controller, revisionOf, runUntil, World } from '#test/whole-rollout/world';
import { FleetExposures } from './exposures.js';
import { FleetSignalSources } from './signal-sources.js';

const plan = revisionOf('plan/quick', 1, {
  holdback: '20%',
  watch: '5s',
  signals: [{ signal: 'script-errors', tolerate: 'none' }],
  tracks: [{ name: 'api', targets: ['api-us'], stages: [{ exposure: '100%', bake: '1s' }] }],
});

it('outcomes count for a rollout as long as it runs, and no longer: nobody would ever look at them', async () => {
  const world = new World();
  await world.furnish(plan);
  const controller = new Controller(world, 'one');
  const exposures = new FleetExposures(controller.view);
  const outcome = await controller.start({ config: CONFIG, plan: 'quick', revision: 2 });
  const rollout = outcome.accepted ? String(outcome.outcome['rollout']) : '';
  await controller.caughtUp();
  const found = () => exposures.find('api-us', CONFIG, controller.view.position);
  const statusIs = (status: string) => () => controller.view.rollouts.get(rollout)?.rollout.status === status;
  await runUntil(world, [controller], statusIs('watching'));
  expect(found()).toMatchObject({ rollout, candidate: 2, control: 1 });
  await runUntil(world, [controller], statusIs('settled'));
  expect(found()).toBe('none');
});

it('comparisons count for a rollout of that revision as long as it runs, with the targets of its plan', async () => {
  const world = new World();
  await world.furnish(plan);
  const controller = new Controller(world, 'one');
  const exposures = new FleetExposures(controller.view);
  expect(exposures.trials(CONFIG, 2)).toEqual([]);
  const startedAt = world.clock.now();
  const outcome = await controller.start({ config: CONFIG, plan: 'quick', revision: 2 });
  const rollout = outcome.accepted ? String(outcome.outcome['rollout']) : '';
  await controller.caughtUp();
  expect(exposures.trials(CONFIG, 2)).toEqual([{ rollout, startedAt, targets: new Set(['api-us']) }]);
  expect(exposures.trials(CONFIG, 1)).toEqual([]);
  expect(exposures.trials('nonsense', 2)).toEqual([]);
  const settled = () => controller.view.rollouts.get(rollout)?.rollout.status === 'settled';
  await runUntil(world, [controller], settled);
  expect(exposures.trials(CONFIG, 2)).toEqual([]);
});

const counting = revisionOf('plan/quick', 1, {
  holdback: '20%',
  watch: '1h',
  signals: [{ signal: 'script-errors', tolerate: 'none' }, { signal: 'timeouts' }],
  tracks: [{ name: 'api', targets: ['api-us'], stages: [{ exposure: '100%', bake: '1s' }] }],
});
const timeouts = revisionOf('signal/timeouts', 1, {
  type: 'rate',
  title: 'timeouts',
  source: { type: 'otlp', builtIn: 'errors' },
});

it('what a source counts of a target is for the rollouts that show their candidate there, since they did', async () => {
  const world = new World();
  await world.furnish(counting);
  await world.record('config-signal/timeouts', configRegistered('signal/timeouts', 'signal'), timeouts);
  const controller = new Controller(world, 'one');
  const exposures = new FleetExposures(controller.view);
  await controller.caughtUp();
  expect(exposures.running('api-us')).toEqual([]);
  expect([exposures.sourceOf('timeouts'), exposures.sourceOf('script-errors')]).toEqual(['otlp', undefined]);
  const outcome = await controller.start({ config: CONFIG, plan: 'quick', revision: 2 });
  const rollout = outcome.accepted ? String(outcome.outcome['rollout']) : '';
  await controller.caughtUp();
  const startedAt = controller.view.rollouts.get(rollout)?.rollout.tracks['api']?.enteredAt[0];
  const [running, ...others] = exposures.running('api-us');
  expect(running).toMatchObject({ rollout, config: CONFIG, candidate: 2, startedAt });
  expect([...(running?.counted ?? [])]).toEqual([['timeouts', null]]);
  expect(running?.signals).toEqual(new Set(['script-errors']));
  expect(others).toEqual([]);
  expect(exposures.newest('api-us')).toBe(controller.view.fleet.targets.get('api-us')?.generation);
  expect(exposures.find('api-us', CONFIG, exposures.newest('api-us'))).toMatchObject({ rollout });
});

it('which signals a source counts is the same list until it changes', async () => {
  const world = new World();
  await world.furnish(counting);
  await world.record('config-signal/timeouts', configRegistered('signal/timeouts', 'signal'), timeouts);
  const controller = new Controller(world, 'one');
  const sources = new FleetSignalSources(controller.view);
  await controller.caughtUp();
  const first = sources.all();
  expect(first).toMatchObject([{ signal: 'timeouts', type: 'rate', source: { type: 'otlp', builtIn: 'errors' } }]);
  await world.record('config-signal/refusals', configRegistered('signal/refusals', 'signal'));
  await controller.caughtUp();
  expect(sources.all()).toBe(first);
});
