import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dueWindows, isDone, isTooLate, newestEnd, withDone, type Progress } from './windows.js';

const rhythm = { every: 15_000, delay: 15_000 };
const at = (seconds: number): number => 1_800_000_000_000 + seconds * 1_000;
const span = (from: number, until: number) => ({ from: at(from), until: at(until) });

describe('the windows of a source', () => {
  it('begin at multiples of their length, and are asked for when the delay is over', () => {
    expect(newestEnd(rhythm, at(44))).toBe(at(15));
    expect(newestEnd(rhythm, at(45))).toBe(at(30));
  });

  it('of a new signal begin with the newest whole one', () => {
    expect(dueWindows(undefined, rhythm, at(47))).toMatchObject({ due: [span(15, 30)], skipped: undefined });
  });

  it('that were missed are caught up with one by one', () => {
    const known = { until: at(0), ahead: [] };
    expect(dueWindows(known, rhythm, at(75)).due).toEqual([span(0, 15), span(15, 30), span(30, 45), span(45, 60)]);
  });

  it('reach one hour back at most, and what is skipped is said', () => {
    const { due, skipped, progress } = dueWindows({ until: at(0), ahead: [] }, rhythm, at(7_215));
    expect(skipped).toEqual(span(0, 3_600));
    expect(progress.until).toBe(at(3_600));
    expect([due.length, due[0], due.at(-1)]).toEqual([240, span(3_600, 3_615), span(7_185, 7_200)]);
  });

  it('do not wait for each other: one of which nothing is known stays due while later ones are counted', () => {
    let progress: Progress = { until: at(0), ahead: [] };
    progress = withDone(progress, span(15, 30), rhythm.every);
    expect(progress).toEqual({ until: at(0), ahead: [at(30)] });
    expect(dueWindows(progress, rhythm, at(60)).due).toEqual([span(0, 15), span(30, 45)]);
    progress = withDone(progress, span(0, 15), rhythm.every);
    expect(progress).toEqual({ until: at(30), ahead: [] });
  });

  it('of which nothing is known are given up when a late scrape would have come', () => {
    expect(isTooLate(rhythm, span(0, 15), at(15 + 15 + 75))).toBe(false);
    expect(isTooLate(rhythm, span(0, 15), at(15 + 15 + 76))).toBe(true);
  });

  it('are each due until they are done and never again, in whatever order and whenever they are asked for', () => {
    const order = fc.array(fc.tuple(fc.nat(20), fc.nat(40_000)), { maxLength: 60 });
    fc.assert(
      fc.property(order, (turns) => {
        let progress: Progress = { until: at(0), ahead: [] };
        let now = at(60);
        const done: number[] = [];
        for (const [pick, wait] of turns) {
          now += wait;
          const planned = dueWindows(progress, rhythm, now);
          progress = planned.progress;
          const window = planned.due[pick % Math.max(1, planned.due.length)];
          if (!window) continue;
          expect(done).not.toContain(window.until);
          expect(isDone(progress, window)).toBe(false);
          done.push(window.until);
          progress = withDone(progress, window, rhythm.every);
          expect(isDone(progress, window)).toBe(true);
        }
      }),
    );
  });
});
