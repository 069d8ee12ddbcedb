import { describe, expect, it } from 'vitest';
import { CONFIG, Controller, revisionOf, runUntil, World } from './world.js';

const plan = revisionOf('plan/quick', 1, {
  watch: '20s',
  drain: '5s',
  signals: [{ signal: 'script-errors' }],
  tracks: [
    {
      name: 'api',
      targets: { platform: 'api' },
      stages: [
        { exposure: '10%', bake: '1h' },
        { exposure: '100%', bake: '1h' },
      ],
    },
  ],
});

describe('a look at a rollout', () => {
  it('reads no stream and appends nothing as long as it finds nothing, and both when it does', async () => {
    const world = new World();
    await world.furnish(plan);
    const controller = new Controller(world, 'one');
    const outcome = await controller.start({ config: CONFIG, plan: 'quick', revision: 2 });
    const rollout = outcome.accepted ? String(outcome.outcome['rollout']) : '';
    await controller.caughtUp();
    const known = () => controller.view.rollouts.get(rollout)?.rollout;
    await runUntil(world, [controller], () => known()?.tracks['api']?.enteredAt.length === 1);
    // Until every instance has the ruleset and the verdicts have come to rest.
    let moved = -1;
    let since = world.clock.now();
    await runUntil(world, [controller], async () => {
      const now = await world.store.head();
      if (now !== moved) [moved, since] = [now, world.clock.now()];
      return world.clock.now() - since > 60_000;
    });

    const streams: string[] = [];
    const readStream = world.store.readStream.bind(world.store);
    world.store.readStream = (stream, options) => {
      streams.push(stream);
      return readStream(stream, options);
    };
    let looks = 0;
    const takeLook = world.evidence.takeLook.bind(world.evidence);
    world.evidence.takeLook = (...asked) => {
      looks += 1;
      return takeLook(...asked);
    };
    const head = await world.store.head();
    const end = world.clock.now() + 30_000;
    await runUntil(world, [controller], () => world.clock.now() >= end);
    expect(looks).toBeGreaterThan(30);
    expect(await world.store.head()).toBe(head);
    expect(streams).toEqual([]);

    world.fleets.rates = (revision) => ({ 'script-errors': revision === 2 ? 0.5 : 0.01 });
    await runUntil(world, [controller], () => known()?.status === 'rolling-back');
    expect(streams).toContain(`rollout-${rollout}`);
  });
});
