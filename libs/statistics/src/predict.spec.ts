import { describe, expect, it } from 'vitest';
import {
  addToLikelihood,
  bet,
  chanceToSee,
  eventsToPromote,
  gridBets,
  logEValue,
  logPromotion,
  mixingCosts,
  openLook,
  ratioScale,
  smallestHarm,
  startProcess,
  timeToPromote,
  uniformAt,
} from './index.js';

describe('what a stage is predicted to need', () => {
  it.each([
    { rho: 0.1, margin: 1.5 },
    { rho: 0.1, margin: 3 },
    { rho: 0.5, margin: 2 },
  ])('promotion below x$margin at share $rho comes within 30% of the predicted number of events', ({ rho, margin }) => {
    const scale = ratioScale([margin]);
    const costs = mixingCosts(scale, rho);
    const runs = 300;
    let total = 0;
    for (let run = 0; run < runs; run += 1) {
      const likelihood = new Float64Array(scale.ratios.length);
      let events = 0;
      while (logPromotion(likelihood, scale, margin) < Math.log(20)) {
        const isCandidate = uniformAt(run, events) < rho;
        addToLikelihood(likelihood, scale, costs, isCandidate ? 1 : 0, isCandidate ? 0 : 1);
        events += 1;
      }
      total += events;
    }
    const predicted = eventsToPromote(rho, margin, 0.05) ?? 0;
    expect(total / runs / predicted).toBeGreaterThan(0.7);
    expect(total / runs / predicted).toBeLessThan(1.3);
  });

  it('takes half as long on two slices as on one, and never ends without control', () => {
    const slice = { candidate: 0.5, control: 4.5 };
    const one = timeToPromote([slice], 2, 0.05) ?? 0;
    expect(timeToPromote([slice, slice], 2, 0.05)).toBeCloseTo(one / 2, 3);
    expect(timeToPromote([{ candidate: 1, control: 0 }], 2, 0.05)).toBeNull();
  });
});

describe('the smallest harm that a stage sees', () => {
  const sight = { expected: { candidate: 20, control: 180 }, harm: 1, logBound: Math.log(1e3) };

  it('shrinks with traffic and grows with the wanted certainty', () => {
    const likely = smallestHarm(sight, 0.8) ?? 0;
    expect(smallestHarm(sight, 0.95)).toBeGreaterThan(likely);
    expect(smallestHarm({ ...sight, expected: { candidate: 200, control: 1800 } }, 0.8)).toBeLessThan(likely);
    expect(smallestHarm({ ...sight, expected: { candidate: 0, control: 180 } }, 0.8)).toBeNull();
    expect(smallestHarm({ ...sight, expected: { candidate: 1e-6, control: 9e-6 } }, 0.8)).toBeNull();
  });

  it('is seen in simulated stages about as often as it says', () => {
    const ratio = smallestHarm(sight, 0.8) ?? 0;
    expect(chanceToSee(sight, ratio)).toBeCloseTo(0.8, 2);
    const bets = gridBets(0.1, 1);
    let seen = 0;
    const runs = 400;
    for (let run = 0; run < runs; run += 1) {
      const process = startProcess();
      const rate = 20 * ratio + 180;
      let [time, drawn, top] = [0, 0, 0];
      for (;;) {
        time -= Math.log(uniformAt(run, drawn++)) / rate;
        if (time > 1) break;
        openLook(process, drawn === 1);
        const isCandidate = uniformAt(run, drawn++) < (20 * ratio) / rate;
        bet(process, bets, isCandidate ? 1 : 0, isCandidate ? 0 : 1);
        top = Math.max(top, logEValue(process));
      }
      if (top >= sight.logBound) seen += 1;
    }
    expect(seen / runs).toBeGreaterThan(0.72);
    expect(seen / runs).toBeLessThan(0.95);
  });
});
