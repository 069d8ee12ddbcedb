import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { adminOf, endChildren, startChild, type ChildController } from '../kit/child.js';
import { ask, clientOf } from '../kit/http.js';
import { world } from '../kit/manifests.js';
import { createTestDatabase, type TestDatabase } from '../test-database.js';

let database: TestDatabase;
let receiver: Server;
let endpoint: string;
let folder: string;
let received: { readonly path: string; readonly text: string }[];

beforeEach(async () => {
  database = await createTestDatabase();
  received = [];
  folder = mkdtempSync(join(tmpdir(), 'headgate-telemetry-'));
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ path: request.url ?? '', text: Buffer.concat(chunks).toString('latin1') });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
});

afterEach(async () => {
  await endChildren();
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
  rmSync(folder, { recursive: true });
  await database.drop();
});

/** Writes, at the end, which CommonJS files were loaded; the telemetry SDK consists of these. */
const NOTE_MODULES = `data:text/javascript,${encodeURIComponent(
  `import { Module } from 'node:module'; import { writeFileSync } from 'node:fs';
   process.on('exit', () => writeFileSync(process.env.MODULES_FILE, JSON.stringify(Object.keys(Module._cache))));`,
)}`;

const run = async (env: Record<string, string>): Promise<{ controller: ChildController; modules: string[] }> => {
  const file = join(folder, 'modules.json');
  const controller = await startChild({
    databaseUrl: database.url,
    env: { ...env, MODULES_FILE: file },
    nodeArguments: ['--import', NOTE_MODULES],
  });
  const admin = adminOf(controller);
  await clientOf(admin).apply({ manifests: world() });
  expect((await ask(admin, 'GET', '/v1/rollouts')).status).toBe(200);
  expect(await controller.terminate()).toEqual({ code: 0, signal: null });
  const modules = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as string[]) : [];
  return { controller, modules };
};

const sdkOf = (modules: readonly string[]): readonly string[] =>
  modules.filter((file) => /@opentelemetry\/(sdk|exporter|instrumentation)/.test(file));

describe('Telemetry', () => {
  it('with an endpoint sends traces of commands and metrics of the readers, the last of them when it stops', async () => {
    const { modules } = await run({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SERVICE_NAME: 'headgate-spec' });
    expect(sdkOf(modules)).not.toEqual([]);
    const of = (path: string): string =>
      received
        .filter((each) => each.path === path)
        .map(({ text }) => text)
        .join();
    expect(of('/v1/traces')).toContain('command ApplyManifests');
    expect(of('/v1/traces')).toContain('headgate-spec');
    expect(of('/v1/metrics')).toContain('headgate.reader.lag');
  });

  it('without an endpoint is not even loaded', async () => {
    const { modules } = await run({});
    expect(modules.length).toBeGreaterThan(10);
    expect(sdkOf(modules)).toEqual([]);
    expect(received).toEqual([]);
  });

  it('with an endpoint where nobody listens hinders nothing', async () => {
    await new Promise((resolve) => receiver.close(resolve));
    const { controller } = await run({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
    expect(controller.stderr()).toContain('telemetry could not be sent');
  });
});
