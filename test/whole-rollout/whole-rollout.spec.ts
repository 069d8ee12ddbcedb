import { describe, expect, it } from 'vitest';
import type { HeadgateEvent, Status } from '#libs/domain';
import { CONFIG, Controller, revisionOf, runUntil, World } from './world.js';

const stage = (exposure: string) => ({ exposure, bake: '5s', activation: 50 });
const stages = ['1%', '10%', '50%', '100%'].map(stage);

/** Tracks api, then, after api/50%, bedrock; short, with a holdback large enough to compare with. */
const quick: HeadgateEvent = revisionOf('plan/quick', 1, {
  holdback: '20%',
  watch: '10s',
  drain: '5s',
  grace: '5s',
  signals: [{ signal: 'script-errors' }, { signal: 'wrong-pool' }],
  tracks: [
    { name: 'api', targets: { platform: 'api' }, stages },
    { name: 'bedrock', targets: ['bedrock-us'], after: 'api/50%', stages },
  ],
});

const furnished = async (): Promise<World> => {
  const world = new World();
  await world.furnish(quick);
  return world;
};

const started = async (
  controller: Controller,
  { revision = 2, vetoReason }: { readonly revision?: number; readonly vetoReason?: string } = {},
): Promise<string> => {
  const outcome = await controller.start({ config: CONFIG, plan: 'quick', revision, vetoReason });
  if (!outcome.accepted) throw new Error(outcome.rejection.message);
  await controller.caughtUp();
  return String(outcome.outcome['rollout']);
};

const statusIn = (controller: Controller, rollout: string, status: Status) => (): boolean =>
  controller.view.rollouts.get(rollout)?.rollout.status === status;

const liveOn = (controller: Controller, target: string): string => {
  const [desired] = controller.view.fleet.desired(target);
  return `r${desired?.control} ${desired?.shareBp}`;
};

const bad = (revision: number): Readonly<Record<string, number>> => ({ 'script-errors': revision === 2 ? 0.2 : 0.01 });
const targets = ['api-us', 'api-eu', 'bedrock-us'];

describe('a good change', () => {
  it('goes through every stage of both tracks, is watched, and settles as last known good everywhere', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    await runUntil(world, [controller], statusIn(controller, rollout, 'settled'));
    const passed = (await world.all()).flatMap(({ type, data }) =>
      type === 'StagePassed' ? [`${String(data['track'])}/${String(data['stage'])}`] : [],
    );
    expect(passed.filter((name) => name.startsWith('api'))).toEqual(['api/1%', 'api/10%', 'api/50%', 'api/100%']);
    expect(passed.filter((name) => name.startsWith('bedrock'))).toEqual([
      'bedrock/1%',
      'bedrock/10%',
      'bedrock/50%',
      'bedrock/100%',
    ]);
    expect(passed.indexOf('bedrock/1%')).toBeGreaterThan(passed.indexOf('api/50%'));
    expect(targets.map((target) => liveOn(controller, target))).toEqual(['r2 0', 'r2 0', 'r2 0']);
    const types = await world.typesOf(rollout);
    expect(types.at(-1)).toBe('RolloutSettled');
    expect(types).not.toContain('RollbackStarted');
  });

  it('leaves nothing to do: no task comes back once it is over', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    await runUntil(world, [controller], statusIn(controller, rollout, 'settled'));
    await runUntil(world, [controller], () => true);
    world.clock.advance(3_600_000);
    expect(await world.queue.claim(['deliver', 'conduct'], 100, 1_000)).toEqual([]);
  });

  it('rule 1: no target ever served a generation that is not the position of an event in the log', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    await runUntil(world, [controller], statusIn(controller, rollout, 'settled'));
    const changing = new Map((await world.all()).map((event) => [event.position, event.type]));
    for (const { generation } of world.delivery.applied)
      expect(['ExposureRequested', 'TargetRegistered', 'RevisionProposed']).toContain(changing.get(generation));
    for (const target of targets) {
      const generations = world.delivery.applied
        .filter((applied) => applied.target === target)
        .map(({ generation }) => generation);
      expect(generations).toEqual([...generations].toSorted((a, b) => a - b));
    }
  });
});

describe('a bad change', () => {
  it('is caught in its first stage, taken back from every exposed target, and drained', async () => {
    const world = await furnished();
    world.fleets.rates = bad;
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    await runUntil(world, [controller], statusIn(controller, rollout, 'rolled-back'));
    const types = await world.typesOf(rollout);
    expect(types).toContain('DegradationDetected');
    expect(types).not.toContain('StagePassed');
    expect(types.at(-1)).toBe('RolledBack');
    expect(types.filter((type) => type === 'TargetDrained')).toHaveLength(2);
    const end = (await world.all()).find(({ type }) => type === 'RolledBack');
    expect(end?.data['targets']).toEqual({ 'api-us': 'drained', 'api-eu': 'drained' });
    expect(targets.map((target) => liveOn(controller, target))).toEqual(['r1 0', 'r1 0', 'r1 0']);
  });

  it('that breaks an invariant on one target is taken back from all of them', async () => {
    const world = await furnished();
    world.fleets.violating.add('api-eu');
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    await runUntil(world, [controller], statusIn(controller, rollout, 'rolled-back'));
    const [detected] = (await world.all()).filter(({ type }) => type === 'DegradationDetected');
    expect(detected?.data['signal']).toBe('wrong-pool');
    expect(detected?.data['stages']).toEqual(['api/1%']);
  });

  it('that breaks an invariant is caught by it again at the first violation after another one broke it and was withdrawn', async () => {
    const world = await furnished();
    await world.record(`config-${CONFIG}`, revisionOf(CONFIG, 3, { pool: 'c' }));
    world.fleets.violating.add('api-eu');
    const controller = new Controller(world, 'one');
    const first = await started(controller);
    await runUntil(world, [controller], statusIn(controller, first, 'rolled-back'));
    const second = await started(controller, { revision: 3 });
    await runUntil(world, [controller], statusIn(controller, second, 'rolled-back'));
    const caught = (await world.all()).filter(({ type }) => type === 'DegradationDetected');
    expect(caught.map(({ data }) => [data['signal'], data['stages']])).toEqual([
      ['wrong-pool', ['api/1%']],
      ['wrong-pool', ['api/1%']],
    ]);
  });

  it('is not blamed for an invariant that control breaks as often: it is judged as a rate, and says so', async () => {
    const world = await furnished();
    world.fleets.violating.add('api-eu');
    world.fleets.violates = () => true;
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    await runUntil(world, [controller], statusIn(controller, rollout, 'settled'));
    const said = (await world.all()).flatMap(({ type, data }) => (type === 'StagePassed' ? data['sentences'] : []));
    expect(JSON.stringify(said)).toContain('control violates it too, so it is judged as a rate');
  });

  it('that turns bad only in the watch is still taken back, everywhere', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    await runUntil(world, [controller], statusIn(controller, rollout, 'watching'));
    world.fleets.rates = bad;
    await runUntil(world, [controller], statusIn(controller, rollout, 'rolled-back'));
    expect((await world.typesOf(rollout)).filter((type) => type === 'TargetDrained')).toHaveLength(3);
    expect(targets.map((target) => liveOn(controller, target))).toEqual(['r1 0', 'r1 0', 'r1 0']);
  });

  it('stays open while sticky users are still served by it, and ends as drained once they are gone', async () => {
    const world = await furnished();
    world.fleets.rates = bad;
    world.fleets.sticky = 0.01;
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    await runUntil(world, [controller], statusIn(controller, rollout, 'rolling-back'));
    const until = world.clock.now() + 60_000;
    await runUntil(world, [controller], () => world.clock.now() >= until);
    expect(statusIn(controller, rollout, 'rolling-back')()).toBe(true);
    world.fleets.sticky = 0;
    await runUntil(world, [controller], statusIn(controller, rollout, 'rolled-back'));
  });

  it('cannot be started again without a reason, and runs on a smaller bound with one', async () => {
    const world = await furnished();
    world.fleets.rates = bad;
    const controller = new Controller(world, 'one');
    const first = await started(controller);
    await runUntil(world, [controller], statusIn(controller, first, 'rolled-back'));
    const again = await controller.start({ config: CONFIG, plan: 'quick', revision: 2 });
    expect(again).toMatchObject({ accepted: false, rejection: { code: 'revision-vetoed' } });
    const second = await started(controller, { vetoReason: 'the fault was in the pool, not in the rule' });
    const alphaOf = (id: string): number => controller.view.rollouts.get(id)?.rollout.plan.alpha ?? Number.NaN;
    expect(alphaOf(second)).toBeLessThan(alphaOf(first) / 10);
  });
});

describe('trouble on the way', () => {
  it('a delivery that fails for a while is tried again, and the rollout goes on', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    world.delivery.breaks('api-eu', 'refuses');
    const rollout = await started(controller);
    await runUntil(world, [controller], async () => (await world.typesOf(rollout)).includes('ExposureFailed'));
    const until = world.clock.now() + 20_000;
    await runUntil(world, [controller], () => world.clock.now() >= until);
    expect(await world.typesOf(rollout)).not.toContain('StagePassed');
    world.delivery.heals('api-eu');
    await runUntil(world, [controller], statusIn(controller, rollout, 'settled'));
    expect((await world.typesOf(rollout)).filter((type) => type === 'ExposureFailed')).toHaveLength(1);
  });

  it('an answer that gets lost after the effect changes nothing', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    world.delivery.breaks('api-us', 'forgets to answer');
    const rollout = await started(controller);
    await runUntil(world, [controller], async () => (await world.typesOf(rollout)).includes('ExposureFailed'));
    world.delivery.heals('api-us');
    await runUntil(world, [controller], statusIn(controller, rollout, 'settled'));
    const generations = world.delivery.applied
      .filter(({ target }) => target === 'api-us')
      .map(({ generation }) => generation);
    expect(generations).toHaveLength(new Set(generations).size);
  });

  it('rule 5: a rollback runs on the targets that answer, and on the others once they do', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    const target = (name: string) => controller.view.rollouts.get(rollout)?.rollout.targets[name];
    await runUntil(world, [controller], () => (target('api-eu')?.converged ?? 0) > 0);
    world.delivery.breaks('api-eu', 'does not answer');
    world.fleets.rates = bad;
    await runUntil(world, [controller], () => target('api-us')?.ended === 'drained');
    const until = world.clock.now() + 120_000;
    await runUntil(world, [controller], () => world.clock.now() >= until);
    expect(target('api-eu')).toMatchObject({ readBack: false, ended: null });
    const other = await controller.start({ config: CONFIG, plan: 'quick', revision: 2, vetoReason: 'in a hurry' });
    expect(other).toMatchObject({ accepted: false, rejection: { code: 'rollout-already-running' } });
    world.delivery.heals('api-eu');
    await runUntil(world, [controller], statusIn(controller, rollout, 'rolled-back'));
    expect(target('api-eu')?.ended).toBe('drained');
  });

  it('rule 5: a target that stops answering after it was read back is not taken for drained', async () => {
    const world = await furnished();
    world.fleets.rates = bad;
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    const target = (): { readonly readBack: boolean; readonly ended: string | null } | undefined =>
      controller.view.rollouts.get(rollout)?.rollout.targets['api-eu'];
    world.fleets.sticky = 0.01;
    await runUntil(world, [controller], () => target()?.readBack === true);
    world.delivery.breaks('api-eu', 'does not answer');
    world.fleets.silent.add('api-eu');
    const until = world.clock.now() + 300_000;
    await runUntil(world, [controller], () => world.clock.now() >= until);
    expect(target()?.ended).toBeNull();
  });

  it('rule 3: silence holds the rollout, and evidence lets it go on', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    world.fleets.silent.add('api-us');
    await runUntil(world, [controller], async () => (await world.typesOf(rollout)).includes('RolloutHeld'));
    const until = world.clock.now() + 60_000;
    await runUntil(world, [controller], () => world.clock.now() >= until);
    expect(await world.typesOf(rollout)).not.toContain('StagePassed');
    world.fleets.silent.clear();
    await runUntil(world, [controller], statusIn(controller, rollout, 'settled'));
  });

  it('rule 3: a signal whose check has died on one target holds the rollout and is named, until it is measured again', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    const held = () => controller.view.rollouts.get(rollout)?.rollout.held;
    await runUntil(world, [controller], async () => (await world.evidence.activation(rollout)).length > 0);
    world.fleets.blind.set('api-eu', ['wrong-pool']);
    await runUntil(world, [controller], () => held() !== null);
    expect(held()).toMatchObject({
      by: 'policy',
      reason: 'wrong-pool is not measured on api-eu: see whether its check still runs there',
    });
    const passed = (await world.typesOf(rollout)).filter((type) => type === 'StagePassed').length;
    const until = world.clock.now() + 60_000;
    await runUntil(world, [controller], () => world.clock.now() >= until);
    expect((await world.typesOf(rollout)).filter((type) => type === 'StagePassed')).toHaveLength(passed);
    world.fleets.blind.clear();
    await runUntil(world, [controller], statusIn(controller, rollout, 'settled'));
  });

  it('rule 3: a signal that nobody measures is not measured, however many requests there are', async () => {
    const world = await furnished();
    for (const target of targets) world.fleets.blind.set(target, ['script-errors']);
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    const held = () => controller.view.rollouts.get(rollout)?.rollout.held;
    await runUntil(world, [controller], () => held() !== null);
    expect(held()?.reason).toContain('script-errors is not measured on api-us, api-eu');
    const verdicts = (await world.board.get([rollout])).get(rollout)?.verdicts;
    expect(verdicts).toContainEqual(expect.objectContaining({ signal: 'script-errors', verdict: 'not-measured' }));
    expect(await world.typesOf(rollout)).not.toContain('StagePassed');
  });

  it('rule 3: a bake of five seconds does not pass with four seconds of silence in it', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    const passedAt = async () => (await world.all()).find(({ type }) => type === 'StagePassed');
    const baked = () => world.evidence.bakedMs(rollout);
    await runUntil(world, [controller], async () => ((await baked())[0]?.bakedMs ?? 0) >= 1_000);
    const [before] = await baked();
    world.fleets.silent = new Set(['api-us']);
    const until = world.clock.now() + 4_000;
    await runUntil(world, [controller], () => world.clock.now() >= until);
    world.fleets.silent.clear();
    const [after] = await baked();
    expect((after?.bakedMs ?? 0) - (before?.bakedMs ?? 0)).toBeLessThanOrEqual(1_250);
    await runUntil(world, [controller], async () => (await passedAt()) !== undefined);
    expect((await passedAt())?.data['bakedMs']).toBeGreaterThanOrEqual(5_000);
  });

  it('a pause holds it where it stands, and a resume lets it go on', async () => {
    const world = await furnished();
    const controller = new Controller(world, 'one');
    const rollout = await started(controller);
    const exposed = async (): Promise<number> =>
      (await world.typesOf(rollout)).filter((type) => type === 'ExposureRequested').length;
    await runUntil(world, [controller], async () => (await exposed()) > 2);
    await controller.steer(rollout, 'pause', 'wait');
    const before = await exposed();
    const until = world.clock.now() + 60_000;
    await runUntil(world, [controller], () => world.clock.now() >= until);
    expect(await exposed()).toBe(before);
    await controller.steer(rollout, 'resume', 'go on');
    await runUntil(world, [controller], statusIn(controller, rollout, 'settled'));
  });
});

describe('rule 10: two controllers on one log, both handling every task', () => {
  const lead = async (rates: (revision: number) => Readonly<Record<string, number>>, status: Status) => {
    const world = await furnished();
    world.fleets.rates = rates;
    const controllers = [new Controller(world, 'one'), new Controller(world, 'two')];
    const [first] = controllers;
    if (!first) throw new Error('There are two.');
    const rollout = await started(first);
    await runUntil(world, controllers, statusIn(first, rollout, status));
    return { world, rollout };
  };
  const once = async (world: World, rollout: string, ...types: readonly string[]): Promise<void> => {
    const events = await world.store.readStream(`rollout-${rollout}`);
    for (const type of types) {
      const said = events.filter((event) => event.type === type).map(({ data }) => JSON.stringify(data));
      expect(said, type).toHaveLength(new Set(said).size);
    }
  };

  it('settle a good change once, through each stage once', async () => {
    const { world, rollout } = await lead(() => ({ 'script-errors': 0.01 }), 'settled');
    await once(
      world,
      rollout,
      'StageEntered',
      'ExposureRequested',
      'ExposureChanged',
      'TargetConverged',
      'FullyExposed',
      'RolloutSettled',
    );
    const passed = (await world.typesOf(rollout)).filter((type) => type === 'StagePassed');
    expect(passed).toHaveLength(8);
    const releases = (await world.all()).filter(({ type }) => type === 'TargetsReleased');
    expect(releases).toHaveLength(1);
  });

  it('take a bad change back once', async () => {
    const { world, rollout } = await lead(bad, 'rolled-back');
    await once(
      world,
      rollout,
      'DegradationDetected',
      'RollbackStarted',
      'ExposureRequested',
      'TargetReadBack',
      'TargetDrained',
      'RolledBack',
    );
    expect((await world.typesOf(rollout)).filter((type) => type === 'RollbackStarted')).toHaveLength(1);
    expect((await world.all()).filter(({ type }) => type === 'TargetsReleased')).toHaveLength(1);
  });
});
