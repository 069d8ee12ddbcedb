import { expect, it } from 'vitest';
import { CONFIG, Controller, revisionOf, runUntil, World } from '#test/whole-rollout/world';
import { FleetExposures } from './exposures.js';

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
