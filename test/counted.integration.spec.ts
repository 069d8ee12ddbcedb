import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../apps/cli/src/program.js';
import { scriptedTerminal } from '../apps/cli/src/testing/scripted-terminal.js';
import { ask, clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, manifest, plan, stage, track, world } from '#test/kit/manifests';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

const TARGET = 'api-tpu';
const MINUTE = 60_000;
const stages = [stage('10%', { bake: '1h', activation: 0 }), stage('100%', { activation: 0 })];
const planOf = (name: string, signal: object) =>
  plan(name, [track('api', [TARGET], { stages })], { signals: [{ signal: 'wrong-pool' }, signal] });

let database: TestDatabase;
let controller: InProcess;
let fleet: TinyFleet;
let router: string;
let count = 0;

const client = () => clientOf(controller.operator);

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  const metric = 'gateway.requests';
  const source = { type: 'otlp', requests: { metric }, bad: { metric, where: { outcome: 'timeout' } } };
  const timeouts = manifest('Signal', 'timeouts', { type: 'rate', title: 'timeouts', source });
  const most = { stages: [stage('90%', { activation: 0 }), stage('100%', { bake: '1h', activation: 0 })] };
  const signals = ['script-errors', 'timeouts'].map((signal) => ({ signal, tolerate: 'none' }));
  const plans = [
    plan('mostly', [track('api', [TARGET], most)], { signals }),
    planOf('guarded', { signal: 'timeouts', tolerate: 'none' }),
    planOf('taken-back', { signal: 'timeouts', tolerate: 'none', onFail: 'roll-back' }),
    planOf('limited', { signal: 'timeouts', tolerate: 'none', limit: 0.02 }),
  ];
  await client().apply({ manifests: [...world(), timeouts, ...plans] });
});

beforeEach(async () => {
  router = `router-${(count += 1)}`;
  for (const window of [1, 2]) await client().apply({ manifests: [config(router, { window })] });
  fleet = new TinyFleet(controller.service, [TARGET]);
  fleet.start();
  await until('the target has traffic', () => (fleet.counted.get(TARGET) ?? 0) > 0);
});

afterEach(() => fleet.stop());

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

type Counted = { readonly revision?: number; readonly outcome: 'ok' | 'timeout'; readonly value: number };

/** One export of deltas by a process of its own, over a second that ends then. */
const send = async (endsAt: number, ...points: readonly Counted[]): Promise<void> => {
  const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  const dataPoints = points.map(({ revision, outcome, value }) => ({
    startTimeUnixNano: `${endsAt - 1_000}000000`,
    timeUnixNano: `${endsAt}000000`,
    asInt: String(value),
    attributes: [
      attribute('outcome', outcome),
      ...(revision === undefined ? [] : [attribute('feature_flag.key', router)]),
      ...(revision === undefined ? [] : [attribute('feature_flag.result.variant', `r${revision}`)]),
    ],
  }));
  const sum = { aggregationTemporality: 1, isMonotonic: true, dataPoints };
  const resource = {
    attributes: [attribute('headgate.target', TARGET), attribute('service.instance.id', `${router}-${(count += 1)}`)],
  };
  const metrics = [{ name: 'gateway.requests', sum }];
  const body = { resourceMetrics: [{ resource, scopeMetrics: [{ scope: { name: 'gateway' }, metrics }] }] };
  const answer = await ask(controller.service, 'POST', '/v1/metrics', { body });
  expect([answer.status, answer.json]).toEqual([200, {}]);
};

/** Rule 12: every recorded verdict comes out again from the log and the looks. */
const comesOutAgain = async (id: string): Promise<void> => {
  const { url, token } = controller.operator;
  const terminal = scriptedTerminal({ env: { HEADGATE_URL: url, HEADGATE_TOKEN: token ?? '' } });
  const code = await runCli(['explain', id, 'timeouts', '--recompute'], terminal);
  expect([code, terminal.stderr(), terminal.stdout()]).toEqual([
    0,
    expect.stringMatching(/(\d+) of \1 verdicts come out the same/),
    expect.stringContaining('the same'),
  ]);
};

const start = async (name: string): Promise<string> => {
  const { id } = await client().start({ config: router, plan: name, reason: 'for the test' });
  await until('the candidate is served', () => fleet.arms(TARGET, router).some(({ revision }) => revision === 2));
  return id;
};

const HARM: readonly Counted[] = [
  { revision: 2, outcome: 'ok', value: 800 },
  { revision: 2, outcome: 'timeout', value: 200 },
  { revision: 1, outcome: 'ok', value: 8_950 },
  { revision: 1, outcome: 'timeout', value: 50 },
];

describe('A signal that a metrics system counts', () => {
  // The first one: what others count here would be of the hour before it, once a minute has passed.
  it('without arms is held to its limit, and compared with the hour before the rollout', async () => {
    await send(Date.now() - 10 * MINUTE, { outcome: 'ok', value: 9_900 }, { outcome: 'timeout', value: 100 });
    const id = await start('limited');
    await send(Date.now() + 2_000, { outcome: 'ok', value: 990 }, { outcome: 'timeout', value: 10 });
    const verdictOf = async () => (await client().rollout(id)).verdicts.find(({ signal }) => signal === 'timeouts');
    const fine = await until('it is judged', async () => {
      const verdict = await verdictOf();
      return verdict?.verdict === 'inconclusive' ? verdict : undefined;
    });
    expect(fine.sentence).toContain('10 of 1,000 since the rollout against 100 of 10,000 before it; without arms');
    expect((await client().rollout(id)).held).toBeNull();
    await send(Date.now() + 4_000, { outcome: 'ok', value: 900 }, { outcome: 'timeout', value: 100 });
    const { reason } = await until('it is held', async () => (await client().rollout(id)).held ?? undefined);
    expect(reason).toContain(
      '110 of 2,000 since the rollout against 100 of 10,000 before it; shown to be above the limit of 2%',
    );
    await comesOutAgain(id);
    await client().command(id, 'abort', { reason: 'enough' });
  });

  it('holds the rollout when the arm of the candidate is worse, says that alpha does not cover it, and leaves the rest to people', async () => {
    const id = await start('guarded');
    await send(Date.now() + 2_000, ...HARM);
    const held = await until('it is held', async () => (await client().rollout(id)).held ?? undefined);
    expect(held).toMatchObject({ by: 'policy' });
    expect(held.reason).toMatch(
      /^timeouts on api-tpu: 200 of 1,000 on the candidate against 50 of 9,000 on control; at least \d+ times \(counted by otlp without units: approximate, outside alpha\)$/,
    );
    const { status, tracks } = await client().command(id, 'promote', {
      reason: 'the gateway counts retries',
      track: 'api',
    });
    expect([status, tracks[0]?.stages[0]]).toMatchObject(['staging', { status: 'passed', skipped: true }]);
    await comesOutAgain(id);
    await client().command(id, 'abort', { reason: 'enough' });
  });

  it('takes the change back where the plan says so', async () => {
    const id = await start('taken-back');
    await send(Date.now() + 2_000, ...HARM);
    const { cause } = await until('it is taken back', async () => {
      const seen = await client().rollout(id);
      return seen.status === 'rolling-back' || seen.status === 'rolled-back' ? seen : undefined;
    });
    expect(cause).toContain('counted by otlp');
  });

  it('that names variants waits for control, says so, and lets the stage pass once control was counted', async () => {
    const id = await start('mostly');
    await send(Date.now() + 1_000, { revision: 2, outcome: 'ok', value: 900 });
    const waiting = ['api/90% timeouts: not measured on', 'api/90% timeouts: no request measured on control yet'];
    const seen = await until('nothing but control is waited for', async () => {
      const { waitingFor, tracks } = await client().rollout(id);
      return waitingFor.length === 2 && waitingFor.every((what, n) => what.startsWith(waiting[n] ?? ''))
        ? tracks
        : undefined;
    });
    expect(seen[0]?.stages[0]?.status).toBe('in-stage');
    await send(Date.now() + 2_000, { revision: 1, outcome: 'ok', value: 100 });
    await until('the stage passed', async () => {
      const [api] = (await client().rollout(id)).tracks;
      return api?.stages[0]?.status === 'passed';
    });
    await comesOutAgain(id);
    await client().command(id, 'abort', { reason: 'enough' });
  });

  it('that names control alone is not measured, whatever comes without a variant before and after', async () => {
    const id = await start('mostly');
    await send(Date.now() + 1_000, { outcome: 'ok', value: 540 }, { outcome: 'timeout', value: 60 });
    await until('it counts the slice as a whole', async () => {
      const { verdicts } = await client().rollout(id);
      return verdicts.some(({ method }) => method === 'before-after-v1');
    });
    await send(Date.now() + 2_000, { revision: 1, outcome: 'ok', value: 60 });
    await send(Date.now() + 3_000, { outcome: 'timeout', value: 600 });
    const seen = await until('the candidate is waited for', async () => {
      const { waitingFor, tracks } = await client().rollout(id);
      const isTold = waitingFor.some((what) =>
        what.includes('on the candidate yet, and 60 on control: do its points name'),
      );
      return isTold ? tracks : undefined;
    });
    expect(seen[0]?.stages[0]?.status).toBe('in-stage');
    await comesOutAgain(id);
    await client().command(id, 'abort', { reason: 'enough' });
  });
});
