import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AtView } from '#libs/contracts';
import { PostgresPastEditions } from '../apps/controller/src/composition/past-editions.js';
import { PostgresPastWriter } from '../apps/controller/src/composition/past-writer.js';
import { ask, clientOf } from './kit/http.js';

import { startInProcess, type InProcess } from './kit/in-process.js';
import { headOf } from './kit/log.js';
import { config, world } from './kit/manifests.js';
import { until } from './kit/until.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

type Edition = { readonly fold: number; readonly live: boolean };

/** What the rows of the old edition are marked with, so that answers tell where they come from. */
const OLD = 'from the old edition';

let database: TestDatabase;
let first: InProcess;
let running: InProcess | undefined;

const editions = async (): Promise<readonly Edition[]> =>
  (await database.pool.query<Edition>('select fold, live from read_models.past_editions order by edition')).rows;

/** A controller of a version that keeps the past by this fold. */
const start = async (pastFold: number, remakesAgainMs?: number): Promise<InProcess> => {
  running = await startInProcess(database.url, { known: first, instruments: { pastFold, remakesAgainMs } });
  return running;
};

const at = async ({
  viewer,
}: InProcess): Promise<{ readonly reasons: ReadonlySet<string | null>; readonly view: AtView }> => {
  const { status, json } = await ask(viewer, 'GET', '/v1/at');
  expect(status, JSON.stringify(json)).toBe(200);
  const view = AtView.parse(json);
  const reasons = view.targets.flatMap(({ configs }) => configs.map(({ since }) => since?.reason ?? null));
  return { reasons: new Set(reasons), view };
};

/** Why each event came about that tells of a config. */
const reasonsOf = async ({ viewer }: InProcess, key: string): Promise<readonly (string | null | undefined)[]> =>
  (await clientOf(viewer).events({ config: key })).items.map(({ reason }) => reason);

let release: (() => Promise<void>) | undefined;
/** Keeps the edition that is made from being written, until the answer is called. */
const holdMade = async (): Promise<() => Promise<void>> => {
  const client = await database.pool.connect();
  await client.query('begin');
  await client.query('select from read_models.past_editions where not live for update');
  release = async () => {
    release = undefined;
    await client.query('rollback');
    client.release();
  };
  return release;
};

beforeAll(async () => {
  database = await createTestDatabase();
  first = await startInProcess(database.url);
  await clientOf(first.operator).apply({ manifests: world(), reason: 'the first things' });
  await at(first);
  await first.stop();
});
afterEach(async () => {
  await release?.();
  await running?.stop();
  running = undefined;
});
afterAll(() => database.drop());

describe('A version that keeps the past otherwise', () => {
  it('answers from the old edition until the new one has caught up, new events too, and not once "not yet"', async () => {
    await database.pool.query('update read_models.past set reason = $1', [OLD]);
    // The new edition cannot be written before it is let go of.
    await database.pool.query('insert into read_models.past_editions (fold, position, live) values (2, 0, false)');
    const letGo = await holdMade();

    const controller = await start(2);
    const before = await at(controller);
    expect(before.reasons).toEqual(new Set([OLD]));
    await clientOf(controller.operator).apply({ manifests: [config('sampler', { top_k: 77 })], reason: 'meanwhile' });
    expect(await reasonsOf(controller, 'sampler')).toContain('meanwhile');
    expect((await at(controller)).reasons).toEqual(new Set([OLD]));
    expect(await editions()).toEqual([
      { fold: 1, live: true },
      { fold: 2, live: false },
    ]);

    const { json } = await ask(controller.viewer, 'GET', '/readyz');
    expect(json).toMatchObject({
      status: 'ready',
      reasons: [],
      progress: [
        expect.stringMatching(
          /^past: made anew up to event \d+ of \d+; questions about it are answered from what there was$/,
        ),
      ],
    });

    await letGo();
    await until('the new edition answers', async () => {
      expect(await reasonsOf(controller, 'sampler')).toContain('meanwhile');
      const { reasons } = await at(controller);
      expect(reasons.size, 'an answer is of one edition').toBe(1);
      return !reasons.has(OLD);
    });
    const after = await at(controller);
    expect(after.reasons).toEqual(new Set(['the first things']));
    expect(JSON.stringify(after.view.targets).replaceAll('the first things', OLD)).toBe(
      JSON.stringify(before.view.targets),
    );
    await controller.controller.core.past.remaker.done();
    expect(await editions()).toEqual([{ fold: 2, live: true }]);
    const left = await database.pool.query('select distinct edition from read_models.past');
    expect(left.rows).toHaveLength(1);
    expect(controller.complaints).toEqual([]);
  });

  it('leaves an edition by a later fold as it is, and follows the log in it', async () => {
    await database.pool.query('update read_models.past_editions set fold = 5 where live');
    const older = await start(4);
    await older.controller.core.past.remaker.done();
    expect(await editions()).toEqual([{ fold: 5, live: true }]);
    await clientOf(older.operator).apply({ manifests: [config('sampler', { top_k: 78 })], reason: 'by the older one' });
    expect(await reasonsOf(older, 'sampler')).toContain('by the older one');
  });

  it('makes it anew once an older one has added to it, beside this one or instead of it', async () => {
    await database.pool.query('update read_models.past_editions set fold = 5 where live');
    const newer = await start(5, 20);
    await newer.controller.core.past.remaker.done();
    expect(await editions()).toEqual([{ fold: 5, live: true }]);
    const [{ edition: before } = { edition: 0 }] = (
      await database.pool.query<{ edition: number }>('select edition from read_models.past_editions where live')
    ).rows;
    const head = await headOf(database.pool);
    await new PostgresPastWriter(database.pool, 4).write(head, { upTo: head + 1, rows: [], spans: [], mentions: [] });
    await clientOf(newer.operator).apply({ manifests: [config('sampler', { top_k: 79 })], reason: 'by the newer one' });
    await until('there is another one', async () => {
      const { rows } = await database.pool.query<{ edition: number; fold: number }>(
        'select edition, fold from read_models.past_editions where live',
      );
      return rows[0]?.fold === 5 && rows[0].edition > before;
    });
    expect(await reasonsOf(newer, 'sampler')).toContain('by the newer one');
    expect(newer.complaints).toEqual([]);
  });

  it('makes it anew where it is told that it is by no fold', async () => {
    await database.pool.query('update read_models.past_editions set fold = 0 where live');
    const controller = await start(1);
    const before = await at(controller);
    await controller.controller.core.past.remaker.done();
    expect(await editions()).toEqual([{ fold: 1, live: true }]);
    expect((await at(controller)).view.targets).toEqual(before.view.targets);
  });
});

describe('An edition that is made', () => {
  const news = (upTo: number) => ({ upTo, rows: [], spans: [], mentions: [{ subject: 'config/x', position: upTo }] });

  it('goes on where another controller left it, and is given up for one by a later fold', async () => {
    const made = new PostgresPastEditions(database.pool);
    expect(await made.begin(11)).toBe(0);
    expect(await made.write(11, 0, news(3))).toBe(true);
    expect(await made.begin(11)).toBe(3);
    expect(await made.write(11, 5, news(6)), 'it lacks what comes before').toBe(false);
    expect(await made.begin(11)).toBe(3);
    expect(await made.goLive(11), 'it is behind').toBe(false);
    expect(await made.begin(12)).toBe(0);
    expect(await made.write(11, 3, news(4))).toBe(false);
    expect(await made.goLive(11), 'it is given up').toBe(true);
    expect(await editions()).toMatchObject([{ live: true }, { fold: 12, live: false }]);
    while (await made.dropSome());
    const { rows } = await database.pool.query(`select from read_models.mentions where subject = 'config/x'`);
    expect(rows).toEqual([]);
    await database.pool.query('delete from read_models.past_editions where not live');
  });
});
