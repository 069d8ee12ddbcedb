import { afterAll, beforeAll, expect, it } from 'vitest';
import { clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config } from '#test/kit/manifests';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

it('what needs an archived event whose file is not there is answered in words, with what to do; the rest goes on', async () => {
  const { url, token } = controller.admin;
  await clientOf(controller.admin).apply({ manifests: [config('old', { a: 1 }), config('young', { a: 1 })] });
  // As `headgate log archive` leaves it.
  await database.pool.query(
    `update event_store.events set body = null where stream_id = (select stream_id from event_store.events
     where body::json ->> 'type' = 'ConfigRegistered' and body::json -> 'data' ->> 'key' = 'old')`,
  );
  const revise = (name: string): Promise<Response> =>
    fetch(`${url}/v1/manifests`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ manifests: [config(name, { a: 2 })], reason: 'later' }),
    });
  const refused = await revise('old');
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '30']);
  expect(await refused.json()).toMatchObject({
    code: 'not-ready',
    detail: expect.stringMatching(
      /was archived into events-0{11}1-.*: set HEADGATE_ARCHIVE_DIR to the folder/,
    ) as string,
  });
  expect((await revise('young')).status).toBe(200);
  expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
    status: 'ready',
    warnings: [
      expect.stringMatching(/^archive: Event \d+ was archived into events-0{11}1-.*: set HEADGATE_ARCHIVE_DIR/),
    ],
  });
});

it('a folder for them that is none keeps a controller from starting', async () => {
  const started = startInProcess(database.url, { env: { HEADGATE_ARCHIVE_DIR: '/no/such/folder' } });
  await expect(started).rejects.toThrow(/^HEADGATE_ARCHIVE_DIR: \/no\/such\/folder is no folder/);
});
