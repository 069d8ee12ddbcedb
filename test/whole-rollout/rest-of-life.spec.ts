import { describe, expect, it } from 'vitest';
import { everywhere, idOf, Stage, targets } from './stage.js';
import { CONFIG } from './world.js';

describe('a rollout that supersedes one in its watch', () => {
  it('takes over from it: the watched revision is the control on every target, and nothing of the baseline is left', async () => {
    const stage = await Stage.furnished();
    const watched = await stage.reaches(await stage.start(2), 'watching');
    const next = await stage.reaches(await stage.start(3), 'staging');
    expect(stage.rollout(watched).status).toBe('superseded');
    expect((await stage.world.typesOf(watched)).at(-1)).toBe('RolloutSuperseded');
    const { fleet } = stage.controller.view;
    for (const target of targets)
      expect(fleet.desired(target)[0]).toMatchObject({ control: 2, candidate: 3, rollout: next });
    await stage.until(() => stage.rollout(next).status === 'settled');
    expect(await stage.live()).toEqual(everywhere(3));
    expect(stage.settled()['api-us']).toEqual([1, 3]);
  });

  it('rule 7: goes back to the watched revision when it fails, and last known good stays what it was', async () => {
    const stage = await Stage.furnished();
    await stage.reaches(await stage.start(2), 'watching');
    stage.breaks(3);
    await stage.reaches(await stage.start(3), 'rolled-back');
    expect(await stage.live()).toEqual(everywhere(2));
    expect(stage.settled()).toEqual({});
    for (const target of targets) {
      const [desired] = stage.controller.view.fleet.desired(target);
      expect(desired).toMatchObject({ control: 2, candidate: null, rollout: null });
    }
  });

  it('leaves what stayed live unsettled within reach of an undo', async () => {
    const stage = await Stage.furnished();
    await stage.reaches(await stage.start(2), 'watching');
    stage.breaks(3);
    await stage.reaches(await stage.start(3), 'rolled-back');
    const undo = await stage.reaches(await stage.controller.undo({}, 'nobody watches it any more'), 'settled');
    expect(stage.rollout(undo)).toMatchObject({ revision: 1, reverts: 2 });
    expect(await stage.live()).toEqual(everywhere(1));
  });

  it('is refused while the other is in a stage', async () => {
    const stage = await Stage.furnished();
    await stage.reaches(await stage.start(2), 'staging');
    const refused = await stage.start(3);
    expect(refused).toMatchObject({ accepted: false, rejection: { code: 'rollout-already-running' } });
  });

  it('is refused where its plan would leave targets behind, and then nothing has changed', async () => {
    const stage = await Stage.furnished();
    const watched = await stage.reaches(await stage.start(2), 'watching');
    const head = await stage.world.store.head();
    const refused = await stage.start(3, 'only-api');
    expect(refused).toMatchObject({ accepted: false, rejection: { code: 'supersede-needs-all-targets' } });
    expect(refused.accepted ? '' : refused.rejection.message).toContain('bedrock-us');
    expect(await stage.world.store.head()).toBe(head);
    expect(stage.rollout(watched).status).toBe('watching');
  });

  it('is refused with the revision that is watched, because that is live already', async () => {
    const stage = await Stage.furnished();
    const watched = await stage.reaches(await stage.start(2), 'watching');
    expect(await stage.start(2)).toMatchObject({ accepted: false, rejection: { code: 'revision-already-live' } });
    expect(stage.rollout(watched).status).toBe('watching');
  });

  it('may cover more targets than the one it takes over from', async () => {
    const stage = await Stage.furnished();
    await stage.reaches(await stage.start(2, 'only-api'), 'watching');
    const next = await stage.reaches(await stage.start(3), 'settled');
    const controls = Object.entries(stage.rollout(next).targets).map(([target, { control }]) => [target, control]);
    expect(Object.fromEntries(controls)).toEqual({ 'api-us': 2, 'api-eu': 2, 'bedrock-us': 1 });
    expect(await stage.live()).toEqual(everywhere(3));
  });
});

describe('the emergency plan', () => {
  it('goes everywhere in its first step, settles after its watch, and is recorded as a bypass with its reason', async () => {
    const stage = await Stage.furnished();
    const id = await stage.reaches(await stage.start(2, 'emergency'), 'settled');
    expect(stage.rollout(id)).toMatchObject({ bypass: 'it is time', reverts: null });
    expect(stage.rollout(id).plan.plan).toBe('emergency');
    const log = await stage.world.store.readStream(`rollout-${id}`);
    expect(log.filter(({ type }) => type === 'StageEntered')).toHaveLength(1);
    const asked = log.filter(({ data }) => data['purpose'] === 'stage');
    expect(asked.map(({ data }) => data['shareBp'])).toEqual([9_900, 9_900, 9_900]);
    expect(await stage.live()).toEqual(everywhere(2));
  });

  it('is refused without a reason', async () => {
    const stage = await Stage.furnished();
    const refused = await stage.controller.start({ config: CONFIG, plan: 'emergency', revision: 2 });
    expect(refused).toMatchObject({ accepted: false, rejection: { code: 'reason-missing', field: '/reason' } });
  });

  it('rule 2: has its guardrails on: a bad change is taken back from everywhere', async () => {
    const stage = await Stage.furnished();
    stage.breaks(2);
    const id = await stage.reaches(await stage.start(2, 'emergency'), 'rolled-back');
    expect(stage.rollout(id).cause).toContain('script-errors');
    expect(await stage.live()).toEqual(everywhere(1));
  });

  it('starts where nothing was ever measured, is held while that is so, and goes on once something is', async () => {
    const stage = await Stage.furnished();
    for (const target of targets) stage.world.fleets.silent.add(target);
    const id = await stage.reaches(await stage.start(2, 'emergency'), 'staging');
    await stage.until(() => stage.rollout(id).held !== null);
    expect(stage.world.delivery.serves('api-us')?.generation).toBeGreaterThan(0);
    stage.world.fleets.silent.clear();
    await stage.until(() => stage.rollout(id).status === 'settled');
  });
});

describe('undo', () => {
  const afterTwo = async (): Promise<Stage> => {
    const stage = await Stage.furnished();
    await stage.reaches(await stage.start(2), 'settled');
    return stage;
  };

  it('takes a settled revision back from everywhere at once, as a rollout of its own that says what it reverts and why', async () => {
    const stage = await afterTwo();
    stage.breaks(2);
    const id = await stage.reaches(await stage.controller.undo({}, 'users report wrong answers'), 'settled');
    expect(stage.rollout(id)).toMatchObject({ revision: 1, reverts: 2, bypass: 'users report wrong answers' });
    const asked = (await stage.world.store.readStream(`rollout-${id}`)).filter(
      ({ data }) => data['purpose'] === 'stage',
    );
    expect(asked.map(({ data }) => [data['target'], data['candidate'], data['control'], data['shareBp']])).toEqual(
      targets.map((target) => [target, 1, 2, 9_900]),
    );
    expect(await stage.live()).toEqual(everywhere(1));
    expect(stage.settled()['api-us']).toEqual([1, 2, 1]);
  });

  it('rule 2: has guardrails, too: where the older revision is the worse one by now, the undo is taken back', async () => {
    const stage = await afterTwo();
    stage.breaks(1);
    const id = await stage.reaches(await stage.controller.undo({}, 'a hunch'), 'rolled-back');
    expect(stage.rollout(id).cause).toContain('script-errors');
    expect(await stage.live()).toEqual(everywhere(2));
  });

  it('needs no other reason for a revision that was rolled back before', async () => {
    const stage = await afterTwo();
    stage.breaks(1);
    await stage.reaches(await stage.controller.undo({}, 'a hunch'), 'rolled-back');
    stage.breaks(2);
    const id = await stage.reaches(await stage.controller.undo({}, 'now it is the other one'), 'settled');
    expect(stage.rollout(id).vetoReason).toBe('now it is the other one');
  });

  it('concerns only the targets where the revision settled', async () => {
    const stage = await Stage.furnished();
    await stage.reaches(await stage.start(2, 'only-api'), 'settled');
    const id = await stage.reaches(await stage.controller.undo({}, 'a wrong number'), 'settled');
    expect(Object.keys(stage.rollout(id).targets).toSorted()).toEqual(['api-eu', 'api-us']);
    expect(await stage.live()).toEqual(everywhere(1));
  });

  it('of an older revision lists what settled since, and goes where it is told', async () => {
    const stage = await afterTwo();
    await stage.reaches(await stage.start(3), 'settled');
    const refused = await stage.controller.undo({ revision: 2 }, 'r2 was wrong all along');
    expect(refused).toMatchObject({ accepted: false, rejection: { code: 'later-revisions-settled', field: '/to' } });
    await stage.reaches(await stage.controller.undo({ revision: 2, to: 1 }, 'r2 was wrong all along'), 'settled');
    expect(await stage.live()).toEqual(everywhere(1));
  });

  it('takes over from a rollout that is watched, and is refused while one is in a stage', async () => {
    const stage = await afterTwo();
    const third = await stage.reaches(await stage.start(3), 'staging');
    expect(await stage.controller.undo({ revision: 2 }, 'r2 after all')).toMatchObject({
      rejection: { code: 'rollout-already-running' },
    });
    await stage.until(() => stage.rollout(third).status === 'watching');
    expect(await stage.controller.undo({}, 'r3 is meant')).toMatchObject({
      rejection: { code: 'undo-ambiguous', field: '/revision' },
    });
    const id = await stage.reaches(await stage.controller.undo({ revision: 2 }, 'r2 after all'), 'settled');
    expect(stage.rollout(third).status).toBe('superseded');
    expect(stage.rollout(id).targets['api-us']?.control).toBe(3);
    expect(await stage.live()).toEqual(everywhere(1));
  });

  it('writes nothing where there is nothing to take back, or no such config', async () => {
    const stage = await Stage.furnished();
    const head = await stage.world.store.head();
    expect(await stage.controller.undo({}, 'just in case')).toMatchObject({ rejection: { code: 'nothing-to-undo' } });
    expect(await stage.controller.undo({}, 'just in case', 'tone')).toMatchObject({
      rejection: { code: 'config-not-found' },
    });
    expect(await stage.world.store.head()).toBe(head);
  });
});

describe('a revision that is tried again while its rollback still drains', () => {
  it('ends that drain as redelivered: its requests are no longer told apart from the new ones', async () => {
    const stage = await Stage.furnished();
    const isReadBack = (id: string): boolean =>
      Object.values(stage.rollout(id).targets).every(({ wanted, readBack }) => wanted === null || readBack);
    stage.breaks(2);
    const first = await stage.reaches(await stage.start(2), 'rolling-back');
    await stage.until(() => isReadBack(first));
    stage.breaks(0);
    const second = idOf(await stage.start(2, 'quick', 'the fault was elsewhere'));
    await stage.until(() => stage.rollout(first).status === 'rolled-back');
    const end = (await stage.world.all()).find(({ type }) => type === 'RolledBack');
    expect(end?.data['targets']).toEqual({ 'api-us': 'redelivered', 'api-eu': 'redelivered' });
    expect(stage.rollout(second).status).toBe('staging');
  });
});

describe('a target that a rollback cannot reach', () => {
  const stuck = async (): Promise<{ readonly stage: Stage; readonly id: string }> => {
    const stage = await Stage.furnished();
    const id = await stage.reaches(await stage.start(2), 'staging');
    await stage.until(() => (stage.rollout(id).targets['api-eu']?.converged ?? 0) > 0);
    stage.world.delivery.breaks('api-eu', 'does not answer');
    stage.world.fleets.silent.add('api-eu');
    stage.breaks(2);
    await stage.until(() => stage.rollout(id).targets['api-us']?.ended === 'drained');
    return { stage, id };
  };

  it('rule 5: keeps the rollback open until a person gives it up, and then the record says so', async () => {
    const { stage, id } = await stuck();
    expect(await stage.start(3)).toMatchObject({ rejection: { code: 'rollout-already-running' } });
    await stage.reaches(await stage.controller.abandon(id, 'api-eu', 'the region is closed'), 'rolled-back');
    const end = (await stage.world.all()).find(({ type }) => type === 'RolledBack');
    expect(end?.data['targets']).toEqual({ 'api-us': 'drained', 'api-eu': 'abandoned' });
    const given = (await stage.world.all()).find(({ data }) => data['outcome'] === 'abandoned');
    expect(given).toMatchObject({ data: { target: 'api-eu', detail: 'the region is closed' } });
    expect(given?.metadata).toMatchObject({ actor: { kind: 'person', name: 'ada' }, reason: 'the region is closed' });
  });

  it('is free for the next rollout with that same event, and the revision is vetoed', async () => {
    const { stage, id } = await stuck();
    const outcome = await stage.controller.abandon(id, 'api-eu', 'the region is closed');
    expect(outcome.accepted && outcome.events.map(({ type }) => type)).toEqual(['TargetDrained', 'TargetsReleased']);
    expect(await stage.start(2)).toMatchObject({ rejection: { code: 'revision-vetoed' } });
    expect((await stage.start(3)).accepted).toBe(true);
  });

  it('still gets the control once it answers again, because delivery never gives up', async () => {
    const { stage, id } = await stuck();
    await stage.reaches(await stage.controller.abandon(id, 'api-eu', 'the region is closed'), 'rolled-back');
    const before = stage.world.delivery.serves('api-eu')?.generation ?? 0;
    stage.world.delivery.heals('api-eu');
    await stage.until(() => (stage.world.delivery.serves('api-eu')?.generation ?? 0) > before);
    expect(await stage.live()).toEqual(everywhere(1));
  });
});
