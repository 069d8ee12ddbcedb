import { describe, expect, it } from 'vitest';
import { aPlan, aRollout, type RolloutStory, type Shortcomings } from '#libs/testing';
import { missingForStage, waitingFor } from './index.js';

const MINUTE = 60_000;
const QUORUM = { quorum: 9_000, within: 5 * MINUTE };
const withQuorum = (): RolloutStory => aRollout(aPlan({ convergence: QUORUM }));

/** Ten instances of api-us were live when it was asked; so many have acknowledged, are behind, have stopped talking. */
const us = (acknowledged: number, behind: number, silent: number, waitedMs = 0): Shortcomings => {
  const names = (what: string, count: number) => Array.from({ length: count }, (_, n) => `${what}-${n + 1}`);
  return {
    targets: {
      'api-us': {
        instances: acknowledged + behind,
        acknowledged,
        acknowledgedGeneration: behind > 0 ? 1 : 1_000,
        behind: names('behind', behind),
        silent: names('silent', silent),
        waitedMs,
      },
    },
  };
};

const hasConverged = (story: RolloutStory, target = 'api-us'): boolean => {
  const { wanted, converged = 0 } = story.rollout.targets[target] ?? {};
  return wanted != null && converged >= wanted.generation;
};
const recordOf = (story: RolloutStory) =>
  story.events.flatMap((event) =>
    event.type === 'TargetConverged' && event.data.target === 'api-us' ? [event.data] : [],
  );
const missing = (story: RolloutStory, facts: Shortcomings): readonly string[] => {
  const [track] = story.rollout.plan.tracks;
  return track ? missingForStage(story.rollout, track, story.facts(facts)) : [];
};

describe('rule 4: a stage that waits for all', () => {
  it('waits for an instance that has stopped talking since the target was asked, and says its name', () => {
    const story = aRollout()
      .delivers()
      .looks(us(9, 0, 1, 60 * MINUTE));
    expect(hasConverged(story)).toBe(false);
    expect(missing(story, us(9, 0, 1))).toContain(
      'api-us: 1 instance has stopped talking since generation 4: silent-1',
    );
    expect(hasConverged(story.looks(us(10, 0, 0)))).toBe(true);
  });

  it('names those that are behind', () => {
    const story = aRollout().delivers();
    expect(missing(story, us(8, 2, 0))).toContain(
      'api-us: 8 of 10 instances have acknowledged generation 4 (not yet behind-1, behind-2)',
    );
  });

  it('does not pass when an instance stops talking after the target had converged', () => {
    const story = aRollout().arrives();
    expect(missing(story, {})).toEqual([]);
    const passed = story.looks(us(9, 0, 1)).events.filter(({ type }) => type === 'StagePassed');
    expect(passed).toEqual([]);
    expect(waitingFor(story.rollout, story.facts(us(9, 0, 1))).join()).toContain('stopped talking');
  });
});

describe('rule 4: a stage that goes on with a quorum', () => {
  it.each([
    ['nine of ten, the deadline passed', us(9, 1, 0, 5 * MINUTE), true],
    ['nine of ten, one of which is silent, the deadline passed', us(9, 0, 1, 5 * MINUTE), true],
    ['nine of ten, the deadline not passed', us(9, 1, 0, 5 * MINUTE - 1), false],
    ['all ten, the deadline not passed', us(10, 0, 0), true],
    ['eight of ten, the deadline long passed', us(8, 2, 0, 60 * MINUTE), false],
    ['eight of ten, two of which are silent, the deadline long passed', us(8, 0, 2, 60 * MINUTE), false],
    ['none of none', us(0, 0, 0, 60 * MINUTE), false],
    ['none of ten that are all silent', us(0, 0, 10, 60 * MINUTE), false],
  ])('has converged with %s: %s', (_, facts, expected) => {
    expect(hasConverged(withQuorum().delivers().looks(facts))).toBe(expected);
  });

  it('is refused where half of them would be enough', () => {
    expect(() => aPlan({ convergence: { quorum: 5_000, within: MINUTE } })).toThrow(/more than half/);
  });

  it('names in the record who was absent', () => {
    const story = withQuorum()
      .delivers()
      .looks(us(18, 1, 1, 5 * MINUTE));
    expect(recordOf(story)).toEqual([expect.objectContaining({ instances: 19, absent: ['behind-1', 'silent-1'] })]);
  });

  it('still waits for bake, activation and verdicts', () => {
    const story = withQuorum()
      .delivers()
      .looks(us(9, 1, 0, 5 * MINUTE));
    const bad = { ...us(9, 1, 0, 5 * MINUTE), stages: { api: { bakedMs: 0, activation: [] } } };
    expect(missing(story, bad).some((what) => what.startsWith('bake'))).toBe(true);
    expect(missing(story, bad).some((what) => what.startsWith('activation'))).toBe(true);
  });
});

describe('rule 5: a rollback', () => {
  it('is proved by all that live, never by a quorum', () => {
    const story = withQuorum().arrives().does({ type: 'AbortRollout', reason: 'for the spec' }).delivers();
    expect(hasConverged(story.looks(us(9, 1, 0, 60 * MINUTE)))).toBe(false);
    expect(hasConverged(story.looks(us(10, 0, 0)))).toBe(true);
  });

  it('is not kept from its end by those that have stopped talking, and names them', () => {
    const story = aRollout().arrives().does({ type: 'AbortRollout', reason: 'for the spec' }).delivers();
    story.looks(us(9, 0, 1));
    expect(hasConverged(story)).toBe(true);
    expect(recordOf(story).at(-1)?.absent).toEqual(['silent-1']);
  });
});
