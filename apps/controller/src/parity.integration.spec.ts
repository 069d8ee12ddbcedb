import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ComparisonReceipt } from '#libs/contracts';
import { ask, clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, plan, signal, track, world } from '#test/kit/manifests';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;
let fleet: TinyFleet;

const client = () => clientOf(controller.operator);
const parity = [{ signal: 'golden-answers', between: ['api', 'bedrock'], within: '5%' }];

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  const tracks = [
    track('api', ['api-tpu']),
    track('bedrock', ['bedrock-gpu']),
    track('vertex', ['vertex-tpu'], { parity }),
  ];
  await client().apply({ manifests: [...world(), signal('golden-answers', 'paired'), plan('careful', tracks)] });
  await client().apply({ manifests: [config('sampler', { top_k: 50 }), config('router.context', { window: 1 })] });
  fleet = new TinyFleet(controller.service, ['api-tpu', 'bedrock-gpu', 'vertex-tpu']).start();
  await until('every target has traffic', () => fleet.counted.size === 3);
});

afterAll(async () => {
  await fleet.stop();
  await controller.stop();
  await database.drop();
});

const compare = async (
  of: string,
  pairs: number,
  rightOnly: number,
  change: object = {},
): Promise<ComparisonReceipt> => {
  const item = {
    signal: 'golden-answers',
    config: of,
    revision: 2,
    left: 'api-tpu',
    right: 'bedrock-gpu',
    at: new Date().toISOString(),
    pairs,
    leftOnly: 1,
    rightOnly,
  };
  const body = { batch: randomUUID(), comparisons: [{ ...item, ...change }] };
  const answer = await ask(controller.service, 'POST', '/v1/comparisons', { body });
  expect(answer.status).toBe(202);
  return ComparisonReceipt.parse(answer.json);
};

describe('a plan that asks for parity before the next platform starts', () => {
  it('says in its preview how many pairs that takes', async () => {
    const preview = await client().preview({ config: 'sampler', plan: 'careful' });
    expect(preview.parity).toMatchObject([
      { track: 'vertex', signal: 'golden-answers', between: ['api', 'bedrock'], withinBp: 500 },
    ]);
    const needed = preview.parity[0]?.pairs.map(({ pairs }) => pairs ?? 0) ?? [];
    expect(needed).toEqual([...needed].toSorted((a, b) => a - b));
    expect(needed[0]).toBeGreaterThan(50);
    expect(preview.warnings.join('\n')).toContain('Track vertex begins only once golden-answers is shown');
  });

  it('waits for comparisons, says so, starts the platform once they show it, and keeps the record', async () => {
    const { id } = await client().start({ config: 'sampler', plan: 'careful', revision: 2, reason: 'better answers' });
    const waits = async () =>
      (await client().rollout(id)).waitingFor.find((what) => what.startsWith('vertex waits for parity'));
    expect(await until('it waits for parity', waits)).toContain('nothing was compared yet');
    expect(await compare('sampler', 40, 2)).toMatchObject({ accepted: 1, rejected: [] });
    const open = async () => (await client().rollout(id)).parity.find(({ counts }) => counts.pairs === 40);
    expect(await until('the pairs are judged', open)).toMatchObject({ verdict: 'inconclusive', track: 'vertex' });
    expect(await compare('sampler', 2_000, 9)).toMatchObject({ accepted: 1 });
    const settled = async () => (await client().rollout(id)).status === 'settled';
    await until('it settles', settled);
    const rollout = await client().rollout(id);
    expect(rollout.parity).toMatchObject([{ verdict: 'pass', counts: { pairs: 2_040, leftOnly: 2, rightOnly: 11 } }]);
    expect(rollout.tracks.map(({ status }) => status)).toEqual(['passed', 'passed', 'passed']);
    const { parity: explained } = await client().evidence(id, 'golden-answers');
    expect(explained).toMatchObject([
      { verdict: 'pass', comparisons: [{ left: 'api-tpu', right: 'bedrock-gpu', pairs: 2_040 }] },
    ]);
  });

  it('holds the rollout where the platforms differ, and refuses to be promoted past that', async () => {
    const { id } = await client().start({
      config: 'router.context',
      plan: 'careful',
      revision: 2,
      reason: 'shorter windows',
    });
    await compare('router.context', 1_000, 300);
    const held = await until('it is held', async () => (await client().rollout(id)).held ?? undefined);
    expect(held.reason).toContain('no parity of api and bedrock on golden-answers');
    const promoted = client().command(id, 'promote', { reason: 'in a hurry', track: 'vertex' });
    await expect(promoted).rejects.toMatchObject({ problem: { code: 'parity-failed', status: 409 } });
    const events = [];
    for await (const event of client().allEvents({ stream: `rollout-${id}` })) events.push(event);
    expect(events.find(({ type }) => type === 'ParityJudged')?.summary).toMatch(/^fail: no parity of api and bedrock/);
    expect(events.some(({ type }) => type === 'RollbackStarted')).toBe(false);
  });

  it('takes no comparison of what nobody rolls out, and says why', async () => {
    expect(await compare('sampler', 10, 0, { revision: 1 })).toMatchObject({
      accepted: 0,
      rejected: [{ pointer: '/comparisons/0/revision', code: 'not-on-trial' }],
    });
  });
});
