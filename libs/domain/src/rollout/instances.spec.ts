import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aPlan, aRollout, aStage, aStart, aTrack, liveOn, specification } from '#libs/testing';
import { drawInstances, instanceReach, instancesOf, missingForStage, rolloutDecider } from './index.js';

const { given } = specification(rolloutDecider);

const TARGETS = ['api-us', 'api-eu'];
/** Two of eight, half, then all but a holdback of one; alpha so large that two of eight on two targets can tell. */
const plan = aPlan({
  alpha: 0.1,
  holdback: 1_000,
  tracks: [aTrack('api', { stages: [2_500, 5_000, 10_000].map((exposure) => aStage(exposure)) })],
});
const byInstance = { assignment: 'instance' as const, instances: liveOn(TARGETS) };

const drawn = (events: readonly { readonly type: string; readonly data: object }[], target: string) =>
  events.flatMap(({ type, data }) =>
    type === 'ExposureRequested' && 'target' in data && data.target === target && 'instances' in data
      ? [data.instances as { readonly candidate: readonly string[]; readonly control: readonly string[] } | null]
      : [],
  );

describe('drawing instances', () => {
  const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 2, maxLength: 40 });
  const asked = { rollout: 'ro-1', target: 'api-us', shareBp: 2_500 };

  it('gives exactly the share, rounded, at least one, and leaves at least one', () => {
    expect([100, 2_500, 5_000, 9_900].map((share) => instancesOf(8, share))).toEqual([1, 2, 4, 7]);
    expect(instancesOf(2, 5_000)).toBe(1);
    expect(instancesOf(8, 10_000)).toBe(8);
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 9_999 }), (live, shareBp) => {
        const { candidate, control } = drawInstances({ ...asked, shareBp }, live, []);
        expect(candidate).toHaveLength(instancesOf(live.length, shareBp));
        expect([...candidate, ...control].toSorted()).toEqual(live.toSorted());
      }),
    );
  });

  it('does not depend on the order in which instances are named', () => {
    fc.assert(
      fc.property(names, (live) => {
        expect(drawInstances(asked, live.toReversed(), [])).toEqual(drawInstances(asked, live, []));
      }),
    );
  });

  it('falls evenly on all ways to choose, over rollouts: two of six are each of fifteen pairs as often', () => {
    const live = ['a-01', 'a-02', 'a-03', 'a-04', 'a-05', 'a-06'];
    const counts = new Map<string, number>();
    const runs = 15_000;
    for (let n = 0; n < runs; n += 1) {
      const { candidate } = drawInstances({ ...asked, rollout: `rollout-${n}`, shareBp: 3_333 }, live, []);
      const pair = candidate.join();
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
    const expected = runs / 15;
    const squares = [...counts.values()].map((count) => (count - expected) ** 2 / expected);
    expect(counts.size).toBe(15);
    // Chi-square with 14 degrees of freedom: above 36.1 with a chance of 0.1%.
    expect(squares.reduce((sum, each) => sum + each, 0)).toBeLessThan(36.1);
  });

  it('falls on a newcomer as often as on whoever was there and was not chosen', () => {
    const old = ['a', 'b', 'c', 'd'];
    let newcomer = 0;
    const runs = 6_000;
    for (let n = 0; n < runs; n += 1) {
      const rollout = `rollout-${n}`;
      const first = drawInstances({ rollout, target: 't', shareBp: 2_500 }, old, []);
      const second = drawInstances({ rollout, target: 't', shareBp: 4_000 }, [...old, 'new'], first.candidate);
      if (second.candidate.includes('new')) newcomer += 1;
    }
    expect(newcomer / runs).toBeGreaterThan(0.22);
    expect(newcomer / runs).toBeLessThan(0.28);
  });

  it('keeps whoever was chosen, also while it is away', () => {
    fc.assert(
      fc.property(names, fc.nat(), (live, pick) => {
        const { candidate } = drawInstances({ ...asked, shareBp: 2_500 }, live, []);
        const left = live.filter((_, index) => index !== pick % live.length);
        const grown = drawInstances({ ...asked, shareBp: 5_000 }, left, candidate);
        expect(grown.candidate).toEqual(expect.arrayContaining(candidate));
        expect(grown.candidate.filter((name) => left.includes(name)).length).toBeGreaterThanOrEqual(
          Math.min(instancesOf(left.length, 5_000), left.length),
        );
      }),
    );
  });
});

describe('a rollout by instance', () => {
  it('names in its first exposures the instances that serve the candidate, and those left on control', () => {
    const { events } = aRollout(plan, byInstance);
    for (const target of TARGETS) {
      const [first] = drawn(events, target);
      expect(first?.candidate).toHaveLength(2);
      expect(first?.control).toHaveLength(6);
    }
    expect(drawn(events, 'api-us')[0]?.candidate.map((name) => name.slice(-2))).not.toEqual(
      drawn(events, 'api-eu')[0]?.candidate.map((name) => name.slice(-2)),
    );
  });

  it('grows by stages, and nobody moves back', () => {
    const { events } = aRollout(plan, byInstance).reachesStatus('watching');
    const [quarter, half, all] = drawn(events, 'api-us');
    expect([quarter, half, all].map((each) => each?.candidate.length)).toEqual([2, 4, 7]);
    expect(half?.candidate).toEqual(expect.arrayContaining([...(quarter?.candidate ?? [])]));
    expect(all?.candidate).toEqual(expect.arrayContaining([...(half?.candidate ?? [])]));
  });

  it('draws nobody to settle, to be taken back, or for a config that is not assigned by instance', () => {
    const settled = aRollout(plan, byInstance).reachesStatus('settled');
    expect(drawn(settled.events, 'api-us').at(-1)).toBeNull();
    const aborted = aRollout(plan, byInstance).aborts();
    expect(drawn(aborted.events, 'api-us').at(-1)).toBeNull();
    expect(drawn(aRollout().events, 'api-us')).toEqual([null]);
  });

  it('leaves an instance that comes later on control until the next stage', () => {
    const story = aRollout(plan, byInstance).arrives();
    const [before] = drawn(story.events, 'api-us');
    const instances = {
      ...liveOn(TARGETS),
      'api-us': [...(liveOn(['api-us'], 8)['api-us'] ?? []), 'late-1', 'late-2'],
    };
    expect(before?.control).not.toContain('late-1');
    story.untilThat(({ tracks }) => tracks['api']?.stage === 1, { instances });
    const after = drawn(story.events, 'api-us').at(-1);
    expect([...(after?.candidate ?? []), ...(after?.control ?? [])]).toEqual(
      expect.arrayContaining(['late-1', 'late-2']),
    );
    expect(after?.candidate).toHaveLength(5);
  });

  it('asks no more instances to be seen than were chosen, and says who is gone', () => {
    const story = aRollout(plan, byInstance).arrives();
    const [track] = story.rollout.plan.tracks;
    if (!track) throw new Error('The plan has no track.');
    const activation = [{ target: 'api-us', model: 'sonnet', units: 1 }];
    const stages = { api: { activation } };
    const words = (instances = liveOn(TARGETS)) =>
      missingForStage(story.rollout, track, story.facts({ stages, instances })).join('; ');
    expect(words()).toContain('activation: 1 of 2 instances on api-us');
    const [gone] = drawn(story.events, 'api-eu')[0]?.candidate ?? [];
    const left = { ...liveOn(TARGETS), 'api-eu': (liveOn(TARGETS)['api-eu'] ?? []).filter((name) => name !== gone) };
    expect(words(left)).toContain('activation: 0 of 1 instances on api-eu (tpu) × sonnet (1 of 2 chosen is gone)');
  });

  it('waits before a stage for which nothing can be drawn, and says why', () => {
    const story = aRollout(plan, byInstance).arrives();
    const instances = { ...liveOn(TARGETS), 'api-us': ['api-us-01'] };
    const [track] = story.rollout.plan.tracks;
    if (!track) throw new Error('The plan has no track.');
    expect(missingForStage(story.rollout, track, story.facts({ instances })).join()).toContain(
      'api-us has one live instance',
    );
    given(story.events)
      .when({
        type: 'PromoteRollout',
        reason: 'in a hurry',
        track: null,
        stages: null,
        facts: story.facts({ instances }),
      })
      .thenRejected('too-few-instances', 'connect at least two');
  });

  it('of a later track says to whoever promotes what it waits for, and not that a stage has passed', () => {
    const tracks = [aTrack('us', { targets: ['api-us'] }), aTrack('eu', { targets: ['api-eu'], after: 'us' })];
    const instances = { ...liveOn(TARGETS), 'api-eu': ['api-eu-01'] };
    const story = aRollout(aPlan({ tracks }), byInstance).untilThat(
      (rollout) => (rollout.tracks['us']?.passed.length ?? 0) === rollout.plan.tracks[0]?.stages.length,
      { instances },
    );
    const promote = (track: string | null, stages: readonly string[] | null) =>
      given(story.events).when({
        type: 'PromoteRollout',
        reason: 'go on',
        track,
        stages,
        facts: story.facts({ instances }),
      });
    promote(null, []).thenRejected('nothing-to-promote', 'It waits for: eu: api-eu has one live instance');
    promote('eu', null).thenRejected('nothing-to-promote', 'track eu is not in a stage that could be promoted');
  });

  it('is refused where nobody is left to compare with, or more are live than an exposure can name', () => {
    const start = (count: number) => aStart(plan, { ...byInstance, instances: liveOn(TARGETS, count) });
    given().when(start(0)).thenRejected('too-few-instances', 'api-us has no live instance', '/plan');
    given().when(start(1)).thenRejected('too-few-instances', 'connect at least two');
    given().when(start(2_001)).thenRejected('too-few-instances', '2000 at most', 'divide it');
  });

  it('is refused where the lot could never tell, with the numbers, unless the plan says why that is accepted', () => {
    const one = (change: object) => aPlan({ tracks: [aTrack('api', { targets: ['api-us'], ...change })] });
    const stages = [2_500, 10_000].map((exposure) => aStage(exposure));
    const start = { ...byInstance, instances: liveOn(['api-us']) };
    given()
      .when(aStart(one({ stages }), start))
      .thenRejected('plan-never-tells', '2 of 8 on api-us', 'evidence to be had is 19', 'script-errors', 'acceptBlind');
    const accepted = { ...one({ stages }), acceptBlind: 'a fleet of eight is all there is' };
    given().when(aStart(accepted, start)).types();
  });

  it('goes everywhere in an emergency and for an undo, however few instances are known', () => {
    const emergency = { ...plan, tracks: plan.tracks.map((track) => ({ ...track, stages: track.stages.slice(-1) })) };
    const start = (count: number) =>
      aRollout(emergency, { ...byInstance, instances: liveOn(TARGETS, count), bypass: 'the pods crash' }).events;
    const asked = (count: number) =>
      start(count).flatMap(({ type, data }) =>
        type === 'ExposureRequested' && 'shareBp' in data ? [data.shareBp] : [],
      );
    expect(asked(0)).toEqual([10_000, 10_000]);
    expect(asked(1)).toEqual([10_000, 10_000]);
    expect(asked(8)).toEqual([9_000, 9_000]);
    expect(drawn(start(8), 'api-us')[0]?.candidate).toHaveLength(7);
  });

  it('is not refused where invariants decide alone', () => {
    const small = aPlan({
      tracks: [aTrack('api', { targets: ['api-us'], stages: [2_500, 10_000].map((e) => aStage(e)) })],
    });
    const signals = small.signals.map((signal) => ({ ...signal, shadow: signal.type !== 'invariant' }));
    expect(instanceReach({ ...small, signals }, liveOn(['api-us'])).refusal).toBeUndefined();
    expect(instanceReach(small, liveOn(['api-us'])).refusal).toContain('raise alpha');
  });

  it('can tell more with each stage', () => {
    const { stages } = instanceReach(plan, liveOn(TARGETS));
    expect(stages.map(({ stage, draws }) => [stage, ...draws.map(({ chosen, of }) => `${chosen}/${of}`)])).toEqual([
      ['25%', '2/8', '2/8'],
      ['50%', '4/8', '4/8'],
      ['100%', '7/8', '7/8'],
    ]);
    const [first = 0, second = 0] = stages.map(({ largestE }) => largestE);
    expect(first).toBeGreaterThan(18 ** 2);
    expect(first).toBeLessThan(28 ** 2);
    expect(second).toBeGreaterThan(first);
  });
});
