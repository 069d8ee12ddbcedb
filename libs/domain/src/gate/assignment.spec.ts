import { describe, expect, it } from 'vitest';
import { nextUniform, seeded } from '#libs/statistics';
import { assignmentSkew } from './index.js';

const cell = (target: string, shareBp: number, candidate: number, control: number) => ({
  target,
  shareBp,
  candidate,
  control,
});

describe('the assignment of units', () => {
  it('is as it should be where the arms have as many as their shares say, give or take chance', () => {
    expect(assignmentSkew([], 'units')).toBeUndefined();
    expect(assignmentSkew([cell('api', 1_000, 1_020, 8_980), cell('api', 5_000, 490, 510)], 'units')).toBeUndefined();
  });

  it('is said to be skewed with what there is and what there should be', () => {
    expect(assignmentSkew([cell('api', 5_000, 5_000, 5_000), cell('gpu', 1_000, 700, 9_300)], 'units')).toBe(
      'assignment on gpu: 700 of 10,000 units are on the candidate (7%), where 10% should be: the arms cannot be compared; see who is missing, and how rulesets are evaluated there',
    );
  });

  it('adds up what every share of a target tells', () => {
    const one = cell('api', 1_000, 860, 9_140);
    expect(assignmentSkew([one], 'requests')).toBeUndefined();
    expect(assignmentSkew([one, cell('api', 5_000, 4_780, 5_220)], 'requests')).toContain('requests');
  });

  it('is falsely called skewed in none of 200 rollouts of fair coins that are looked at 200 times', () => {
    let source = seeded(11);
    const chance = (): number => {
      const [value, next] = nextUniform(source);
      source = next;
      return value;
    };
    let alarms = 0;
    for (let run = 0; run < 200; run += 1) {
      let [candidate, control, alarmed] = [0, 0, false];
      for (let look = 0; look < 200; look += 1) {
        for (let n = 0; n < 20; n += 1)
          if (chance() < 0.1) candidate += 1;
          else control += 1;
        alarmed ||= assignmentSkew([cell('api', 1_000, candidate, control)], 'units') !== undefined;
      }
      alarms += alarmed ? 1 : 0;
    }
    expect(alarms).toBe(0);
  });
});
