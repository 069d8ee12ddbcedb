import { describe, expect, it } from 'vitest';
import { boardView, openFailures, openWaysBack, rolloutView } from '#libs/application';
import type { HeadgateEvent } from '#libs/domain';
import { CONFIG, Controller, revisionOf, runUntil, World, type Rhythm } from './world.js';

const HOUR_MS = 3_600_000;
const stages = ['1%', '50%', '100%'].map((exposure) => ({ exposure, bake: '5s', activation: 50 }));

/** All targets at once, so that each of them has something to be taken back from. */
const planOf = (more: object = {}): HeadgateEvent =>
  revisionOf('plan/quick', 1, {
    holdback: '20%',
    watch: '10s',
    drain: '5s',
    grace: '5s',
    signals: [{ signal: 'script-errors' }, { signal: 'wrong-pool' }],
    tracks: [{ name: 'all', targets: ['api-us', 'api-eu', 'bedrock-us'], stages }],
    ...more,
  });

const harmful = async (more: object = {}) => {
  const world = new World();
  await world.furnish(planOf(more));
  const controller = new Controller(world, 'one');
  const outcome = await controller.start({ config: CONFIG, plan: 'quick', revision: 2, vetoReason: undefined });
  if (!outcome.accepted) throw new Error(outcome.rejection.message);
  await controller.caughtUp();
  const id = String(outcome.outcome['rollout']);
  const rollout = () => {
    const known = controller.view.rollouts.get(id)?.rollout;
    if (!known) throw new Error('The rollout is gone.');
    return known;
  };
  const until = (condition: () => boolean, rhythm: Rhythm = {}) => runUntil(world, [controller], condition, rhythm);
  const view = async () => {
    const entry = controller.view.rollouts.get(id);
    if (!entry) throw new Error('The rollout is gone.');
    return rolloutView(entry, (await world.board.get([id])).get(id));
  };
  /** From the next tick on the candidate does harm. */
  const turnsBad = (): void => {
    world.fleets.rates = (revision) => ({ 'script-errors': revision === 2 ? 0.2 : 0.01 });
  };
  await until(() => Object.values(rollout().targets).every(({ converged }) => converged > 0));
  return { world, controller, id, rollout, until, view, turnsBad };
};

describe('a platform that is down for hours', () => {
  it('keeps nobody else waiting, stays in sight all the time, and is taken back when it answers', async () => {
    const { world, controller, id, rollout, until, view, turnsBad } = await harmful();
    world.delivery.breaks('bedrock-us', 'does not answer');
    const began = world.clock.now();
    turnsBad();
    const others = ['api-us', 'api-eu'] as const;
    await until(() => others.every((target) => rollout().targets[target]?.ended === 'drained'));
    // The others took seconds: a look or two, the read-back, and the drain of five seconds.
    expect(world.clock.now() - began).toBeLessThan(30_000);
    const asked = rollout().targets['bedrock-us']?.wanted?.at ?? 0;
    await until(() => world.clock.now() - asked >= 6 * HOUR_MS, { mostMs: 7 * HOUR_MS, tickMs: 10_000 });

    expect(rollout().status).toBe('rolling-back');
    const shown = await view();
    expect(shown.waitingFor).toEqual([expect.stringContaining('bedrock-us: reading back, but delivery fails: ')]);
    const target = shown.targets.find((each) => each.target === 'bedrock-us');
    expect(target).toMatchObject({ readBack: false, ended: null, error: 'bedrock-us does not answer' });
    expect(Date.parse(target?.failingSince ?? '') - asked).toBeLessThan(1_000);
    const { targets, running } = await boardView(controller.view, {
      board: world.board,
      delivery: world.delivery,
      undelivered: world.undelivered,
      now: world.clock.now(),
    });
    expect(running.map(({ status }) => status)).toEqual(['rolling-back']);
    const failing = targets.map((each) => [each.target, each.undelivered?.error ?? null]);
    expect(Object.fromEntries(failing)).toEqual({
      'api-us': null,
      'api-eu': null,
      'bedrock-us': 'bedrock-us does not answer',
    });
    // What the gauges tell.
    expect(openFailures(controller.view)).toMatchObject([{ rollout: id, target: 'bedrock-us' }]);
    expect(openWaysBack(controller.view)).toMatchObject([
      { rollout: id, target: 'bedrock-us', step: 'reading-back', since: asked },
    ]);

    world.delivery.heals('bedrock-us');
    const healed = world.clock.now();
    await until(() => rollout().status === 'rolled-back');
    // Tried at least every 30 s, then drained.
    expect(world.clock.now() - healed).toBeLessThan(60_000);
    const after = (await view()).targets.find((each) => each.target === 'bedrock-us');
    const took = Date.parse(after?.wayBack?.readBackAt ?? '') - Date.parse(after?.wayBack?.askedAt ?? '');
    expect(took).toBeGreaterThanOrEqual(6 * HOUR_MS);
    // It served the candidate all that time, and the record says so.
    expect(after?.wayBack?.leftover?.requests).toBeGreaterThan(1_000);
    expect([openFailures(controller.view), openWaysBack(controller.view)]).toEqual([[], []]);
    // A failure that goes on is one event, not one for each attempt.
    const failed = (await world.typesOf(id)).filter((type) => type === 'ExposureFailed');
    expect(failed).toHaveLength(1);
  });
});

describe('the targets of a rollback', () => {
  it('are asked in the order of the traffic that the candidate has on them', async () => {
    const { world, rollout, until, view, turnsBad } = await harmful();
    const busy: Readonly<Record<string, number>> = { 'api-us': 1, 'api-eu': 2, 'bedrock-us': 4 };
    world.fleets.busyness = (target) => busy[target] ?? 1;
    // Traffic is read again every ten seconds.
    const later = world.clock.now() + 12_000;
    await until(() => world.clock.now() >= later);
    turnsBad();
    await until(() => rollout().status === 'rolling-back');
    const events = await world.all();
    const started = events.find(({ type }) => type === 'RollbackStarted');
    expect(started?.data).toMatchObject({
      targets: ['bedrock-us', 'api-eu', 'api-us'],
      order: { by: 'blast-radius' },
    });
    const places = (await view()).targets.map(({ target, wayBack }) => [target, wayBack?.place]);
    expect(Object.fromEntries(places)).toEqual({ 'bedrock-us': 1, 'api-eu': 2, 'api-us': 3 });
  });
});

describe('sessions that stick to a withdrawn revision', () => {
  it('hold the drain open, in numbers, for as long as they are there', async () => {
    const { world, rollout, until, view, turnsBad } = await harmful();
    world.fleets.sticky = 0.01;
    turnsBad();
    await until(() => Object.values(rollout().targets).every(({ readBack }) => readBack));
    const later = world.clock.now() + 120_000;
    await until(() => world.clock.now() >= later);
    const [target] = (await view()).targets;
    expect(target).toMatchObject({ ended: null, wayBack: { clearedAt: null } });
    // 20 of 2,000 requests in each of 240 ticks.
    expect(target?.wayBack?.leftover?.requests).toBeGreaterThanOrEqual(4_700);
    world.fleets.sticky = 0;
    await until(() => rollout().status === 'rolled-back');
    expect((await view()).targets[0]?.wayBack?.leftover).toMatchObject({ units: 512 });
  });

  it('are told to let go by a generation of its own, where the plan says so, and the drain then ends', async () => {
    const { world, controller, rollout, until, turnsBad } = await harmful({ leftovers: 'clear' });
    world.fleets.sticky = 0.01;
    turnsBad();
    await until(() => rollout().status === 'rolled-back');
    const events = await world.all();
    const dropped = events.filter(({ type }) => type === 'StickinessDropped');
    expect(dropped.map(({ data }) => data['target']).toSorted()).toEqual(['api-eu', 'api-us', 'bedrock-us']);
    const [first] = dropped;
    // Event before effect: the target held that generation only after the event.
    expect(world.delivery.applied.filter(({ generation }) => generation === first?.position)).toHaveLength(1);
    expect(controller.view.fleet.desired('api-us')[0]).toMatchObject({ stickiness: 'drop', shareBp: 0 });
    expect(Object.values(rollout().targets).map(({ ended }) => ended)).toEqual(['drained', 'drained', 'drained']);
  });

  it('stay visible where a fleet does not obey', async () => {
    const { world, rollout, until, view, turnsBad } = await harmful({ leftovers: 'clear' });
    world.fleets.sticky = 0.01;
    world.fleets.obeys = false;
    turnsBad();
    await until(() => Object.values(rollout().targets).every(({ clearedAt }) => clearedAt !== null));
    const later = world.clock.now() + 60_000;
    await until(() => world.clock.now() >= later);
    expect(rollout().status).toBe('rolling-back');
    expect((await view()).waitingFor[0]).toMatch(
      /drain, until no request has come to r2 for 5\.0 s: \d+ requests of at least 512 units came to the withdrawn revision/,
    );
  });
});
