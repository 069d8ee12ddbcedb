import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { adminOf, endChildren, spawnController, startChild } from '../kit/child.js';
import { ask, clientOf, problemIn, tapEvents } from '../kit/http.js';
import { startInProcess } from '../kit/in-process.js';
import { faultsOfLog, headOf, readLog } from '../kit/log.js';
import { config, TARGETS, world } from '../kit/manifests.js';
import { TinyFleet } from '../kit/tiny-fleet.js';
import { until } from '../kit/until.js';
import { createTestDatabase, type TestDatabase } from '../test-database.js';

/** A few seconds, on a machine that does other things as well. */
const SOON_MS = 8_000;

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase();
});

afterEach(async () => {
  await endChildren();
  await database.drop();
});

/** Writes an event past the controllers, as a newer Headgate would. */
const writeEvent = async (type: string, schemaVersion: number): Promise<void> => {
  const { rows } = await database.pool.query<{ head: number }>('select max(position) as head from event_store.events');
  const position = (rows[0]?.head ?? 0) + 1;
  const metadata = {
    actor: { kind: 'automation', name: 'newer' },
    commandId: 'newer',
    correlationId: 'newer',
    occurredAt: new Date().toISOString(),
    precision: 'instant',
  };
  const place = { position, streamId: 'target-from-the-future', streamVersion: 1, recordedAt: metadata.occurredAt };
  const body = { ...place, eventId: crypto.randomUUID(), type, schemaVersion, data: {}, metadata };
  await database.pool.query(
    `insert into event_store.events (position, stream_id, stream_version, recorded_at, body, leaf)
     values ($1, $2, 1, now(), $3, sha256('\\x00'::bytea || convert_to($3, 'UTF8')))`,
    [position, place.streamId, JSON.stringify(body)],
  );
};

/** As a newer Headgate leaves a database behind. */
const migratedByNewer = async (): Promise<void> => {
  await database.pool.query(
    "insert into public.schema_migrations (number, name, checksum) values (9999, '9999-from-the-future', 'x')",
  );
};

describe('A controller that is told to stop', () => {
  it('ends within a few seconds with status 0, whatever is open, and has kept everything that it said yes to', async () => {
    const controller = await startChild({ databaseUrl: database.url });
    const admin = adminOf(controller);
    await clientOf(admin).apply({ manifests: world() });
    const fleet = new TinyFleet(admin, TARGETS).start(0);
    await until('every target has traffic', () => TARGETS.every((target) => (fleet.counted.get(target) ?? 0) > 0));
    const tap = await tapEvents(admin, { lastEventId: 0 });
    const { hostname, port } = new URL(controller.url);
    const half = connect(Number(port), hostname);
    half.on('error', () => undefined);
    await new Promise((resolve) => half.once('connect', resolve));
    half.write(
      `POST /v1/manifests HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${admin.token}\r\n` +
        'content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"manifests":',
    );

    const answers = Array.from({ length: 50 }, (_, n) =>
      ask(admin, 'POST', '/v1/manifests', { body: { manifests: [config(`late-${n}`, { n })] } }).then(
        ({ status }) => status,
        () => 'cut',
      ),
    );
    await Promise.race(answers);
    const begun = performance.now();
    const exit = await controller.terminate();
    expect(exit, controller.stderr()).toEqual({ code: 0, signal: null });
    expect(performance.now() - begun).toBeLessThan(SOON_MS);
    await tap.ended;
    half.destroy();
    await fleet.stop();

    expect(existsSync(join(controller.dataDir, 'controller.json'))).toBe(false);
    expect(controller.stderr()).not.toMatch(/ERROR|"level":"error"/);
    expect(await faultsOfLog(database.pool)).toEqual([]);
    const kept = (await readLog(database.pool)).filter(({ type }) => type === 'RevisionProposed');
    const statuses = await Promise.all(answers);
    for (const [n, status] of statuses.entries()) {
      const isKept = kept.some(({ data }) => data['key'] === `late-${n}`);
      if (status === 200) expect(isKept, `late-${n} was answered with 200`).toBe(true);
      if (status === 503) expect(isKept, `late-${n} was refused`).toBe(false);
    }
    const { rows } = await database.pool.query<{ target: string; requests: string }>(
      'select target, sum(requests) as requests from evidence.traffic group by target',
    );
    for (const { target, requests } of rows) {
      expect(Number(requests), target).toBeGreaterThanOrEqual(fleet.counted.get(target) ?? 0);
    }
  });

  it('answers the requests that are under way instead of cutting them', async () => {
    const controller = await startInProcess(database.url);
    const { hostname, port } = new URL(controller.operator.url);
    const holder = await database.pool.connect();
    await holder.query('begin');
    // What the append waits for, so that every request below is under way until it is let go.
    await holder.query('select pg_advisory_xact_lock(1212630065)');
    const sent = Array.from({ length: 20 }, async (_, n) => {
      const body = JSON.stringify({ manifests: [config(`late-${n}`, { n })] });
      const socket = connect(Number(port), hostname);
      let answer = '';
      socket.on('error', (error) => (answer += String(error)));
      socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
      const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(answer)));
      await new Promise<void>((resolve) =>
        socket.write(
          `POST /v1/manifests HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${controller.operator.token}\r\n` +
            `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
          () => resolve(),
        ),
      );
      return { closed };
    });
    const requests = await Promise.all(sent);
    // Connections are accepted in their order: who comes later, and once more after that, was read after them.
    for (const later of ['first', 'second', 'third']) {
      const { status } = await ask(controller.viewer, 'GET', '/healthz', { headers: { connection: 'close' } });
      expect(status, later).toBe(200);
    }
    const stopped = controller.stop();
    await holder.query('commit');
    holder.release();
    await stopped;
    const answers = await Promise.all(requests.map(({ closed }) => closed));
    expect(answers.map((answer) => answer.slice(0, 12))).toEqual(answers.map(() => 'HTTP/1.1 200'));
  });
});

describe('A log that a newer Headgate has written to', () => {
  it.each([
    ['an event that is not known here', 'RolloutTeleported', 1],
    ['a newer version of a known event', 'TargetRegistered', 99],
  ])(
    'stops the controller at %s: it says which, is not ready, and answers nothing from an old view',
    async (_, type, version) => {
      const controller = await startInProcess(database.url);
      await writeEvent(type, version);
      const named = new RegExp(`${type}.*${version}`);
      const ready = await until('it is not ready', async () => {
        const answer = await ask(controller.viewer, 'GET', '/readyz');
        return answer.status === 503 ? answer : undefined;
      });
      expect(ready.text).toMatch(named);
      expect((await ask(controller.viewer, 'GET', '/healthz')).status).toBe(200);
      for (const answer of [
        await ask(controller.viewer, 'GET', '/v1/rollouts'),
        await ask(controller.viewer, 'GET', '/v1/events'),
        await ask(controller.operator, 'POST', '/v1/manifests', { body: { manifests: [config('x', {})] } }),
        await ask(controller.service, 'POST', '/v1/outcomes', { body: {} }),
      ]) {
        expect(problemIn(answer)).toMatchObject({ status: 503, code: 'not-ready' });
        expect(problemIn(answer).detail).toMatch(named);
      }
      expect((await readLog(database.pool)).at(-1)?.type).toBe(type);
      expect(controller.complaints.join()).toMatch(named);
      const begun = performance.now();
      await controller.stop();
      expect(performance.now() - begun).toBeLessThan(SOON_MS);

      const next = spawnController({ databaseUrl: database.url, bundled: true });
      expect((await next.exited).code).toBe(1);
      expect(next.stderr()).toMatch(/Headgate cannot start/);
      expect(next.stderr()).toMatch(named);
      expect(next.stderr()).not.toMatch(/\n\s+at /);
    },
  );

  it.each(['all', 'api', 'worker'])(
    'with a newer schema is left alone by a controller with role %s: it does not start and says what to do',
    async (role) => {
      await migratedByNewer();
      const child = spawnController({ bundled: true, databaseUrl: database.url, env: { HEADGATE_ROLE: role } });
      expect((await child.exited).code).toBe(1);
      expect(child.stderr()).toBe(
        'Headgate cannot start. The database was migrated by a newer Headgate (9999-from-the-future is unknown here): use that version or a later one.\n',
      );
      expect(await headOf(database.pool)).toBe(0);
      expect(existsSync(join(child.dataDir, 'admin.token'))).toBe(false);
    },
  );

  it('with a newer schema is left alone by a controller that ran before: it says so, is not ready, and works no more', async () => {
    const controller = await startInProcess(database.url);
    await clientOf(controller.operator).apply({ manifests: world() });
    const head = await headOf(database.pool);
    await migratedByNewer();
    const ready = await until('it is not ready', async () => {
      const answer = await ask(controller.viewer, 'GET', '/readyz');
      return answer.status === 503 ? answer : undefined;
    });
    const why =
      /migrated by a newer Headgate \(9999-from-the-future is unknown here\): use that version or a later one/;
    expect(ready.text).toMatch(why);
    expect((await ask(controller.viewer, 'GET', '/healthz')).status).toBe(200);
    for (const answer of [
      await ask(controller.viewer, 'GET', '/v1/rollouts'),
      await ask(controller.operator, 'POST', '/v1/manifests', { body: { manifests: [config('x', {})] } }),
      await ask(controller.service, 'POST', '/v1/outcomes', { body: {} }),
    ]) {
      expect(problemIn(answer)).toMatchObject({ status: 503, code: 'not-ready' });
      expect(problemIn(answer).detail).toMatch(why);
    }
    expect(controller.complaints.filter((complaint) => why.test(complaint))).toHaveLength(1);

    // What is due from now on is for the newer version.
    await database.pool.query(
      `insert into process.tasks (id, kind, payload, due_at, ready_at) values ('deliver/1', 'deliver', '{}', 0, 0)
       on conflict (id) do update set done_at = null, attempts = 0, ready_at = 0`,
    );
    await database.pool.query(`select pg_notify('process_tasks', '0')`);
    await controller.stop();
    const { rows } = await database.pool.query(`select done_at from process.tasks where id = 'deliver/1'`);
    expect(rows).toEqual([{ done_at: null }]);
    expect(await headOf(database.pool)).toBe(head);
  });
});

describe('An environment that cannot be used', () => {
  it('is refused with everything that is wrong at once, and no value is shown', async () => {
    const child = spawnController({
      bundled: true,
      databaseUrl: 'mysql://root:geheim@localhost/x',
      env: { HEADGATE_PORT: '99999', HEADGATE_ROLE: 'queen' },
    });
    expect((await child.exited).code).toBe(1);
    for (const name of ['DATABASE_URL', 'HEADGATE_PORT', 'HEADGATE_ROLE']) expect(child.stderr()).toContain(name);
    expect(child.stderr()).not.toContain('geheim');
  });
});
