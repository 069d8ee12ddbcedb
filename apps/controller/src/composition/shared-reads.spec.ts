import { describe, expect, it } from 'vitest';
import { SharedReads } from './shared-reads.js';

const settled = () => new Promise((done) => setImmediate(done));

describe('reads of another platform', () => {
  const setting = () => {
    let now = 0;
    let calls = 0;
    const reads = new SharedReads(() => now);
    const ask = (fails = false) =>
      reads
        .read('edge', () => {
          calls += 1;
          return fails ? Promise.reject(new Error('it does not answer')) : Promise.resolve(undefined);
        })
        .catch(() => undefined);
    return { reads, ask, calls: () => calls, passes: (ms: number) => (now += ms) };
  };

  it('are shared for a second by all who ask', async () => {
    const { ask, calls, passes } = setting();
    await Promise.all([ask(), ask()]);
    passes(999);
    await ask();
    expect(calls()).toBe(1);
    passes(1);
    await ask();
    expect(calls()).toBe(2);
  });

  it('are made anew once something was written', async () => {
    const { reads, ask, calls } = setting();
    await ask();
    reads.forget('edge');
    await ask();
    expect(calls()).toBe(2);
  });

  it('are one while it hangs, however long that takes and whoever asks', async () => {
    let now = 0;
    let calls = 0;
    let answer: () => void = () => undefined;
    const reads = new SharedReads(() => now);
    const ask = () =>
      reads.read('edge', () => {
        calls += 1;
        return new Promise((resolve) => (answer = () => resolve({ generation: 7, ruleset: {} })));
      });
    const asked = [ask()];
    for (now = 1_000; now <= 9_000; now += 1_000) asked.push(ask());
    expect(calls).toBe(1);
    answer();
    expect(await Promise.all(asked)).toEqual(asked.map(() => ({ generation: 7, ruleset: {} })));
    // What was answered late is still news for a moment.
    void ask();
    expect(calls).toBe(1);
  });

  it('become rarer while it does not answer, down to one each 30 s, and are as before when it does', async () => {
    const { ask, calls, passes } = setting();
    const waits: number[] = [];
    for (let failure = 0; failure < 7; failure += 1) {
      await ask(true);
      await settled();
      const before = calls();
      let waited = 0;
      while (calls() === before) {
        passes(1_000);
        waited += 1;
        await ask(true);
        await settled();
      }
      waits.push(waited);
    }
    expect(Math.max(...waits)).toBe(30);
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    passes(30_000);
    await ask();
    await settled();
    const before = calls();
    passes(1_000);
    await ask();
    expect(calls()).toBe(before + 1);
  });
});
