import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SignalManifest, SourceManifest } from '#libs/contracts';
import type { AskedSignal, Point, Reading } from '../asked.js';
import { PrometheusClient } from './prometheus-client.js';

const isThere = ((): boolean => {
  try {
    execFileSync('prometheus', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
if (!isThere)
  process.stderr.write('Prometheus is not installed: its spec is skipped (Debian: apt-get install prometheus).\n');

const SCRAPE_MS = 200;
const SPAN_MS = 5_000;

/** What the exporter has counted so far, each scrape ten requests more, of which one is bad. */
let scrapes = 0;
const exposition = (): string => {
  const one = 'headgate_target="api-us",gen_ai_request_model="haiku",feature_flag_key="router"';
  const control = `${one},feature_flag_result_variant="r1"`;
  const candidate = `${one},feature_flag_result_variant="r2",feature_flag_version="41"`;
  return [
    '# TYPE requests_total counter',
    `requests_total{${control}} ${scrapes * 100}`,
    `requests_total{${candidate}} ${scrapes * 10}`,
    '# TYPE bad_total counter',
    `bad_total{${candidate}} ${scrapes}`,
    '# TYPE first_token_seconds histogram',
    `first_token_seconds_bucket{${candidate},le="0.1"} ${scrapes * 4}`,
    `first_token_seconds_bucket{${candidate},le="0.4"} ${scrapes * 9}`,
    `first_token_seconds_bucket{${candidate},le="+Inf"} ${scrapes * 10}`,
    `first_token_seconds_sum{${candidate}} ${scrapes * 2}`,
    `first_token_seconds_count{${candidate}} ${scrapes * 10}`,
    '',
  ].join('\n');
};

const signal = (spec: Record<string, unknown>, source: Record<string, unknown>): AskedSignal => {
  const read = SignalManifest.shape.spec.parse({
    title: 'errors',
    ...spec,
    source: { type: 'prometheus', from: 'metrics', ...source },
  });
  return { signal: 'errors', type: read.type as 'rate', asked: read.source as AskedSignal['asked'] };
};

const LABELS =
  'headgate_target, gen_ai_request_model, feature_flag_key, feature_flag_result_variant, feature_flag_version';

const rate = (bad: string): AskedSignal =>
  signal({ type: 'rate' }, { requests: `sum by (${LABELS}) (increase(requests_total[$window]))`, bad });

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

describe.runIf(isThere)('a real Prometheus', () => {
  let exporter: Server;
  let child: ChildProcess;
  let folder: string;
  let url: string;

  const read = async (one: AskedSignal, until = Date.now(), at = url): Promise<Reading | undefined> => {
    const client = new PrometheusClient(SourceManifest.shape.spec.parse({ type: 'prometheus', url: at }) as never, {});
    const windows = [{ from: until - SPAN_MS, until }];
    return (await client.ask([{ signal: one, windows }], new AbortController().signal))[0]?.reading;
  };

  const pointOf = (reading: Reading | undefined, variant: string): Point | undefined =>
    reading?.kind === 'measured' ? reading.points.find(({ arm }) => arm?.variant === variant) : undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'headgate-prometheus-'));
    exporter = createServer((_, response) => {
      scrapes += 1;
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(exposition());
    });
    await new Promise<void>((resolve) => exporter.listen(0, '127.0.0.1', resolve));
    const { port: target } = exporter.address() as AddressInfo;
    const port = await freePort();
    writeFileSync(
      join(folder, 'prometheus.yml'),
      `global: { scrape_interval: ${SCRAPE_MS}ms, scrape_timeout: ${SCRAPE_MS}ms }\n` +
        `scrape_configs: [{ job_name: fleet, static_configs: [{ targets: ['127.0.0.1:${target}'] }] }]\n`,
    );
    url = `http://127.0.0.1:${port}`;
    child = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=error',
      ],
      { stdio: 'ignore' },
    );
    // Long enough for a window that is full of scrapes.
    const isReady = async (): Promise<void> => {
      expect((await read(rate('bad_total')))?.kind).toBe('measured');
      expect(scrapes).toBeGreaterThan((1.5 * SPAN_MS) / SCRAPE_MS);
    };
    await vi.waitFor(isReady, { timeout: 45_000, interval: 100 });
  });

  afterAll(async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    exporter.closeAllConnections();
    await new Promise((resolve) => exporter.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives increases by arm; an arm whose bad counter never fired had none', async () => {
    const reading = await read(rate(`sum by (${LABELS}) (increase(bad_total[$window]))`));
    const [control, candidate] = [pointOf(reading, 'r1'), pointOf(reading, 'r2')];
    expect(control).toMatchObject({ target: 'api-us', model: 'haiku', bad: 0, arm: { config: 'router' } });
    expect(candidate?.arm?.generation).toBe('41');
    expect(candidate!.requests / control!.requests).toBeCloseTo(0.1, 6);
    expect(candidate!.bad / candidate!.requests).toBeCloseTo(0.1, 6);
    expect(candidate!.requests).toBeGreaterThan(10);
  });

  it('gives the same answer for the same window, however often it is asked', async () => {
    const until = Date.now() - 1_000;
    const one = rate(`sum by (${LABELS}) (increase(bad_total[$window]))`);
    expect(await read(one, until)).toEqual(await read(one, until));
  });

  it('gives the buckets of a histogram', async () => {
    const values = `sum by (le, ${LABELS}) (increase(first_token_seconds_bucket[$window]))`;
    const point = pointOf(await read(signal({ type: 'distribution' }, { values, scale: 1_000 })), 'r2');
    expect(point?.values?.map(([value]) => value)).toEqual([100, 200, 400]);
    const [low = 0, middle = 0, high = 0] = point?.values?.map(([, count]) => count) ?? [];
    expect([middle / low, high / low]).toEqual([expect.closeTo(1.25, 6), expect.closeTo(0.25, 6)]);
  });

  it.each([
    ['a series that is not there', 'absent_total', 'nothing', 'no series'],
    ['a rate of nothing', 'sum by (headgate_target) (requests_total) / 0 * 0', 'nothing', 'NaN is no count'],
    ['a query that cannot be read', 'sum by (', 'failed', 'bad_data'],
    ['a query that joins many to many', 'requests_total * on (headgate_target) requests_total', 'failed', 'execution'],
    ['a number', '42', 'failed', 'scalar'],
  ])('rule 3: %s is not zero', async (_, requests, kind, words) => {
    const reading = await read(signal({ type: 'rate' }, { requests, bad: 'bad_total' }));
    expect(reading).toMatchObject({ kind, words: expect.stringContaining(words) });
  });

  it('rule 3: a time in which nobody scraped is not zero', async () => {
    expect(await read(rate('bad_total'), Date.now() - 3_600_000)).toMatchObject({ kind: 'nothing' });
  });
});
