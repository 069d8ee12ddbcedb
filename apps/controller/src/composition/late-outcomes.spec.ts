import { describe, expect, it } from 'vitest';
import type { OutcomeBatch } from '#libs/contracts';
import { MemoryEvidenceStore, MemoryIntake } from '#libs/signals';
import { CONFIG, Controller, revisionOf, runUntil, World } from '#test/whole-rollout/world';
import { FleetExposures } from './exposures.js';

const plan = revisionOf('plan/quick', 1, {
  holdback: '20%',
  watch: '5s',
  signals: [{ signal: 'script-errors', tolerate: 'none' }],
  tracks: [
    {
      name: 'api',
      targets: ['api-us'],
      stages: [
        { exposure: '10%', bake: '1s' },
        { exposure: '100%', bake: '1s' },
      ],
    },
  ],
});

/** A rollout that runs in memory, and beside it an intake that knows what it exposed under which generation. */
const started = async () => {
  const world = new World();
  await world.furnish(plan);
  const controller = new Controller(world, 'one');
  await controller.caughtUp();
  const before = controller.view.position;
  const outcome = await controller.start({ config: CONFIG, plan: 'quick', revision: 2 });
  const rollout = outcome.accepted ? String(outcome.outcome['rollout']) : '';
  await controller.caughtUp();
  const store = new MemoryEvidenceStore();
  const { rows } = store;
  const intake = new MemoryIntake(rows, new FleetExposures(controller.view));
  let batches = 0;
  /** A bad outcome of an earlier request, in a window of its own. */
  const comesLate = (unit: string, revision: number, generation: number) => {
    batches += 1;
    const window = {
      from: new Date(world.clock.now() - 1_000).toISOString(),
      ms: 1_000,
      model: 'sonnet',
      generation,
      requests: 0,
      arms: [],
      bad: [{ signal: 'script-errors', unit, revisions: { [CONFIG]: revision } }],
      values: [],
      pairs: [],
    };
    const batch = `00000000-0000-4000-8000-${String(batches).padStart(12, '0')}`;
    const sent: OutcomeBatch = { batch, target: 'api-us', instance: 'i1', windows: [window] };
    return intake.take(sent, { token: 'fleet' }, world.clock.now());
  };
  const reaches = (status: string) =>
    runUntil(world, [controller], () => controller.view.rollouts.get(rollout)?.rollout.status === status);
  const looks = async () =>
    (await store.foldLook(rollout, 0)).cells.map(({ shareBp, candidateBad, controlBad }) => [
      shareBp,
      candidateBad,
      controlBad,
    ]);
  return { rows, controller, rollout, before, comesLate, reaches, looks };
};

describe('A bad outcome that comes long after its request', () => {
  it('counts with the share of the generation that served it, after the stages have moved on and in the watch', async () => {
    const { controller, comesLate, reaches, looks } = await started();
    const first = controller.view.position;
    await reaches('watching');
    const whole = controller.view.position;
    comesLate('u1', 2, first);
    comesLate('u2', 1, first);
    comesLate('u3', 2, whole);
    expect(await looks()).toEqual([
      [1_000, 1, 1],
      [8_000, 1, 0],
    ]);
  });

  it('counts once for a unit, whichever of its requests is told of first', async () => {
    const { controller, comesLate, reaches, looks } = await started();
    const first = controller.view.position;
    await reaches('watching');
    comesLate('u1', 2, controller.view.position);
    comesLate('u1', 1, first);
    expect(await looks()).toEqual([[8_000, 1, 0]]);
  });

  it('does not count for a rollout that had not started when it was served', async () => {
    const { before, rows, comesLate, looks } = await started();
    expect(comesLate('u1', 1, before)).toMatchObject({ acceptedWindows: 1, rejected: [] });
    expect(await looks()).toEqual([]);
    expect([...rows.trafficBad.values()]).toMatchObject([{ signal: 'script-errors', bad: 1 }]);
  });

  it('changes nothing once the rollout has ended, and is still in what plans predict from', async () => {
    const { controller, rows, comesLate, reaches, looks } = await started();
    const first = controller.view.position;
    await reaches('settled');
    expect(comesLate('u1', 2, first)).toMatchObject({ acceptedWindows: 1, rejected: [] });
    expect(await looks()).toEqual([]);
    expect([...rows.trafficBad.values()]).toMatchObject([{ signal: 'script-errors', bad: 1 }]);
  });
});
