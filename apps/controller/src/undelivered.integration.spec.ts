import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BoardView, TargetView } from '#libs/contracts';
import { ask, clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, manifest } from '#test/kit/manifests';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let first: InProcess;
let second: InProcess;
let status = 403;
const server = createServer((_, response) => response.writeHead(status).end());

const NAME = 'UNDELIVERED_SECRET';

const shown = async (controller: InProcess): Promise<TargetView> =>
  (await ask(controller.viewer, 'GET', '/v1/targets/edge')).json as TargetView;
const boardOf = async (controller: InProcess): Promise<BoardView> =>
  (await ask(controller.viewer, 'GET', '/v1/board')).json as BoardView;
const lines = (): readonly string[] =>
  [...first.complaints, ...second.complaints].filter((line) => line.includes('delivered to target edge'));

beforeAll(async () => {
  process.env[NAME] = `whsec_${Buffer.from('a secret of 24 bytes or so').toString('base64')}`;
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  database = await createTestDatabase();
  first = await startInProcess(database.url);
  second = await startInProcess(database.url, { known: first });
  const settings = { url: `http://127.0.0.1:${port}/edge`, secretEnv: NAME, readBack: false };
  const edge = { platform: 'edge', labels: { hardware: 'cpu' }, models: ['haiku'], driver: 'webhook', settings };
  await clientOf(first.operator).apply({ manifests: [manifest('Target', 'edge', edge), config('pool', { size: 1 })] });
}, 60_000);

afterAll(async () => {
  await first.stop();
  await second.stop();
  await database.drop();
  server.close();
});

describe('a delivery that fails while no rollout runs', () => {
  it('is seen at the target and on the board, by every controller, with its error and since when', async () => {
    await until('the failure is seen', async () => (await shown(first)).undelivered !== null);
    const before = (await shown(first)).undelivered;
    expect(before?.error).toContain('403');
    await clientOf(first.operator).apply({ manifests: [config('other', { size: 1 })] });
    await until('the next generation fails, too', async () => {
      const now = (await shown(second)).undelivered;
      return now !== null && now.generation > (before?.generation ?? 0);
    });
    expect((await shown(second)).undelivered?.since).toBe(before?.since);
    const board = await boardOf(second);
    expect(board.targets[0]?.undelivered?.error).toContain('403');
    expect(board.configs[0]?.cells[0]).toMatchObject({ delivered: false, converged: false });
    expect(lines()).toHaveLength(1);
  });

  it('ends once a delivery arrives', async () => {
    status = 200;
    await clientOf(first.operator).apply({ manifests: [config('third', { size: 1 })] });
    await until('the target has its ruleset', async () => (await shown(second)).undelivered === null);
    expect((await boardOf(first)).configs[0]?.cells[0]).toMatchObject({ delivered: true });
    expect(lines()).toHaveLength(1);
  });
});
