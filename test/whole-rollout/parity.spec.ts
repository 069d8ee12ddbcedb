import { describe, expect, it } from 'vitest';
import { awaitsParity, type HeadgateEvent } from '#libs/domain';
import { CONFIG, Controller, revisionOf, runUntil, World, type Rhythm } from './world.js';

const stages = ['10%', '100%'].map((exposure) => ({ exposure, bake: '3s', activation: 50 }));

/** Tracks us and bedrock side by side; eu begins once both are as good on golden answers, within 2%. */
const plan: HeadgateEvent = revisionOf('plan/quick', 1, {
  holdback: '20%',
  watch: '5s',
  drain: '5s',
  grace: '5s',
  rollbackScope: 'track',
  signals: [{ signal: 'script-errors', tolerate: 'none' }, { signal: 'wrong-pool' }],
  tracks: [
    { name: 'us', targets: ['api-us'], stages },
    { name: 'bedrock', targets: ['bedrock-us'], stages },
    {
      name: 'eu',
      targets: ['api-eu'],
      parity: [{ signal: 'golden-answers', between: ['us', 'bedrock'], within: '2%' }],
      stages,
    },
  ],
});

const setting = async () => {
  const world = new World();
  await world.furnish(plan);
  const key = 'signal/golden-answers';
  await world.record(
    `config-${key}`,
    { type: 'ConfigRegistered', data: { key, kind: 'signal', assignment: null, description: null, schema: null } },
    revisionOf(key, 1, { type: 'paired', title: 'golden answers' }),
  );
  const controllers = [new Controller(world, 'one'), new Controller(world, 'two')];
  const [controller = new Controller(world, 'none')] = controllers;
  const outcome = await controller.start({ config: CONFIG, plan: 'quick', revision: 2 });
  if (!outcome.accepted) throw new Error(outcome.rejection.message);
  await controller.caughtUp();
  const rollout = String(outcome.outcome['rollout']);
  const now = () => {
    const entry = controller.view.rollouts.get(rollout);
    if (!entry) throw new Error('The rollout is not there.');
    return entry.rollout;
  };
  /** As often as said, the same work was done on both targets since the start. */
  const compare = (pairs: number, onBedrockOnly: number): void =>
    world.evidence.compare(rollout, [
      {
        signal: 'golden-answers',
        left: 'api-us',
        right: 'bedrock-us',
        pairs,
        leftOnly: 3,
        rightOnly: onBedrockOnly,
        lastAt: world.clock.now(),
      },
    ]);
  const until = (condition: () => boolean | Promise<boolean>, rhythm?: Rhythm) =>
    runUntil(world, controllers, condition, rhythm);
  const waitingFor = async () => (await world.board.get([rollout])).get(rollout)?.waitingFor ?? [];
  return { world, controller, rollout, now, compare, until, waitingFor };
};

const eu = 'api-eu';
const passed = (track: { readonly passed: readonly unknown[] } | undefined): boolean => track?.passed.length === 2;

describe('a rollout whose last track waits for the parity of two others', () => {
  it('waits while nothing is compared, goes on as pairs come in, and settles', async () => {
    const { world, rollout, now, compare, until, waitingFor } = await setting();
    await until(() => passed(now().tracks['us']) && passed(now().tracks['bedrock']));
    const words = 'eu waits for parity of us and bedrock on golden-answers: nothing was compared yet';
    await until(async () => (await waitingFor()).some((what) => what.startsWith(words)));
    expect(now().targets[eu]?.wanted).toBeNull();
    let pairs = 0;
    await until(() => now().tracks['eu'] !== undefined, { each: () => compare((pairs += 20), 4) });
    expect(pairs).toBeGreaterThan(273);
    expect(awaitsParity(now())).toBe(false);
    await until(() => now().status === 'settled');
    const judged = (await world.all()).flatMap(({ type, data }) =>
      type === 'ParityJudged' ? [data['parity'] as { readonly verdict: string }] : [],
    );
    expect(judged.map(({ verdict }) => verdict)).toEqual(['inconclusive', 'pass', 'pass']);
    expect(await world.typesOf(rollout)).not.toContain('RolloutHeld');
  });

  it('is held where platforms are shown to differ, takes nothing back, and no person promotes it past that', async () => {
    const { world, controller, rollout, now, compare, until } = await setting();
    await until(() => passed(now().tracks['us']));
    compare(2_000, 200);
    await until(() => now().held !== null);
    expect(now().held).toMatchObject({ by: 'policy', reason: expect.stringContaining('no parity of us and bedrock') });
    const promoted = await controller.steer(rollout, 'promote', 'in a hurry', 'eu');
    expect(promoted).toMatchObject({ accepted: false, rejection: { code: 'parity-failed' } });
    const types = await world.typesOf(rollout);
    expect(types).not.toContain('RollbackStarted');
    expect(now().targets[eu]?.wanted).toBeNull();
  });

  it('ends without that track where one of the two is taken back before parity is shown', async () => {
    const { world, now, compare, until } = await setting();
    compare(100, 3);
    world.fleets.rates = (revision, target) => ({
      'script-errors': revision === 2 && target === 'bedrock-us' ? 0.3 : 0.01,
    });
    await until(() => now().status === 'settled');
    expect(now().tracks['bedrock']).toMatchObject({ takenBack: true });
    expect(now().targets[eu]?.wanted).toBeNull();
    expect(now().targets['api-us']?.wanted).toMatchObject({ purpose: 'settle' });
  });
});
