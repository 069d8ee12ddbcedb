import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serveConsole } from './console.js';

let folder: string;
let server: FastifyInstance;

const build = (): void => {
  mkdirSync(join(folder, 'assets'));
  writeFileSync(join(folder, 'index.html'), '<meta content="{nonce}"><script src="/ui/assets/index-1.js"></script>');
  writeFileSync(join(folder, 'assets/index-1.js'), 'console.log(1)');
  writeFileSync(join(folder, 'assets/index-1.js.gz'), gzipSync('console.log(1)'));
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-console-'));
  server = new FastifyAdapter().getInstance();
});

afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const get = (url: string, headers: Readonly<Record<string, string>> = {}) =>
  server.inject({ method: 'GET', url, headers });

describe('The console', () => {
  beforeEach(() => {
    build();
    serveConsole(server, folder);
  });

  it.each(['/', '/ui'])('is where %s leads', async (path) => {
    const answer = await get(path);
    expect([answer.statusCode, answer.headers.location]).toEqual([302, '/ui/']);
  });

  it.each(['/ui/', '/ui/rollouts/01990000-0000-7000-8000-000000000000', '/ui/history?q=assets'])(
    'is one page at every address: %s',
    async (path) => {
      const answer = await get(path);
      expect(answer.statusCode).toBe(200);
      expect(answer.headers['content-type']).toMatch('text/html');
      expect(answer.headers['cache-control']).toBe('no-cache');
    },
  );

  it('lets nothing run or load but its own files, and gives its styles another nonce each time', async () => {
    const policies = await Promise.all(
      [1, 2].map(async () => {
        const { headers, body } = await get('/ui/');
        const policy = String(headers['content-security-policy']);
        const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? 'none';
        expect(body).toContain(`content="${nonce}"`);
        expect(policy).toContain("default-src 'none'");
        expect(policy).toContain("script-src 'self';");
        expect(policy).not.toContain('unsafe');
        expect(policy).not.toContain('http');
        return policy;
      }),
    );
    expect(new Set(policies).size).toBe(2);
  });

  it('keeps its files for good, as their names change with what is in them', async () => {
    const { headers, body } = await get('/ui/assets/index-1.js');
    expect(body).toBe('console.log(1)');
    expect(headers['cache-control']).toContain('immutable');
    expect(headers['content-type']).toMatch('text/javascript');
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  it('sends them compressed to who takes that', async () => {
    const answer = await get('/ui/assets/index-1.js', { 'accept-encoding': 'gzip, br' });
    expect(answer.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(answer.rawPayload).toString()).toBe('console.log(1)');
  });

  it.each([
    '/ui/assets/index-2.js',
    '/ui/assets/../index.html',
    '/ui/assets/%2e%2e%2findex.html',
    '/ui/assets/',
    '/ui/assets/index-1.js.gz',
  ])('has no file %s, and does not make a page of it', async (path) => {
    const answer = await get(path);
    expect(answer.body).not.toContain('console.log');
    if (answer.statusCode !== 200) {
      expect(answer.statusCode).toBe(404);
      expect(answer.json()).toMatchObject({ status: 404, code: 'not-found' });
    } else expect(path).toContain('..');
  });
});

describe('Without a build', () => {
  it('every address of the console says how to make one', async () => {
    serveConsole(server, folder);
    const answer = await get('/ui/history');
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toMatchObject({ detail: expect.stringContaining('npm run build:console') });
  });
});
