import { describe, expect, it } from 'vitest';
import { recorded } from '#libs/testing';
import { UnfitSnapshotError, ViewSnapshots, type KeptView } from '../ports.js';
import { LiveView } from '../queries/live-view.js';
import { ViewKeeper, type ViewKeeperOptions } from './view-keeper.js';

/** Keeps what it is given, or fails as it is told to. */
class MemorySnapshots extends ViewSnapshots {
  readonly written: number[] = [];
  failure: Error | undefined;
  #kept: { readonly position: number; readonly parts: readonly string[] } | undefined;

  override async read<T>(use: (kept: KeptView) => Promise<T>): Promise<T | undefined> {
    if (this.failure) throw this.failure;
    if (!this.#kept) return undefined;
    const { position, parts } = this.#kept;
    return use({ position, parts, access: () => Promise.resolve([]) });
  }

  override async write(position: number, parts: Iterable<string>): Promise<boolean> {
    if (this.failure) throw this.failure;
    await Promise.resolve();
    this.#kept = { position, parts: [...parts] };
    this.written.push(position);
    return true;
  }
}

const setting = (options: Partial<ViewKeeperOptions> = {}) => {
  const snapshots = new MemorySnapshots();
  const said: string[] = [];
  const failures: unknown[] = [];
  const clock = { now: 0 };
  const keeperOf = () =>
    new ViewKeeper(snapshots, {
      log: { info: (message, fields) => said.push(`${message} ${JSON.stringify(fields)}`) },
      report: (error) => failures.push(error),
      now: () => clock.now,
      every: 10,
      restMs: 60_000,
      ...options,
    });
  return { snapshots, said, failures, clock, keeperOf };
};

const fold = (view: LiveView, upTo: number): void => {
  for (let position = view.position + 1; position <= upTo; position += 1)
    view.apply(
      recorded({
        type: 'TargetRegistered',
        position,
        data: { target: `t-${position}`, platform: 'api', labels: {}, models: [], driver: 'pull', settings: {} },
      }),
    );
};

const reached = (): Promise<void> => Promise.resolve();
describe('the keeper of the view', () => {
  it('writes it once so much is new, and then rests, however much comes', async () => {
    const { snapshots, clock, keeperOf } = setting();
    const view = new LiveView();
    const keeper = keeperOf();
    keeper.follow(view, reached);
    fold(view, 9);
    await keeper.idle();
    expect(snapshots.written).toEqual([]);
    fold(view, 10);
    await keeper.idle();
    fold(view, 200);
    await keeper.idle();
    expect(snapshots.written).toEqual([10]);
    clock.now = 60_000;
    fold(view, 201);
    await keeper.idle();
    expect(snapshots.written).toEqual([10, 201]);
    await keeper.close();
  });

  it('writes in proportion to what is new: a thirty-second part of a long log must be', async () => {
    const { snapshots, keeperOf } = setting({ restMs: 0 });
    const view = new LiveView();
    fold(view, 3_200);
    const keeper = keeperOf();
    keeper.follow(view, reached);
    await keeper.idle();
    expect(snapshots.written).toEqual([3_200]);
    fold(view, 3_303);
    await keeper.idle();
    expect(snapshots.written).toEqual([3_200]);
    fold(view, 3_304);
    await keeper.idle();
    expect(snapshots.written).toEqual([3_200, 3_304]);
    await keeper.close();
  });

  it('waits until everything else that follows the log has come as far, and does not write where it never does', async () => {
    const { snapshots, failures, clock, keeperOf } = setting();
    const view = new LiveView();
    const keeper = keeperOf();
    let fail: (error: Error) => void = () => undefined;
    const asked: number[] = [];
    keeper.follow(view, (position) => {
      asked.push(position);
      return new Promise((_, reject) => (fail = reject));
    });
    fold(view, 15);
    expect([asked, snapshots.written]).toEqual([[10], []]);
    fail(new Error('it is behind'));
    await keeper.idle();
    expect(snapshots.written).toEqual([]);
    expect(failures).toEqual([new Error('it is behind')]);
    clock.now = 60_000;
    fold(view, 16);
    expect(asked).toEqual([10, 16]);
    fail(new Error('the end'));
    await keeper.close();
  });

  it('gives a view to go on from where there is one, of a position that may be', async () => {
    const { said, keeperOf } = setting();
    const view = new LiveView();
    expect((await keeperOf().restore()).position).toBe(0);
    expect(said).toEqual([]);
    const keeper = keeperOf();
    keeper.follow(view, reached);
    fold(view, 12);
    await keeper.idle();
    await keeper.close();
    expect((await keeperOf().restore()).fleet.targets.size).toBe(10);
    expect((await keeperOf().restore(10)).position).toBe(10);
    expect((await keeperOf().restore(9)).position).toBe(0);
    expect(said[0]).toBe('The log is folded on from where the view was kept. {"position":10}');
  });

  it('gives an empty one where what was kept cannot be used, and says why', async () => {
    const { snapshots, said, failures, keeperOf } = setting();
    snapshots.failure = new UnfitSnapshotError('It is damaged.');
    expect((await keeperOf().restore()).position).toBe(0);
    expect(said).toEqual([
      'The view that was kept is not used: the log is folded from its first event on. {"why":"It is damaged."}',
    ]);
    expect(failures).toEqual([]);
    snapshots.failure = new Error('no connection');
    expect((await keeperOf().restore()).position).toBe(0);
    expect(failures).toEqual([snapshots.failure]);
  });
});
