import { describe, expect, it } from 'vitest';
import { recorded } from '#libs/testing';
import { PastWriter, type PastNews } from '../past.js';
import { LiveView } from '../queries/live-view.js';
import { PastKeeper } from './past-keeper.js';

/** Keeps how far it was written, each time that it was. */
class MemoryPast extends PastWriter {
  readonly written: number[] = [];

  override position(): Promise<number> {
    return Promise.resolve(this.written.at(-1) ?? 0);
  }

  override async write(after: number, { upTo }: PastNews): Promise<number> {
    const kept = await this.position();
    if (kept < after || kept >= upTo) return kept;
    this.written.push(upTo);
    return upTo;
  }
}

const setting = (paceMs: number) => {
  const view = new LiveView();
  const past = new MemoryPast();
  const failures: unknown[] = [];
  const store = { readAll: () => Promise.resolve([]) };
  const keeper = new PastKeeper(view, store, past, { kept: 0, report: (error) => failures.push(error), paceMs });
  /** The next event, and whatever follows at once from it. */
  const next = async (): Promise<void> => {
    const position = view.position + 1;
    const data = { target: `t-${position}`, platform: 'api', labels: {}, models: [], driver: 'pull', settings: {} };
    view.apply(recorded({ type: 'TargetRegistered', position, data }));
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  return { view, past, keeper, next, failures };
};

const NEVER_MS = 600_000;

describe('the keeper of the past', () => {
  it('writes the first event at once, and those soon after it together', async () => {
    const { past, keeper, next } = setting(NEVER_MS);
    for (let n = 0; n < 4; n += 1) await next();
    expect(past.written).toEqual([1]);
    await keeper.stop();
    expect(past.written).toEqual([1, 4]);
  });

  it('does not let anybody wait for that', async () => {
    const { past, keeper, next, failures } = setting(NEVER_MS);
    await next();
    await next();
    await keeper.reached(2);
    await next();
    await keeper.caughtUp();
    expect(past.written).toEqual([1, 2, 3]);
    await keeper.stop();
    expect(failures).toEqual([]);
  });
});
