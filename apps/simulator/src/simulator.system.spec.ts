import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { flag, StubController } from '#test/fixtures/simulator/stub-controller';
import { checkScenario, startSimulator, type Simulator } from './simulator.js';

const scenario = (over: object = {}) =>
  checkScenario({
    seed: 7,
    window: '250ms',
    heartbeat: '250ms',
    configs: [{ name: 'router.context' }, { name: 'sampler' }],
    signals: [
      { name: 'wrong-pool', rate: '0%' },
      { name: 'syntax-errors', rate: '3%' },
    ],
    platforms: {
      api: { targets: { 'api-us': { models: { sonnet: 1 }, instances: 2, requestsPerSecond: 800, units: 4000 } } },
      bedrock: {
        targets: { 'bedrock-us': { models: { sonnet: 1 }, instances: 1, requestsPerSecond: 200, units: 1000 } },
      },
    },
    faults: [
      {
        name: 'misrouting',
        config: 'router.context',
        revision: 2,
        where: { labels: { platform: 'api' } },
        signal: 'wrong-pool',
        rate: 1,
        units: '50%',
        sticky: { for: '500ms' },
      },
    ],
    ...over,
  });

const soon = { timeout: 10_000, interval: 20 };
const all = { candidate: 2, shareBp: 10_000, salt: 'x' };
const half = { candidate: 2, shareBp: 5_000, salt: 'x' };

describe('A simulated fleet', () => {
  let stub: StubController;
  let simulator: Simulator | undefined;
  let dataDir: string;
  const start = async (given = scenario()): Promise<Simulator> => {
    const { url, syncPort } = stub;
    simulator = await startSimulator({ scenario: given, url, syncPort, token: 'hg_service_test', dataDir });
    return simulator;
  };
  const arms = (target: string, config: string) =>
    stub.batches
      .filter((batch) => batch.target === target)
      .flatMap(({ windows }) => windows.flatMap((window) => window.arms.map((arm) => ({ ...arm, window }))))
      .filter((arm) => arm.config === config);
  const bad = (signal: string) =>
    stub.batches.flatMap(({ windows }) =>
      windows.flatMap((window) => window.bad.filter((one) => one.signal === signal)),
    );

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'headgate-simulator-'));
    stub = new StubController();
    await stub.start();
    for (const target of ['api-us', 'bedrock-us'])
      stub.deliver(target, 5, { 'router.context': flag(1), sampler: flag(1) });
  });
  afterEach(async () => {
    await simulator?.stop();
    simulator = undefined;
    await stub.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('acknowledges the generation that its instances really evaluate with', async () => {
    await start();
    await vi.waitFor(() => {
      expect([...stub.acknowledged].toSorted()).toEqual([
        ['api-us-01', 5],
        ['api-us-02', 5],
        ['bedrock-us-01', 5],
      ]);
    }, soon);
    stub.deliver('api-us', 9, { 'router.context': flag(1), sampler: flag(1, half) });
    await vi.waitFor(() => expect(stub.acknowledged.get('api-us-02')).toBe(9), soon);
    expect(stub.acknowledged.get('bedrock-us-01')).toBe(5);
  });

  it('says of every window under which generation it was served, and splits exactly as it was told', async () => {
    await start();
    stub.deliver('api-us', 9, { 'router.context': flag(1), sampler: flag(1, half) });
    const served = (revision: number): number =>
      arms('api-us', 'sampler')
        .filter((arm) => arm.revision === revision && arm.window.generation === 9)
        .reduce((sum, { requests }) => sum + requests, 0);
    await vi.waitFor(() => expect(served(1) + served(2)).toBeGreaterThan(1_500), soon);
    const share = served(2) / (served(1) + served(2));
    expect(share).toBeGreaterThan(0.44);
    expect(share).toBeLessThan(0.56);
    expect(arms('bedrock-us', 'sampler').some(({ revision }) => revision === 2)).toBe(false);
  });

  it('names units only where a rollout splits them, and no unit twice', async () => {
    await start();
    await vi.waitFor(() => expect(arms('api-us', 'sampler').length).toBeGreaterThan(4), soon);
    expect(arms('api-us', 'sampler').flatMap(({ units }) => units)).toEqual([]);
    stub.deliver('api-us', 9, { 'router.context': flag(1), sampler: flag(1, half) });
    const units = (): string[] => arms('api-us', 'sampler').flatMap((arm) => (arm.revision === 2 ? arm.units : []));
    await vi.waitFor(() => expect(units()).toHaveLength(128), soon);
    expect(new Set(units()).size).toBe(128);
    expect(units().every((unit) => !unit.includes('user'))).toBe(true);
  });

  it('does harm only on what was delivered: nobody is misrouted until the faulty revision is live', async () => {
    const running = await start();
    await vi.waitFor(() => expect(running.stats().requests).toBeGreaterThan(500), soon);
    expect(running.groundTruth().totals.badOfFaults).toBe(0);
    for (const target of ['api-us', 'bedrock-us'])
      stub.deliver(target, 9, { 'router.context': flag(1, half), sampler: flag(1) });
    await vi.waitFor(() => expect(bad('wrong-pool').length).toBeGreaterThan(50), soon);
    expect(bad('wrong-pool').every(({ revisions }) => revisions['router.context'] === 2)).toBe(true);
    expect(Object.keys(running.groundTruth().faults['misrouting'] ?? {})).toEqual(['api-us']);
    expect(
      stub.batches
        .filter(({ target }) => target === 'bedrock-us')
        .flatMap(({ windows }) => windows.flatMap((w) => w.bad)),
    ).not.toContainEqual(expect.objectContaining({ signal: 'wrong-pool' }));
  });

  it('keeps misrouted users misrouted after the rollback for as long as sessions last, and then no more', async () => {
    const running = await start();
    stub.deliver('api-us', 9, { 'router.context': flag(1, all), sampler: flag(1) });
    await vi.waitFor(() => expect(bad('wrong-pool').length).toBeGreaterThan(200), soon);
    stub.deliver('api-us', 12, { 'router.context': flag(1), sampler: flag(1) });
    const after = () =>
      arms('api-us', 'router.context').filter(({ revision, window }) => revision === 2 && window.generation === 12);
    await vi.waitFor(() => expect(after().length).toBeGreaterThan(0), soon);
    await vi.waitFor(() => {
      const latest = stub.batches.filter(({ target }) => target === 'api-us').slice(-4);
      expect(
        latest.every(({ windows }) =>
          windows.every((w) => w.generation === 12 && w.arms.every(({ revision }) => revision === 1)),
        ),
      ).toBe(true);
    }, soon);
    const truth = running.groundTruth();
    expect(truth.totals.badAfterRollback).toBeGreaterThan(0);
    expect(truth.totals.badAfterRollback).toBeLessThan(truth.totals.badOfFaults);
  });

  it('repeats what an unwell controller did not take, under the same batch id, so that nothing is lost or doubled', async () => {
    const running = await start();
    await vi.waitFor(() => expect(stub.batches.length).toBeGreaterThan(2), soon);
    stub.outcomeStatus = 503;
    await vi.waitFor(() => expect(running.stats().batches.retries).toBeGreaterThan(2), soon);
    stub.outcomeStatus = 202;
    await vi.waitFor(() => expect(running.stats().batches.waiting).toBe(0), soon);
    await running.stop();
    const counted = stub.batches.flatMap(({ windows }) => windows).reduce((sum, { requests }) => sum + requests, 0);
    expect(counted).toBe(running.groundTruth().totals.requests);
    expect(running.stats().batches.dropped).toBe(0);
    simulator = undefined;
  });

  it('drops the oldest outcomes and counts them when an outage outlasts its buffer', async () => {
    const running = await start(scenario({ buffer: 4 }));
    stub.outcomeStatus = 503;
    await vi.waitFor(() => expect(running.stats().batches.dropped).toBeGreaterThan(0), soon);
    expect(running.stats().batches.waiting).toBeLessThanOrEqual(12);
  });

  it('changes no variant while the controller is away, and follows it again when it is back', async () => {
    const running = await start();
    stub.deliver('api-us', 9, { 'router.context': flag(1), sampler: flag(1, all) });
    await vi.waitFor(() => expect(running.stats().generations['api-us']).toEqual([9, 9]), soon);
    await vi.waitFor(() => expect(running.stats().connected).toBe(3), soon);
    const { port, syncPort } = stub;
    await stub.stop();
    await vi.waitFor(() => expect(running.stats().connected).toBe(0), soon);
    const before = running.stats().requests;
    await vi.waitFor(() => expect(running.stats().requests).toBeGreaterThan(before + 500), soon);
    expect(running.stats().generations['api-us']).toEqual([9, 9]);
    stub = new StubController();
    stub.deliver('api-us', 14, { 'router.context': flag(1), sampler: flag(1) });
    stub.deliver('bedrock-us', 5, { 'router.context': flag(1), sampler: flag(1) });
    await stub.start(port, syncPort);
    await vi.waitFor(() => expect(stub.acknowledged.get('api-us-01')).toBe(14), soon);
    expect(
      arms('api-us', 'sampler')
        .filter(({ window }) => window.generation === 9)
        .every(({ revision }) => revision === 2),
    ).toBe(true);
  });

  it('starts from the ruleset on its disk when no controller answers', async () => {
    stub.deliver('api-us', 9, { 'router.context': flag(1), sampler: flag(1, all) });
    const first = await start();
    const kept = join(dataDir, 'rulesets', 'api-us', 'api-us-01.json');
    await vi.waitFor(async () => expect(JSON.parse(await readFile(kept, 'utf8')).metadata.version).toBe('9'), soon);
    await vi.waitFor(() => expect(first.stats().acknowledgements).toBeGreaterThan(3), soon);
    await first.stop();
    const { port, syncPort } = stub;
    await stub.stop();
    const again = await startSimulator({
      scenario: scenario(),
      url: `http://127.0.0.1:${port}`,
      syncPort,
      token: 'hg_service_test',
      dataDir,
    });
    simulator = again;
    await vi.waitFor(() => expect(again.groundTruth().requests['api-us']).toBeGreaterThan(300), soon);
    expect(again.stats().sources).toEqual({ controller: 0, store: 0, disk: 3, none: 0 });
    expect(again.stats().generations['api-us']).toEqual([9, 9]);
    stub = new StubController();
    stub.deliver('api-us', 14, { 'router.context': flag(1), sampler: flag(1) });
    stub.deliver('bedrock-us', 14, { 'router.context': flag(1), sampler: flag(1) });
    await stub.start(port, syncPort);
    await vi.waitFor(() => expect(again.stats().sources.controller).toBe(3), soon);
    await vi.waitFor(() => expect(stub.acknowledged.get('api-us-01')).toBe(14), soon);
  });

  it('says that the controller refuses the token, and not that none answers', async () => {
    const { port, syncPort } = stub;
    const url = `http://127.0.0.1:${port}`;
    await expect(
      startSimulator({ scenario: scenario(), url, syncPort, token: 'hg_service_wrong', dataDir }),
    ).rejects.toThrow(`The controller at ${url} does not know the token`);
  });

  it('takes a fault that is added while it runs, and ends it', async () => {
    const running = await start(scenario({ faults: [] }));
    running.addFault({ name: 'late', config: 'sampler', revision: 1, signal: 'wrong-pool', rate: '50%' });
    await vi.waitFor(() => expect(running.groundTruth().totals.badOfFaults).toBeGreaterThan(20), soon);
    running.clearFault('late');
    const { badOfFaults, requests } = running.groundTruth().totals;
    await vi.waitFor(() => expect(running.groundTruth().totals.requests).toBeGreaterThan(requests + 300), soon);
    expect(running.groundTruth().totals.badOfFaults).toBe(badOfFaults);
  });
});
