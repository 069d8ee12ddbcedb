import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LiveView, react } from '#libs/application';
import {
  asHeadgateEvent,
  configDecider,
  eventCodec,
  rolloutDecider,
  targetDecider,
  type ConfigEvent,
  type Recorded,
  type RolloutEvent,
  type TargetEvent,
} from '#libs/domain';
import { canonicalJson, leafHash, PostgresEventStore } from '#libs/event-store';
import type { RecordedEvent } from '#libs/kernel';
import { migrate, migrationsFolder, readMigrations } from '#libs/postgres';
import type { HeadgateClient } from '../../apps/cli/src/client.js';
import { readEvidenceOf, violationsOf } from '../chaos/history-checker.js';
import { foldedAt } from '../kit/folded-at.js';
import { clientOf } from '../kit/http.js';
import { startInProcess, type InProcess } from '../kit/in-process.js';
import { faultsOfLog, headOf, readLog } from '../kit/log.js';
import { TARGETS } from '../kit/manifests.js';
import { reachesStatus } from '../kit/rollouts.js';
import { TinyFleet } from '../kit/tiny-fleet.js';
import { until } from '../kit/until.js';
import { createEmptyDatabase, type TestDatabase } from '../test-database.js';
import { countRows, linesOf, readJson, restoreGolden, type Golden } from './database/golden.js';
import { stateOf, type State } from './database/state.js';
import { change } from './database/world.js';

type Task = { readonly id: string; readonly attempts: number; readonly done_at: number | null };
type Rollout = { readonly id: string; readonly config: string; readonly status: string };

const DATABASES = join(import.meta.dirname, 'database');
const requestsOfArms = async (pool: Pool) =>
  (
    await pool.query(`
      select rollout, target, model, arm, share_bp, sum(requests) as requests, sum(unassigned) as unassigned,
        max(last_at) as last_at
      from evidence.arms group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5`)
  ).rows;

const releases = readdirSync(DATABASES, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);
/** Of `limits` the new value does harm, in whatever release it was started. */
const HARM = [
  { config: 'limits', revision: 2, signal: 'script-errors', perWindow: 30 },
  { config: 'limits', revision: 1, signal: 'script-errors', perWindow: 5 },
];

/** Tables that a later migration dropped: all that they said is folded from the log, which is compared below. */
const DROPPED = ['read_models.rollout_summary'];
/** Tables whose rows a later migration merged; what they count is compared below. */
const MERGED = ['evidence.arms'];

const tasksOf = async (pool: Pool): Promise<readonly Task[]> =>
  (await pool.query<Task>('select id, attempts, done_at from process.tasks order by id')).rows;

const checkpointOf = async (pool: Pool): Promise<number> => {
  const { rows } = await pool.query<{ position: number }>(
    `select position from process.checkpoints where name = 'conductor'`,
  );
  return rows[0]?.position ?? 0;
};

const bodiesOf = async (pool: Pool, upTo: number): Promise<readonly string[]> => {
  const { rows } = await pool.query<{ body: string }>(
    'select body from event_store.events where position <= $1 order by position',
    [upTo],
  );
  return rows.map(({ body }) => body);
};

const hasPassed = (client: HeadgateClient, id: string, track: string): Promise<unknown> =>
  until(`track ${track} has passed`, async () => {
    const { tracks } = await client.rollout(id);
    return tracks.some(({ name, status }) => name === track && status === 'passed');
  });

describe.each(releases)('A database that release %s wrote', (release) => {
  const folder = join(DATABASES, release);
  const said = readJson(folder, 'state.json') as State;
  const head = said.history.length;
  const rollouts = said.rollouts as readonly Rollout[];
  const rolloutOf = (config: string, status: string): string =>
    rollouts.find((rollout) => rollout.config === config && rollout.status === status)?.id ?? `no ${config} ${status}`;
  let database: TestDatabase;
  let golden: Golden;
  let running: InProcess | undefined;

  const start = async (env: Readonly<Record<string, string>> = {}): Promise<InProcess> => {
    running = await startInProcess(database.url, { env });
    return running;
  };
  const stop = async (): Promise<void> => {
    await running?.stop();
    running = undefined;
  };

  beforeEach(async () => {
    database = await createEmptyDatabase();
    golden = await restoreGolden(database.pool, folder);
  });

  afterEach(async () => {
    await stop();
    await database.drop();
  });

  it('is brought to the schema of today by the migrations that it lacks, by no other, and loses no row that is read', async () => {
    const before = await countRows(database.pool);
    expect(before).toMatchObject(golden.rows);
    const { rows } = await database.pool.query('select number, name, checksum from schema_migrations order by number');
    expect(rows, 'a migration file was changed after its release').toEqual(golden.migrations);

    const requests = await requestsOfArms(database.pool);
    const newest = golden.migrations.at(-1)?.number ?? 0;
    const missing = readMigrations(migrationsFolder()).filter(({ number }) => number > newest);
    const report = await migrate(database.pool);
    expect(report.applied).toEqual(missing.map(({ name }) => name));
    const after = await countRows(database.pool);
    const kept = Object.entries(before).filter(([name]) => ![...DROPPED, ...MERGED].includes(name));
    expect(after).toMatchObject(Object.fromEntries(kept));
    for (const name of MERGED) expect(after[name]).toBeGreaterThan(0);
    expect(await requestsOfArms(database.pool)).toEqual(requests);
    for (const name of DROPPED) expect(after).not.toHaveProperty([name]);
    expect((await migrate(database.pool)).applied).toEqual([]);
  });

  it('keeps its log as it was: no gap, every event the same canonical bytes under the same hash', async () => {
    await migrate(database.pool);
    expect(await faultsOfLog(database.pool)).toEqual([]);
    const stored = await database.pool.query<{ body: string; leaf: Buffer; columns: unknown }>(
      `select body, leaf, json_build_array(position, stream_id, stream_version, recorded_at at time zone 'UTC') as columns
       from event_store.events order by position`,
    );
    const kept = linesOf(folder, 'event_store.events').map((line) => JSON.parse(line) as unknown[]);
    expect(stored.rows).toHaveLength(kept.length);
    for (const [index, { body, leaf, columns }] of stored.rows.entries()) {
      const event = JSON.parse(body) as RecordedEvent;
      expect(body).toBe(kept[index]?.[4]);
      expect(body).toBe(canonicalJson(event));
      expect(leaf).toEqual(leafHash(body));
      const { position, streamId, streamVersion, recordedAt } = event;
      const [, , , time] = columns as string[];
      expect(columns).toEqual([position, streamId, streamVersion, time]);
      expect(Date.parse(`${time}Z`)).toBe(Date.parse(recordedAt));
    }
  });

  it('is read event by event, and folds to what that release said of every target and rollout', async () => {
    await migrate(database.pool);
    const view = new LiveView();
    const streams = new Map<string, RecordedEvent[]>();
    for (const stored of await readLog(database.pool)) {
      const event = eventCodec.decode(stored);
      expect(() => eventCodec.check(event)).not.toThrow();
      view.apply(event);
      streams.set(event.streamId, [...(streams.get(event.streamId) ?? []), event]);
    }
    expect(view.position).toBe(head);
    const { position, targets } = said.at as { readonly position: number; readonly targets: object };
    expect(foldedAt(view.fleet)).toMatchObject({ position, targets });
    const states = [...streams].flatMap(([stream, events]): unknown[] => {
      const all = events.map(asHeadgateEvent);
      if (stream.startsWith('config-')) (all as ConfigEvent[]).reduce(configDecider.evolve, configDecider.initial);
      if (stream.startsWith('target-')) (all as TargetEvent[]).reduce(targetDecider.evolve, targetDecider.initial);
      if (!stream.startsWith('rollout-')) return [];
      return [(all as Recorded<RolloutEvent>[]).reduce(rolloutDecider.evolve, rolloutDecider.initial)];
    });
    const inOrder = rollouts.map(({ id, config, status }) => ({ id, config, status })).toReversed();
    expect(states).toMatchObject(inOrder);
  });

  it('is shown by a controller of today as that release showed it: targets, configs, rollouts, tokens, history', async () => {
    const { admin } = await start({ HEADGATE_ROLE: 'api' });
    const state = await stateOf(admin, head);
    const tokens = state.tokens.slice(0, said.tokens.length);
    expect({ ...state, tokens }).toMatchObject(said);
  });

  it('still knows every command that was sent to that release, and does none of them twice', async () => {
    await migrate(database.pool);
    const store = new PostgresEventStore({ pool: database.pool, codec: eventCodec });
    const { rows } = await database.pool.query<{ id: string; fingerprint: string; outcome: object; last: number }>(
      'select id, fingerprint, outcome, last_position as last from event_store.commands',
    );
    expect(rows.length).toBeGreaterThan(50);
    for (const { id, fingerprint, outcome, last } of rows) {
      const again = await store.append({ streams: [], command: { id, fingerprint, outcome: {} } });
      expect(again).toEqual({ kind: 'repeated', outcome, lastPosition: last });
    }
    await store.close();
    expect(await headOf(database.pool)).toBe(head);
  });

  it('goes on where it was killed: stage and watch to their end, the rollback and the harmful start back, then new changes', async () => {
    const before = await bodiesOf(database.pool, head);
    const open = await tasksOf(database.pool);
    expect(open.filter(({ done_at: doneAt }) => doneAt === null).map(({ id }) => id)).toEqual(golden.open.tasks);
    const { service, operator } = await start();
    const client = clientOf(operator);
    const fleet = new TinyFleet(service, TARGETS);
    fleet.faults = HARM;
    fleet.start();
    try {
      const inStage = rolloutOf('cache.policy', 'staging');
      const inWatch = rolloutOf('prompt.system', 'watching');
      const inRollback = rolloutOf('router.context', 'rolling-back');
      const onlyAccepted = rolloutOf('limits', 'staging');
      await reachesStatus(client, inRollback, 'rolled-back');
      expect(await reachesStatus(client, onlyAccepted, 'rolled-back')).toMatchObject({
        cause: expect.stringContaining('script errors'),
      });
      await reachesStatus(client, inWatch, 'settled');
      for (const track of ['api', 'bedrock', 'vertex']) await hasPassed(client, inStage, track);
      await reachesStatus(client, inStage, 'settled');
      await client.apply({ manifests: [change('cache.policy', 3)], reason: 'after the upgrade' });
      const { id } = await client.start({ config: 'cache.policy', plan: 'quick', reason: 'after the upgrade' });
      await reachesStatus(client, id, 'settled');
      await until('no task is left', async () => (await tasksOf(database.pool)).every((task) => task.done_at !== null));
      const arms = (config: string) => TARGETS.map((target) => fleet.arms(target, config).map((arm) => arm.revision));
      expect(arms('cache.policy')).toEqual([[3], [2], [2]]);
      expect(arms('prompt.system')).toEqual([[2], [2], [1]]);
      expect(arms('limits')).toEqual([[1], [1], [1]]);
      expect(arms('router.context')).toEqual([[3], [1], [1]]);
    } finally {
      await fleet.stop();
    }
    expect(await bodiesOf(database.pool, head)).toEqual(before);
    expect(await faultsOfLog(database.pool)).toEqual([]);
    const events = await readLog(database.pool);
    const planned = events.flatMap(({ type, data }) => (type === 'RolloutPlanned' ? [String(data['rollout'])] : []));
    const { tasks } = await readEvidenceOf(database.pool);
    expect(violationsOf({ events, tasks, sightings: [], accepted: planned })).toEqual([]);
    expect(planned).toHaveLength(rollouts.length + 1);

    // Everything that follows the log reads it once more from its beginning.
    await stop();
    const done = await tasksOf(database.pool);
    await database.pool.query(`update process.checkpoints set position = 0 where name = 'conductor'`);
    await start();
    const end = await headOf(database.pool);
    await until('the log was turned into tasks again', async () => (await checkpointOf(database.pool)) >= end);
    expect(await tasksOf(database.pool)).toEqual(done);
    expect((await readLog(database.pool)).slice(events.length).every(({ type }) => type === 'TokenIssued')).toBe(true);
  }, 120_000);

  it('whose log is read again from its beginning gives the tasks that were lost, and none of the others twice', async () => {
    const before = new Map((await tasksOf(database.pool)).map((task) => [task.id, task]));
    await database.pool.query('delete from process.checkpoints');
    await start({ HEADGATE_ROLE: 'api' });
    await until('the log was turned into tasks', async () => (await checkpointOf(database.pool)) >= head);
    const after = await tasksOf(database.pool);
    const late = (await readLog(database.pool))
      .filter(({ position }) => position > golden.open.checkpoint)
      .flatMap((event) => react(event).map(({ id }) => id));
    expect(late.length).toBeGreaterThan(0);
    expect(after.filter(({ id }) => before.has(id))).toEqual([...before.values()]);
    expect(after.filter(({ id }) => !before.has(id)).map(({ id }) => id)).toEqual(late.toSorted());
  });
});
