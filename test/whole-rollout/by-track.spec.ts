import { describe, expect, it } from 'vitest';
import type { HeadgateEvent } from '#libs/domain';
import { short, Stage, stages } from './stage.js';
import { CONFIG, revisionOf } from './world.js';

const api = { name: 'api', targets: { platform: 'api' }, stages };
const bedrock = { name: 'bedrock', targets: ['bedrock-us'], stages };
const tracks = { ...short, rollbackScope: 'track' };
/** The same tracks side by side, each taken back by itself. */
const byTrack: HeadgateEvent = revisionOf('plan/quick', 2, { ...tracks, tracks: [api, bedrock] });
/** Each taken back by itself, bedrock after the first stage of api. */
const oneByOne: HeadgateEvent = revisionOf('plan/quick', 3, {
  ...tracks,
  tracks: [api, { ...bedrock, after: 'api/10%' }],
});

describe('a rollout whose tracks are taken back alone', () => {
  const furnished = async (): Promise<Stage> => {
    const stage = await Stage.furnished();
    await stage.world.record('config-plan/quick', byTrack);
    await stage.controller.caughtUp();
    stage.world.fleets.rates = (revision, target) => ({
      'script-errors': revision === 2 && target.startsWith('api') ? 0.2 : 0.01,
    });
    return stage;
  };

  it('goes on where no harm is seen and settles there, while the other platform is back on its control', async () => {
    const stage = await furnished();
    const id = await stage.reaches(await stage.start(2), 'settled');
    const types = await stage.world.typesOf(id);
    expect(types.filter((type) => type === 'RollbackStarted')).toHaveLength(1);
    expect(types).not.toContain('RolledBack');
    expect(await stage.live()).toEqual({ 'api-us': 1, 'api-eu': 1, 'bedrock-us': 2 });
    expect(stage.settled()).toEqual({ 'bedrock-us': [1, 2] });
    expect(stage.rollout(id).targets['api-eu']).toMatchObject({ readBack: true, ended: 'drained' });
  });

  it('frees what was taken back for the next revision while it goes on elsewhere', async () => {
    const stage = await furnished();
    const id = await stage.reaches(await stage.start(2), 'staging');
    await stage.until(() => stage.rollout(id).targets['api-us']?.readBack === true);
    await stage.until(() => stage.rollout(id).targets['api-eu']?.readBack === true);
    const next = await stage.reaches(await stage.start(3, 'only-api'), 'settled');
    expect(stage.rollout(next).targets['api-us']?.control).toBe(1);
    await stage.until(() => stage.rollout(id).status === 'settled');
    expect(await stage.live()).toEqual({ 'api-us': 3, 'api-eu': 3, 'bedrock-us': 2 });
  });

  it('rule 10: lets go of what only waits when it is aborted with nothing left to take back', async () => {
    const stage = await Stage.furnished();
    await stage.world.record('config-plan/quick', oneByOne);
    const id = await stage.reaches(await stage.start(2), 'staging');
    await stage.controller.steer(id, 'promote', 'api has been seen elsewhere');
    await stage.controller.steer(id, 'pause', 'bedrock has to wait');
    stage.breaks(2);
    const isBack = (target: string): boolean => stage.rollout(id).targets[target]?.readBack === true;
    await stage.until(() => isBack('api-us') && isBack('api-eu'));
    expect(stage.rollout(id)).toMatchObject({ status: 'staging', targets: { 'bedrock-us': { wanted: null } } });
    const aborted = await stage.controller.steer(id, 'abort', 'enough');
    expect(aborted.accepted && aborted.events.map(({ type }) => type)).toEqual(['RollbackStarted', 'TargetsReleased']);
    await stage.reaches(aborted, 'rolled-back');
    expect((await stage.start(3)).accepted).toBe(true);
  });

  it('starts over what a rollout that has ended still holds, as earlier versions left it', async () => {
    const stage = await furnished();
    const id = await stage.reaches(await stage.start(2), 'settled');
    const left = { key: CONFIG, rollout: id, revision: 2, targets: ['api-us'] };
    await stage.world.record(`config-${CONFIG}`, { type: 'TargetsClaimed', data: left });
    const next = await stage.reaches(await stage.start(3), 'settled');
    expect(stage.rollout(next).targets).toMatchObject({ 'api-us': { control: 1 }, 'bedrock-us': { control: 2 } });
  });

  it('rule 5: ends the drain of what was taken back, also when another rollout has taken over by then', async () => {
    const stage = await furnished();
    const watched = await stage.reaches(await stage.start(2), 'watching');
    const next = await stage.reaches(await stage.start(3), 'staging');
    const { status, targets } = stage.rollout(watched);
    expect([status, targets['api-us']?.readBack, targets['api-us']?.ended]).toEqual(['superseded', true, null]);
    await stage.until(() => stage.rollout(watched).targets['api-us']?.ended === 'drained');
    await stage.until(() => stage.rollout(watched).targets['api-eu']?.ended === 'drained');
    await stage.until(() => stage.rollout(next).status === 'settled');
    expect((await stage.world.typesOf(watched)).at(-1)).toBe('TargetDrained');
  });

  it('rule 5: ends that drain as redelivered when another rollout delivers the revision there again', async () => {
    const stage = await furnished();
    const id = await stage.reaches(await stage.start(2), 'staging');
    const isBack = (target: string): boolean => stage.rollout(id).targets[target]?.readBack === true;
    await stage.until(() => isBack('api-us') && isBack('api-eu'));
    await stage.reaches(await stage.start(2, 'only-api', 'the fault was elsewhere'), 'staging');
    await stage.until(() => stage.rollout(id).targets['api-eu']?.ended !== null);
    expect(stage.rollout(id).targets).toMatchObject({
      'api-us': { ended: 'redelivered' },
      'api-eu': { ended: 'redelivered' },
    });
  });

  it('vetoes the revision also where it went well: elsewhere it is started again only with a reason', async () => {
    const stage = await furnished();
    await stage.reaches(await stage.start(2), 'settled');
    expect(await stage.start(2, 'only-api')).toMatchObject({ rejection: { code: 'revision-vetoed' } });
  });
});
