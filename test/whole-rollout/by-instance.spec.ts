import { describe, expect, it } from 'vitest';
import { recomputeVerdicts, rolloutStream, asHeadgateEvent, type HeadgateEvent, type RolloutEvent } from '#libs/domain';
import { CONFIG, Controller, revisionOf, runUntil, World } from './world.js';

const EIGHT = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const stages = ['25%', '50%', '100%'].map((exposure) => ({
  exposure,
  bake: '10s',
  tolerate: { 'script-errors': 'none' },
}));

/** A server build on one fleet of eight: two of them, four, then all but one. */
const builds = (more: object = {}): HeadgateEvent =>
  revisionOf('plan/quick', 1, {
    alpha: 0.1,
    holdback: '10%',
    watch: '10s',
    drain: '5s',
    grace: '5s',
    signals: [{ signal: 'script-errors', tolerate: 'none' }],
    tracks: [{ name: 'api', targets: ['api-us'], stages }],
    ...more,
  });

const furnished = async (plan = builds()): Promise<World> => {
  const world = new World();
  await world.furnish(plan, 'instance');
  world.fleets.instances = () => EIGHT;
  return world;
};

/** Instances acknowledge what is served there today, so that some are live. */
const attended = async (world: World, controller: Controller): Promise<void> => {
  await runUntil(world, [controller], async () => (await world.delivery.observe('api-us')).instances.length > 0);
};

const started = async (controller: Controller): Promise<string> => {
  const outcome = await controller.start({ config: CONFIG, plan: 'quick', revision: 2 });
  if (!outcome.accepted) throw new Error(outcome.rejection.message);
  await controller.caughtUp();
  return String(outcome.outcome['rollout']);
};

const statusIn = (controller: Controller, rollout: string, status: string) => (): boolean =>
  controller.view.rollouts.get(rollout)?.rollout.status === status;

const chosenIn = async (world: World) =>
  (await world.all()).flatMap((each) => {
    const event = asHeadgateEvent(each);
    return event.type === 'ExposureRequested' ? [event.data.instances?.candidate.length ?? null] : [];
  });

const bad = (revision: number) => ({ 'script-errors': revision === 2 ? 0.04 : 0.002 });

describe('a server build that is good', () => {
  it('goes to two of eight instances, to four, to all but the holdback, and settles', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    await attended(world, controller);
    const rollout = await started(controller);
    await runUntil(world, [controller], statusIn(controller, rollout, 'settled'));
    expect(await chosenIn(world)).toEqual([2, 4, 7, null]);
    expect(await world.typesOf(rollout)).not.toContain('RollbackStarted');
  });

  it('settles beside machines that are always ten times as bad, whichever instances are drawn', async () => {
    for (const slow of ['a', 'd', 'g']) {
      const world = await furnished();
      world.fleets.slowness = (instance) => (instance === slow ? 10 : 1);
      const controller = new Controller(world, 'one');
      await attended(world, controller);
      const rollout = await started(controller);
      await runUntil(world, [controller], statusIn(controller, rollout, 'settled'));
    }
  });
});

describe('a server build that is bad', () => {
  it('is found on two of eight instances, taken back, and drained', async () => {
    const world = await furnished();
    world.fleets.rates = bad;
    const controller = new Controller(world, 'one');
    await attended(world, controller);
    const rollout = await started(controller);
    await runUntil(world, [controller], statusIn(controller, rollout, 'rolled-back'));
    expect(await chosenIn(world)).toEqual([2, null]);
    const [detected] = (await world.all()).filter(({ type }) => type === 'DegradationDetected');
    expect(detected?.data['sentence']).toMatch(
      /^script-errors by instance on api-us: 4% on 2 instances of the candidate against [\d.]+% on 6 of control; shown to be worse$/,
    );
    const end = (await world.all()).find(({ type }) => type === 'RolledBack');
    expect(end?.data['targets']).toEqual({ 'api-us': 'drained' });
  });

  it('is found by several controllers as by one, and each verdict can be computed again from its looks', async () => {
    const world = await furnished();
    world.fleets.rates = (revision) => (revision === 2 ? { 'script-errors': 0.006 } : bad(1));
    const controllers = ['one', 'two'].map((name) => new Controller(world, name));
    const [controller] = controllers;
    if (!controller) throw new Error('There is no controller.');
    await attended(world, controller);
    const rollout = await started(controller);
    await runUntil(world, controllers, () =>
      ['rolled-back', 'settled'].some((status) => statusIn(controller, rollout, status)()),
    );
    const events = (await world.store.readStream(rolloutStream(rollout))).map((each) => {
      const { position, at, ...event } = asHeadgateEvent(each);
      return { position, at, event: event as RolloutEvent };
    });
    const looks = (await world.evidence.readLooks(rollout, 0)).map(({ look, cells }) => {
      const text = JSON.stringify(cells);
      return { look, cells: text, digest: text };
    });
    const again = recomputeVerdicts(events, looks, (text) => text);
    expect(again.length).toBeGreaterThan(2);
    const differs = again.flatMap((each) => each.differs.filter((what) => !what.startsWith('digest')));
    expect(differs).toEqual([]);
    expect(
      again.every(({ skipped, verdict }) => skipped === null && verdict.method === 'instance-permutation-v1'),
    ).toBe(true);
  });
});

describe('a start by instance', () => {
  it('is refused while no instance is live, and where eight can never tell', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    world.fleets.instances = () => [];
    const nobody = await controller.start({ config: CONFIG, plan: 'quick', revision: 2 });
    expect(nobody).toMatchObject({ accepted: false, rejection: { code: 'too-few-instances' } });

    const careful = await furnished(builds({ alpha: 0.001 }));
    const other = new Controller(careful, 'one');
    await attended(careful, other);
    const blind = await other.start({ config: CONFIG, plan: 'quick', revision: 2 });
    expect(blind).toMatchObject({ accepted: false, rejection: { code: 'plan-never-tells' } });
  });

  it('needs nothing drawn where it goes everywhere at once', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    await attended(world, controller);
    const outcome = await controller.start({ config: CONFIG, plan: 'emergency', revision: 2 }, 'the pods crash');
    expect(outcome.accepted).toBe(true);
  });
});
