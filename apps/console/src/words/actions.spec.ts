import { describe, expect, it } from 'vitest';
import type { RolloutView } from '#libs/contracts';
import { actionsFor, stagesNow } from './actions.js';

const stage = (name: string, status: 'passed' | 'in-stage' | 'waiting', exposureBp: number) => ({
  name,
  exposureBp,
  status,
  enteredAt: null,
  passedAt: null,
  bakeMs: 0,
  bakedMs: null,
  skipped: false,
});

const target = (name: string, requestedBp: number, control = 1): RolloutView['targets'][number] => ({
  target: name,
  control,
  requestedBp,
  purpose: requestedBp > 0 ? 'stage' : null,
  generation: 7,
  delivered: true,
  converged: true,
  readBack: false,
  ended: null,
  error: null,
});

const rollout = (over: Partial<RolloutView> = {}): RolloutView =>
  ({
    id: 'r',
    config: 'sampler',
    revision: 3,
    status: 'staging',
    held: null,
    verdicts: [],
    tracks: [
      {
        name: 'api',
        status: 'in-stage',
        targets: ['api-tpu'],
        stage: '10%',
        stages: [stage('10%', 'in-stage', 1_000), stage('50%', 'waiting', 5_000)],
      },
      { name: 'bedrock', status: 'waiting', targets: [], stage: null, stages: [stage('10%', 'waiting', 1_000)] },
    ],
    targets: [target('api-tpu', 1_000), target('bedrock-us', 0, 2)],
    ...over,
  }) as RolloutView;

const names = (view: RolloutView, mayAct = true): string[] => actionsFor(view, mayAct).map(({ name }) => name);
const words = (view: RolloutView, name: string): string =>
  actionsFor(view, true).find((action) => action.name === name)?.consequence ?? '';

describe('What may be done with a rollout', () => {
  it('is nothing for somebody who only reads', () => expect(names(rollout(), false)).toEqual([]));

  it.each([
    ['in a stage', {}, ['promote', 'pause', 'abort']],
    ['in its watch', { status: 'watching' }, ['promote', 'pause', 'abort']],
    ['settling', { status: 'settling' }, ['pause', 'abort']],
    ['paused', { held: { by: 'person', reason: 'lunch', until: null } }, ['resume', 'abort']],
    ['held by a policy', { held: { by: 'policy', reason: 'no data', until: null } }, ['promote', 'pause', 'abort']],
    ['rolling back', { status: 'rolling-back' }, []],
    ['rolled back', { status: 'rolled-back' }, []],
    ['settled', { status: 'settled' }, ['undo']],
    ['superseded', { status: 'superseded' }, []],
  ] as const)('%s', (_, over, expected) => {
    expect(names(rollout(over as Partial<RolloutView>))).toEqual(expected);
  });

  it('is no promotion past a failed signal, unless the signal is a shadow', () => {
    const failed = (shadow: boolean) => [{ verdict: 'fail', shadow }] as unknown as RolloutView['verdicts'];
    expect(names(rollout({ verdicts: failed(false) }))).not.toContain('promote');
    expect(names(rollout({ verdicts: failed(true) }))).toContain('promote');
  });
});

describe('What an action says before it is done', () => {
  it('names where a promotion goes, and only the stages that it is in now', () => {
    expect(words(rollout(), 'promote')).toContain('api goes from 10% to 50%');
    expect(stagesNow(rollout())).toEqual(['api/10%']);
    expect(stagesNow(rollout({ status: 'watching' }))).toEqual(['watch']);
  });

  it('counts the targets that an abort takes the change from, and says what they go back to', () => {
    expect(words(rollout(), 'abort')).toContain('Takes r3 back now on 1 target: they go to r1, r2.');
  });
});
