import { createHash, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LiveView, packView, UnfitSnapshotError, unpackView } from '#libs/application';
import { eventCodec } from '#libs/domain';
import { PostgresEventStore } from '#libs/event-store';
import { foldOfBuild } from '../apps/controller/src/composition/fold-of-build.js';
import type { Instruments } from '../apps/controller/src/composition/instruments.js';
import { PostgresViewSnapshots, WRITE_LOCK } from '../apps/controller/src/composition/view-snapshots.js';
import { foldedAt } from './kit/folded-at.js';
import { ask, clientOf } from './kit/http.js';
import { startInProcess, type InProcess } from './kit/in-process.js';
import { headOf, readLog } from './kit/log.js';
import { config, world } from './kit/manifests.js';
import { until } from './kit/until.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

const GOES_ON = 'The log is folded on from where the view was kept.';
const ANEW = 'The view that was kept is not used: the log is folded from its first event on.';

let database: TestDatabase;
let store: PostgresEventStore;

const snapshotsOf = (fold = 'this build'): PostgresViewSnapshots =>
  new PostgresViewSnapshots(database.pool, store, fold);

const folded = async (upTo = Infinity): Promise<LiveView> => {
  const view = new LiveView();
  for (const event of await readLog(database.pool)) if (event.position <= upTo) view.apply(eventCodec.decode(event));
  return view;
};

const keep = async (view: LiveView, snapshots = snapshotsOf()): Promise<boolean> => {
  const { position, parts } = packView(view);
  return snapshots.write(position, parts);
};

const kept = async (): Promise<{ position: number; parts: number }[]> =>
  (
    await database.pool.query<{ position: number; parts: number }>(
      `select position, count(*)::int as parts from read_models.view_snapshots
       join read_models.view_snapshot_parts using (position) group by position`,
    )
  ).rows;

/** A part as it is stored, in hex. */
const sealedPart = (text: string): string => {
  const part = gzipSync(text);
  return Buffer.concat([createHash('sha256').update(part).digest(), part]).toString('hex');
};

/** A start with its own idea of the code that folds, as another version has. */
const start = async (keepsView: Instruments['keepsView'], known?: InProcess): Promise<InProcess> =>
  startInProcess(database.url, { ...(known && { known }), instruments: keepsView === undefined ? {} : { keepsView } });

beforeAll(async () => {
  database = await createTestDatabase();
  store = new PostgresEventStore({ pool: database.pool, codec: eventCodec });
  const controller = await start(undefined);
  await clientOf(controller.operator).apply({ manifests: world(), reason: 'the first things' });
  await controller.stop();
});
beforeEach(() => database.pool.query('truncate read_models.view_snapshots, read_models.view_snapshot_parts'));
afterAll(() => database.drop());

describe('A view that is kept', () => {
  it('comes back as it was, with the tokens that the log has', async () => {
    const view = await folded();
    expect(await keep(view)).toBe(true);
    const restored = await snapshotsOf().read(unpackView);
    expect(restored && foldedAt(restored.fleet)).toEqual(foldedAt(view.fleet));
    expect(restored?.tokens).toEqual(view.tokens);
    expect(restored?.tokens.length).toBeGreaterThan(2);
  });

  it('gives way to a later one of the same build and to any of another, never to an earlier one', async () => {
    const head = await headOf(database.pool);
    expect(await keep(await folded(head - 2))).toBe(true);
    expect(await keep(await folded(head - 3))).toBe(false);
    expect(await keep(await folded(head - 2))).toBe(false);
    expect(await keep(await folded(head - 1))).toBe(true);
    expect(await kept()).toEqual([{ position: head - 1, parts: 1 }]);
    expect(await keep(await folded(head - 3), snapshotsOf('another'))).toBe(true);
    expect(await kept()).toEqual([{ position: head - 3, parts: 1 }]);
  });

  it('stays as it was where a writer ends in the middle, and is read whole while another takes its place', async () => {
    const head = await headOf(database.pool);
    await keep(await folded(head - 1));
    const view = await folded();
    const ends = function* (): Generator<string> {
      yield* packView(view).parts;
      throw new Error('The power is gone.');
    };
    await expect(snapshotsOf().write(head, ends())).rejects.toThrow('The power is gone.');
    expect(await kept()).toEqual([{ position: head - 1, parts: 1 }]);
    const position = await snapshotsOf().read(async (view) => {
      await keep(await folded());
      return (await unpackView(view)).position;
    });
    expect(position).toBe(head - 1);
    expect(await kept()).toEqual([{ position: head, parts: 1 }]);
  });

  it('is written by one at a time: whoever comes second leaves it', async () => {
    const other = await database.pool.connect();
    await other.query('begin');
    await other.query('select pg_advisory_xact_lock($1)', [WRITE_LOCK]);
    expect(await keep(await folded())).toBe(false);
    await other.query('rollback');
    other.release();
    expect(await kept()).toEqual([]);
    expect(await keep(await folded())).toBe(true);
  });

  it.each([
    ['a part is altered', `update read_models.view_snapshot_parts set state = overlay(state placing '\\x00' from 60)`],
    ['a part is cut off', 'update read_models.view_snapshot_parts set state = substring(state from 1 for 50)'],
    ['a part is missing', 'delete from read_models.view_snapshot_parts'],
    ['a part is another one', `update read_models.view_snapshot_parts set state = '\\x${sealedPart('[]')}'`],
    ['it names fewer parts', 'update read_models.view_snapshots set parts = parts - 1'],
  ])('is not used where %s', async (_, damage) => {
    await keep(await folded());
    await database.pool.query(damage);
    await expect(snapshotsOf().read(unpackView)).rejects.toThrow(new UnfitSnapshotError('It is damaged.'));
  });

  it('is not used by a build that folds otherwise, on a log that is shorter, or on another log', async () => {
    const view = await folded();
    await keep(view);
    await expect(snapshotsOf('newer').read(unpackView)).rejects.toThrow('another version of Headgate');
    await database.pool.query(`update read_models.view_snapshots set leaf = '\\x00'`);
    await expect(snapshotsOf().read(unpackView)).rejects.toThrow('It is of another log');
    await database.pool.query('update read_models.view_snapshots set position = position + 100');
    await expect(snapshotsOf().read(unpackView)).rejects.toThrow('the log ends at');
  });

  it('lets nobody in that the log does not, whoever wrote it', async () => {
    const forged = await folded();
    const token = { token: 'forged', subject: 'mallory', role: 'admin', hash: 'ff', last4: 'abcd', expiresAt: null };
    const [issued] = (await readLog(database.pool)).filter(({ type }) => type === 'TokenIssued');
    if (issued === undefined) throw new Error('No token was issued.');
    forged.apply({ ...issued, data: token, eventId: randomUUID(), position: forged.position });
    expect(forged.tokenByHash('ff')).toMatchObject({ role: 'admin' });
    await keep(forged);
    const restored = await snapshotsOf().read(unpackView);
    expect(restored?.tokenByHash('ff')).toBeUndefined();
    expect(restored?.tokens).toEqual((await folded()).tokens);
  });
});

describe('A controller that starts', () => {
  const often = { every: 5, restMs: 0 };

  it('folds on from the view that was kept, knows every token and answers as before', async () => {
    const first = await start(often);
    const answer = async ({ viewer }: InProcess) => (await ask(viewer, 'GET', '/v1/at')).json;
    await clientOf(first.operator).apply({ manifests: [config('sampler', { top_k: 20 })] });
    await until('the view is kept', async () => (await kept()).length === 1);
    await first.stop();
    const [{ position } = { position: 0 }] = await kept();
    const second = await start(often, first);
    expect(second.remarks).toContain(`${GOES_ON} ${JSON.stringify({ position })}`);
    expect(await answer(second)).toMatchObject(foldedAt((await folded()).fleet));
    expect(second.complaints).toEqual([]);
    await second.stop();
  });

  it('keeps the view only once what is kept of the past has come as far', async () => {
    const first = await start(often);
    await until('the view is kept', async () => (await kept()).length === 1);
    const { rows } = await database.pool.query<{ behind: number }>(
      `select s.position - p.position as behind from read_models.view_snapshots s, read_models.past_editions p where live`,
    );
    expect(rows[0]?.behind).toBeLessThanOrEqual(0);
    await first.stop();
  });

  it('of another version, older or newer, folds the log anew, says so, and keeps its own', async () => {
    const mine = await start({ ...often, fold: 'mine' });
    await until('the view is kept', async () => (await kept()).length === 1);
    await mine.stop();
    for (const fold of ['newer', 'mine']) {
      const other = await start({ ...often, fold }, mine);
      expect(other.remarks.some((remark) => remark.startsWith(ANEW) && remark.includes('another version'))).toBe(true);
      expect(other.controller.core.view.position).toBe(await headOf(database.pool));
      await until('it keeps its own', async () => {
        const { rows } = await database.pool.query('select from read_models.view_snapshots where fold = $1', [fold]);
        return rows.length === 1;
      });
      await other.stop();
    }
  });

  it('folds the log anew where the view is damaged, and says why', async () => {
    const first = await start(often);
    await until('the view is kept', async () => (await kept()).length === 1);
    await first.stop();
    await database.pool.query('delete from read_models.view_snapshot_parts');
    const second = await start(undefined, first);
    expect(second.remarks.some((remark) => remark.startsWith(ANEW))).toBe(true);
    expect((await ask(second.viewer, 'GET', '/v1/at')).json).toMatchObject(foldedAt((await folded()).fleet));
    await second.stop();
  });
});

describe('What stands for the code that folds', () => {
  it('is the same at each start of one build', () => {
    expect(foldOfBuild()).toBe(foldOfBuild());
    expect(foldOfBuild()).toMatch(/^[0-9a-f]{64}$/);
  });
});
