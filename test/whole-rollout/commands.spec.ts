import { describe, expect, it } from 'vitest';
import {
  ApplyManifestsCommand,
  ApplyManifestsHandler,
  CommandRunner,
  LiveView,
  StartRolloutCommand,
  StartRolloutHandler,
  type CommandContext,
  type Outcome,
} from '#libs/application';
import { Manifest } from '#libs/contracts';
import type { JsonObject } from '#libs/kernel';
import { CountedIds } from '#libs/testing';
import { CONFIG, Controller, revisionOf, runUntil, World } from './world.js';

const person = (commandId: string, fingerprint = commandId): CommandContext => ({
  actor: { kind: 'person', name: 'ada' },
  commandId,
  fingerprint,
  correlationId: commandId,
});
const config = (name: string, value: JsonObject, schema: JsonObject = {}): JsonObject => ({
  apiVersion: 'headgate.dev/v1',
  kind: 'Config',
  metadata: { name },
  spec: { value, schema },
});
const target = (name: string, region: string): JsonObject => ({
  apiVersion: 'headgate.dev/v1',
  kind: 'Target',
  metadata: { name },
  spec: { platform: 'api', labels: { region }, models: ['sonnet'] },
});

class Desk {
  readonly world = new World();
  readonly runner = new CommandRunner(this.world.store, this.world.clock, new CountedIds('desk'));
  readonly #apply = new ApplyManifestsHandler(this.runner);
  #commands = 0;

  async apply(manifests: readonly JsonObject[], context?: CommandContext, dryRun = false): Promise<Outcome> {
    this.#commands += 1;
    const given = manifests.map((raw) => ({ raw, parsed: Manifest.parse(raw) }));
    return this.#apply.execute(new ApplyManifestsCommand(given, dryRun, context ?? person(`apply-${this.#commands}`)));
  }
}

const actionsOf = (outcome: Outcome): readonly unknown[] => {
  if (!outcome.accepted) throw new Error(outcome.rejection.message);
  return (outcome.outcome['results'] as readonly JsonObject[]).map(({ action }) => action);
};

describe('apply manifests', () => {
  const schema = { type: 'object', properties: { pool: { type: 'string' } } };
  const reordered = { properties: { pool: { type: 'string' } }, type: 'object' };

  it('twice leaves nothing to do the second time, in whatever order the keys come', async () => {
    const desk = new Desk();
    const first = [config('router', { pool: 'a', limit: 1 }, schema), target('api-us', 'us')];
    expect(actionsOf(await desk.apply(first))).toEqual(['created', 'created']);
    const head = await desk.world.store.head();
    const again = [config('router', { limit: 1, pool: 'a' }, reordered), target('api-us', 'us')];
    expect(actionsOf(await desk.apply(again))).toEqual(['unchanged', 'unchanged']);
    expect(await desk.world.store.head()).toBe(head);
  });

  it('says what changed, and only that', async () => {
    const desk = new Desk();
    await desk.apply([config('router', { pool: 'a', rules: [{ from: 1, to: 2 }] })]);
    const outcome = await desk.apply([config('router', { rules: [{ to: 2, from: 1 }], pool: 'b' })]);
    expect(outcome).toMatchObject({
      accepted: true,
      outcome: { results: [{ action: 'revised', revision: 2, changes: [{ path: '/pool', before: 'a', after: 'b' }] }] },
    });
  });

  it('says when an older value becomes the newest revision again, and of which revision it was', async () => {
    const desk = new Desk();
    await desk.apply([config('router', { pool: 'a' })]);
    await desk.apply([config('router', { pool: 'b' })]);
    const again = await desk.apply([config('router', { pool: 'a' })]);
    expect(again).toMatchObject({ outcome: { results: [{ action: 'revised', revision: 3, sameAs: 1 }] } });
    const repeated = await desk.apply([config('router', { pool: 'a' })]);
    const fresh = await desk.apply([config('router', { pool: 'c' })]);
    for (const outcome of [repeated, fresh])
      expect(JSON.stringify(outcome.accepted && outcome.outcome)).not.toContain('sameAs');
  });

  it('writes all or nothing: one bad manifest leaves the log as it was', async () => {
    const desk = new Desk();
    const outcome = await desk.apply([config('router', { pool: 'a' }), config('tone', { pool: 7 }, schema)]);
    expect(outcome).toMatchObject({
      accepted: false,
      rejection: { code: 'value-does-not-fit-schema', field: '/manifests/1/spec/value/pool' },
    });
    expect(await desk.world.store.head()).toBe(0);
  });

  it('refuses the same thing twice in one apply, instead of registering it twice', async () => {
    const desk = new Desk();
    const outcome = await desk.apply([config('router', { pool: 'a' }), config('router', { pool: 'b' })]);
    expect(outcome).toMatchObject({
      accepted: false,
      rejection: { code: 'duplicate-manifest', field: '/manifests/1/metadata/name' },
    });
    expect(await desk.world.store.head()).toBe(0);
  });

  it('as a dry run says what would happen and writes nothing', async () => {
    const desk = new Desk();
    expect(actionsOf(await desk.apply([config('router', { pool: 'a' })], undefined, true))).toEqual(['created']);
    expect(await desk.world.store.head()).toBe(0);
  });

  it('rule 10: under one command id happens once, and gives the first outcome again', async () => {
    const desk = new Desk();
    const first = await desk.apply([config('router', { pool: 'a' })], person('same'));
    const again = await desk.apply([config('router', { pool: 'a' })], person('same'));
    expect(again).toMatchObject({ accepted: true, repeated: true, outcome: first.accepted ? first.outcome : {} });
    const other = await desk.apply([config('tone', { pool: 'b' })], person('same', 'another body'));
    expect(other).toMatchObject({ accepted: false, rejection: { code: 'idempotency-key-reused' } });
    expect((await desk.world.all()).filter(({ type }) => type === 'ConfigRegistered')).toHaveLength(1);
  });
});

describe('a refusal', () => {
  it('is the answer to one moment and not remembered: the same command is decided anew when it is sent again', async () => {
    const desk = new Desk();
    await desk.apply([config('tone', { pool: 'a' }, { properties: { pool: { type: 'string' } } })]);
    const wrong = [{ ...config('tone', {}), spec: { value: { pool: 7 } } }];
    expect(await desk.apply(wrong, person('again'))).toMatchObject({ accepted: false });
    await desk.apply([config('tone', { pool: 'a' }, {})]);
    expect(await desk.apply(wrong, person('again'))).toMatchObject({ accepted: true, repeated: false });
  });
});

describe('apply a config for the first time', () => {
  const schema = { type: 'object', properties: { pool: { type: 'string' } } };
  const given = (value: JsonObject, codeDefault: JsonObject): JsonObject => ({
    ...config('router', value, schema),
    spec: { value, schema, codeDefault },
  });
  const revisions = async (desk: Desk): Promise<readonly unknown[]> =>
    (await desk.world.all())
      .filter(({ type }) => type === 'RevisionProposed')
      .map(({ data }) => [data['revision'], data['value'], data['baseline']]);

  it('takes the value for what runs today, where nothing else is said', async () => {
    const desk = new Desk();
    const outcome = await desk.apply([config('router', { pool: 'a' })]);
    expect(outcome).toMatchObject({ outcome: { results: [{ revision: 1, baseline: true }] } });
    expect(await revisions(desk)).toEqual([[1, { pool: 'a' }, true]]);
  });

  it('takes the default in the code for what runs today, and the value for a revision that waits for a plan', async () => {
    const desk = new Desk();
    const outcome = await desk.apply([given({ pool: 'b' }, { pool: 'a' })]);
    expect(outcome).toMatchObject({
      outcome: {
        results: [
          { action: 'created', revision: 2, baseline: false, changes: [{ path: '/pool', before: 'a', after: 'b' }] },
        ],
      },
    });
    expect(await revisions(desk)).toEqual([
      [1, { pool: 'a' }, true],
      [2, { pool: 'b' }, false],
    ]);
    const view = new LiveView();
    await desk.apply([target('api-us', 'us')]);
    for (const event of await desk.world.all()) view.apply(event);
    expect(view.fleet.desired('api-us')[0]).toMatchObject({ control: 1, candidate: null });
  });

  it('is one revision where both are the same, in whatever order their keys come', async () => {
    const desk = new Desk();
    await desk.apply([given({ pool: 'a', limit: 1 }, { limit: 1, pool: 'a' })]);
    expect(await revisions(desk)).toHaveLength(1);
  });

  it('looks at the default in the code only then: applied again, or with another default, it changes nothing', async () => {
    const desk = new Desk();
    await desk.apply([given({ pool: 'b' }, { pool: 'a' })]);
    expect(actionsOf(await desk.apply([given({ pool: 'b' }, { pool: 'a' })]))).toEqual(['unchanged']);
    expect(actionsOf(await desk.apply([given({ pool: 'b' }, { pool: 'c' })]))).toEqual(['unchanged']);
    expect(await revisions(desk)).toHaveLength(2);
  });

  it('refuses a default that does not fit the schema, and names it', async () => {
    const desk = new Desk();
    expect(await desk.apply([given({ pool: 'b' }, { pool: 7 })])).toMatchObject({
      accepted: false,
      rejection: { code: 'value-does-not-fit-schema', field: '/manifests/0/spec/codeDefault/pool' },
    });
    expect(await desk.world.store.head()).toBe(0);
  });
});

describe('start a rollout', () => {
  const plan = revisionOf('plan/quick', 1, {
    holdback: '20%',
    watch: '1s',
    drain: '1s',
    grace: '5s',
    signals: [{ signal: 'script-errors', tolerate: 'none' }],
    tracks: [
      {
        name: 'api',
        targets: { platform: 'api' },
        stages: [
          { exposure: '10%', bake: '1s' },
          { exposure: '100%', bake: '1s' },
        ],
      },
    ],
  });

  it('rule 7: pins as control what the log says is last known good, even where the view is behind', async () => {
    const world = new World();
    await world.furnish(plan);
    const controller = new Controller(world, 'one');
    await controller.caughtUp();
    const behind = new LiveView();
    for (const event of await world.all()) behind.apply(event);
    const first = await controller.start({ config: CONFIG, plan: 'quick', revision: 2 });
    if (!first.accepted) throw new Error(first.rejection.message);
    await controller.caughtUp();
    const id = String(first.outcome['rollout']);
    await runUntil(world, [controller], () => controller.view.rollouts.get(id)?.rollout.status === 'settled');
    await world.record(`config-${CONFIG}`, revisionOf(CONFIG, 3, { pool: 'c' }));

    const runner = new CommandRunner(world.store, world.clock, new CountedIds('late'));
    const late = new StartRolloutHandler(runner, behind);
    const second = await late.execute(
      new StartRolloutCommand({ config: CONFIG, plan: 'quick', revision: 3 }, person('late')),
    );
    expect(second.accepted && second.events.find(({ type }) => type === 'RolloutPlanned')?.data['controls']).toEqual({
      'api-us': 2,
      'api-eu': 2,
    });
  });

  it('at the same moment by two people is accepted once', async () => {
    const world = new World();
    await world.furnish(plan);
    const controllers = [new Controller(world, 'one'), new Controller(world, 'two')];
    const outcomes = await Promise.all(
      controllers.map(async (controller) => controller.start({ config: CONFIG, plan: 'quick', revision: 2 })),
    );
    expect(outcomes.filter(({ accepted }) => accepted)).toHaveLength(1);
    expect(outcomes.find(({ accepted }) => !accepted)).toMatchObject({
      rejection: { code: 'rollout-already-running' },
    });
    expect((await world.all()).filter(({ type }) => type === 'RolloutPlanned')).toHaveLength(1);
  });

  it('rule 10: writes the claim and the rollout together or not at all', async () => {
    const world = new World();
    await world.furnish(plan);
    const controller = new Controller(world, 'one');
    const refused = await controller.start({ config: CONFIG, plan: 'quick', revision: 1 });
    expect(refused).toMatchObject({ accepted: false, rejection: { code: 'revision-already-live' } });
    expect((await world.all()).some(({ type }) => type === 'TargetsClaimed' || type === 'RolloutPlanned')).toBe(false);
  });
});
