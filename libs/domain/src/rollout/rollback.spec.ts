import { describe, expect, it } from 'vitest';
import { aRollout, specification, type RolloutStory, type Shortcomings } from '#libs/testing';
import { hasLetGo, rolloutDecider, waitingFor, type RolloutCommand } from './index.js';

const { given } = specification(rolloutDecider);

const look = (story: RolloutStory, missing?: Shortcomings): RolloutCommand => ({
  type: 'AssessRollout',
  at: story.now,
  facts: story.facts(missing),
});
const fail = { verdicts: { 'script-errors': 'fail' } } as const;
/** Plan: drain 30 s, grace 60 s. */
const takenBack = (): RolloutStory => aRollout().arrives().waits(5_000).looks(fail);
const readBack = (): RolloutStory => takenBack().waits(1_000).delivers().looks();
const onlyApiUs = { 'api-eu': undefined };

describe('a signal that fails', () => {
  it('is recorded with the evidence of every signal, and takes everything back in the same step', () => {
    const story = aRollout().arrives();
    const back = {
      type: 'ExposureRequested',
      data: { shareBp: 0, purpose: 'rollback', candidate: 2, control: 1 },
    } as const;
    given(story.events)
      .when(look(story, fail))
      .then(
        { type: 'VerdictRecorded', data: { verdict: expect.objectContaining({ signal: 'wrong-pool' }) } },
        { type: 'VerdictRecorded', data: { verdict: expect.objectContaining({ verdict: 'fail' }) } },
        { type: 'VerdictRecorded', data: { verdict: expect.objectContaining({ signal: 'refusals' }) } },
        {
          type: 'DegradationDetected',
          data: { signal: 'script-errors', stages: ['api/1%'], sentence: 'script-errors on api: fail' },
        },
        {
          type: 'RollbackStarted',
          data: { cause: 'degradation', reason: 'script-errors on api: fail', targets: ['api-us', 'api-eu'] },
        },
        back,
        back,
      );
  });

  it.each(['1%', '10%', '50%', '100%'])('rule 2: takes back in stage %s', (stage) => {
    const story = aRollout().reaches('api', stage);
    expect(given(story.events).when(look(story, fail)).types()).toContain('RollbackStarted');
  });

  it.each(['watching', 'settling'] as const)('rule 2: takes back while %s', (status) => {
    const story = aRollout().reachesStatus(status);
    const events = given(story.events).when(look(story, fail)).events();
    expect(events.find(({ type }) => type === 'DegradationDetected')).toMatchObject({
      data: { stages: ['api/watch', 'bedrock/watch'] },
    });
    expect(events.find(({ type }) => type === 'RollbackStarted')).toMatchObject({
      data: { targets: ['api-us', 'api-eu', 'bedrock-us'] },
    });
  });

  it('rule 5: needs no delivery, no convergence and no target that answers', () => {
    const story = aRollout();
    const types = given(story.events)
      .when(look(story, { ...fail, targets: { 'api-us': undefined, 'api-eu': undefined } }))
      .types();
    expect(types).toContain('RollbackStarted');
  });

  it('counts although it is about a stage that was left meanwhile', () => {
    const story = aRollout().arrives();
    const late = look(story, fail);
    expect(given(story.looks().events).when(late).types()).toContain('RollbackStarted');
  });

  it('that is only a shadow decides nothing', () => {
    const story = aRollout().arrives();
    given(story.events)
      .when(look(story, { verdicts: { refusals: 'fail' } }))
      .then({ type: 'VerdictRecorded', data: { verdict: expect.objectContaining({ shadow: true, verdict: 'fail' }) } });
  });

  it('wins over everything that would let the stage pass', () => {
    const story = aRollout().arrives();
    expect(given(story.events).when(look(story, fail)).types()).not.toContain('StagePassed');
  });
});

describe('a rollback', () => {
  it('names only targets that were asked to show the candidate', () => {
    const { cause, targets } = takenBack().rollout;
    expect(cause).toBe('script-errors on api: fail');
    expect(targets['bedrock-us']?.wanted).toBeNull();
  });

  it('reads each target back once the control was delivered there', () => {
    const story = takenBack();
    given(story.events).when(look(story)).thenNothing();
    story.delivers('api-us');
    given(story.events)
      .when(look(story))
      .then(
        { type: 'TargetConverged', data: { target: 'api-us' } },
        { type: 'TargetReadBack', data: { target: 'api-us' } },
      );
  });

  it('is not read back from an older generation, nor from a target that does not answer', () => {
    const story = takenBack().delivers();
    const types = (missing: Shortcomings): readonly string[] => given(story.events).when(look(story, missing)).types();
    expect(types({ targets: { 'api-us': { readBack: 7 }, ...onlyApiUs } })).not.toContain('TargetReadBack');
    expect(types({ targets: { 'api-us': { readBack: null }, ...onlyApiUs } })).not.toContain('TargetReadBack');
    expect(types({ targets: { 'api-us': undefined, ...onlyApiUs } })).toEqual([]);
  });

  it('rule 5: goes on where targets answer while others do not', () => {
    const story = takenBack().delivers('api-us').looks({ targets: onlyApiUs });
    expect(story.rollout.targets['api-us']?.readBack).toBe(true);
    expect(story.rollout.status).toBe('rolling-back');
    expect(waitingFor(story.rollout, story.facts())).toEqual([
      'api-us: drain, until no request has come to r2 for 30.0 s',
      'api-eu: reading back',
    ]);
  });

  it('lets another revision start once every target is read back, and not before', () => {
    const story = takenBack();
    expect(hasLetGo(story.rollout)).toBe(false);
    story.delivers('api-us').looks();
    expect(hasLetGo(story.rollout)).toBe(false);
    story.delivers().looks();
    expect(hasLetGo(story.rollout)).toBe(true);
    expect(story.rollout.status).toBe('rolling-back');
  });

  it('rule 2: is not turned around by verdicts that pass again', () => {
    const story = takenBack();
    given(story.events).when(look(story)).thenNothing();
  });
});

describe('the drain of a target', () => {
  const drain = (story: RolloutStory, known: NonNullable<Shortcomings['targets']>[string]) =>
    given(story.events).when(look(story, { targets: { 'api-us': known, ...onlyApiUs } }));
  const withdrawnAt = (story: RolloutStory): number => story.rollout.targets['api-us']?.wanted?.at ?? 0;

  it('is over when other traffic was served for the drain time and none on the withdrawn revision', () => {
    const story = readBack().waits(60_000);
    const lastSeen = withdrawnAt(story) + 2_000;
    drain(story, { candidateSeenAt: lastSeen, trafficSeenAt: lastSeen + 29_999 }).thenNothing();
    drain(story, { candidateSeenAt: lastSeen, trafficSeenAt: lastSeen + 30_000 }).then({
      type: 'TargetDrained',
      data: { target: 'api-us', outcome: 'drained', lastSeenAt: lastSeen },
    });
  });

  it('is measured from the withdrawal when the candidate was never seen', () => {
    const story = readBack().waits(60_000);
    drain(story, { candidateSeenAt: null, trafficSeenAt: withdrawnAt(story) + 29_999 }).thenNothing();
    drain(story, { candidateSeenAt: null, trafficSeenAt: withdrawnAt(story) + 30_000 }).then({
      type: 'TargetDrained',
      data: { outcome: 'drained', lastSeenAt: null },
    });
  });

  it('is not seen through a silence: what was quiet before it says nothing of what came after', () => {
    const story = readBack().waits(120_000);
    const since = withdrawnAt(story);
    const seen = (flowingSince: number, trafficSeenAt: number) =>
      drain(story, { candidateSeenAt: null, flowingSince, trafficSeenAt });
    seen(since + 15_000, since + 44_999).thenNothing();
    seen(since + 15_000, since + 45_000).then({ type: 'TargetDrained', data: { outcome: 'drained' } });
    // Traffic that is always thin shows it in three times the time.
    seen(since + 89_000, since + 89_999).thenNothing();
    seen(since + 89_000, since + 90_000).then({
      type: 'TargetDrained',
      data: { detail: 'no request on the withdrawn revision for 90.0 s, while others were served now and then' },
    });
  });

  it('stays open as long as the withdrawn revision is seen', () => {
    const story = readBack().waits(3_600_000);
    drain(story, { candidateSeenAt: story.now - 1_000, trafficSeenAt: story.now }).thenNothing();
  });

  it('ends as acknowledged, after drain and grace from the read-back, where no traffic arrives that could show it', () => {
    const story = readBack();
    const { readBackAt } = story.rollout.targets['api-us'] ?? {};
    story.waits((readBackAt ?? Number.NaN) + 89_999 - story.now);
    drain(story, { trafficSeenAt: null }).thenNothing();
    story.waits(1);
    drain(story, { trafficSeenAt: null }).then({ type: 'TargetDrained', data: { outcome: 'acknowledged' } });
  });

  it('is not called over because the outage was long: fleets that come back may serve the candidate for a while', () => {
    const story = takenBack().waits(3_600_000).delivers().looks();
    drain(story, { instances: 0, acknowledged: 0, trafficSeenAt: null }).thenNothing();
    story.waits(90_000);
    drain(story, { instances: 0, acknowledged: 0, trafficSeenAt: null }).then({
      type: 'TargetDrained',
      data: { outcome: 'unconfirmed', detail: expect.stringContaining('no instance is live') },
    });
  });

  it('waits for every live instance to acknowledge the control', () => {
    const behind = { instances: 3, acknowledged: 2 };
    const story = takenBack()
      .delivers()
      .looks({ targets: { 'api-us': behind, 'api-eu': behind } })
      .waits(600_000);
    expect(story.rollout.targets['api-us']?.readBack).toBe(true);
    drain(story, { ...behind, candidateSeenAt: null }).thenNothing();
  });

  it('does not wait for instances that are gone', () => {
    const none = { instances: 0, acknowledged: 0, acknowledgedGeneration: 0 };
    const story = takenBack()
      .delivers()
      .looks({ targets: { 'api-us': none, 'api-eu': none } })
      .waits(600_000);
    drain(story, { ...none, trafficSeenAt: null }).then({ type: 'TargetDrained', data: { outcome: 'unconfirmed' } });
  });

  it('ends as redelivered, never as drained, once a newer rollout delivers the revision there again', () => {
    const story = readBack().waits(60_000);
    const lastSeen = withdrawnAt(story) + 2_000;
    const quiet = { candidateSeenAt: lastSeen, trafficSeenAt: story.now };
    drain(story, { ...quiet, acknowledged: 0, redeliveredBy: 'ro-2' }).then({
      type: 'TargetDrained',
      data: {
        outcome: 'redelivered',
        lastSeenAt: lastSeen,
        detail: expect.stringContaining('rollout ro-2 delivers r2'),
      },
    });
  });

  it('is not taken for over on a target that does not answer', () => {
    const story = readBack().waits(600_000);
    drain(story, undefined).thenNothing();
  });

  it('is recorded once', () => {
    const story = readBack().waits(60_000);
    story.looks({ targets: onlyApiUs });
    drain(story, {}).thenNothing();
  });
});

describe('the end of a rollback', () => {
  it('comes when every target has drained, and says how each ended and how long it took', () => {
    const story = readBack().waits(31_000);
    story.looks({ targets: { 'api-eu': { trafficSeenAt: null } } }).waits(120_000);
    story.looks({ targets: { 'api-eu': { trafficSeenAt: null } } });
    given(story.events)
      .when(look(story))
      .then({
        type: 'RolledBack',
        data: { targets: { 'api-us': 'drained', 'api-eu': 'acknowledged' }, tookMs: 152_000 },
      });
  });

  it('does not come while one target is open', () => {
    const story = readBack().waits(31_000).looks({ targets: onlyApiUs }).waits(600_000);
    given(story.events)
      .when(look(story, { targets: onlyApiUs }))
      .thenNothing();
  });

  it('takes back tracks that were never reached by leaving them alone', () => {
    const story = takenBack().reachesStatus('rolled-back');
    expect(story.events.some(({ data }) => 'target' in data && data.target === 'bedrock-us')).toBe(false);
  });
});
