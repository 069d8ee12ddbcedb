import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../apps/cli/src/program.js';
import { scriptedTerminal } from '../apps/cli/src/testing/scripted-terminal.js';
import { ask, clientOf, problemIn } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { harmfulRollout } from '#test/kit/harmful-rollout';
import { manifest } from '#test/kit/manifests';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;
let rollout: string;

const headgate = async (...args: string[]) => {
  const { url, token } = controller.operator;
  const terminal = scriptedTerminal({ env: { HEADGATE_URL: url, HEADGATE_TOKEN: token ?? '' } });
  const code = await runCli(args, terminal);
  return { code, out: terminal.stdout(), err: terminal.stderr() };
};

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  rollout = await harmfulRollout(controller);
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

describe('What a verdict rests on', () => {
  it('is read signal by signal: counts, estimate, e-value and bound, slices, course, margins and freshness', async () => {
    const view = await clientOf(controller.operator).evidence(rollout);
    const signal = view.signals.find((each) => each.signal === 'script-errors');
    const [pool] = signal?.pools ?? [];
    const failed = signal?.verdicts.find(({ verdict }) => verdict === 'fail');
    expect(failed?.sentence).toMatch(/on the candidate against .* on control; at least .* times/);
    expect(pool?.maxLogE).toBeGreaterThanOrEqual(pool?.logBound ?? Number.POSITIVE_INFINITY);
    expect(pool?.reachedAt).not.toBeNull();
    const hit = pool?.slices.filter(({ candidateBad }) => candidateBad > 0) ?? [];
    expect(hit.map(({ target }) => target)).toEqual(['api-tpu']);
    expect(hit[0]?.candidateRequests).toBeGreaterThanOrEqual(hit[0]?.candidateBad ?? Number.NaN);
    expect(pool?.windows.reduce((sum, { candidate }) => sum + candidate, 0)).toBe(hit[0]?.candidateBad);
    expect(pool?.course.at(-1)?.logE).toBe(pool?.logE);
    expect(signal?.freshness.map(({ target, measuredUntil }) => [target, measuredUntil !== null])).toContainEqual([
      'api-tpu',
      true,
    ]);
    expect(signal?.margins.map(({ track, stage }) => `${track}/${stage}`)).toContain('api/10%');
    expect(view.looks).toBeGreaterThan(0);
  });

  it('is shown in the terminal, all signals in a line each, or one in full', async () => {
    const all = await headgate('explain', rollout);
    expect(all).toMatchObject({ code: 0 });
    expect(all.out).toMatch(/script-errors\s+all\s+fail/);
    const one = await headgate('explain', 'router.context', 'script-errors');
    for (const word of ['reached the bound', 'proves it', 'RATIO TO CONTROL', 'MEASURED UNTIL', 'rate-grid-v1'])
      expect(one.out).toContain(word);
  });

  it('names the signals there are when there is no such signal', async () => {
    const { code, err } = await headgate('explain', rollout, 'nonsense');
    expect(code).toBe(2);
    expect(err).toContain('one of script-errors, wrong-pool');
  });

  it('rule 12: is computed again from the log and the stored looks, and comes out the same', async () => {
    const { code, out, err } = await headgate('explain', rollout, '--recompute');
    expect(err).toMatch(/(\d+) of \1 verdicts come out the same/);
    expect(out).toContain('the same');
    expect(out).toContain('it rests on violations');
    expect(code).toBe(0);
  });

  it('is what a plan is backtested on: as it stopped the rollout, or as another plan would have', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-backtest-'));
    const planOf = (name: string, signals: unknown[]): string => {
      const file = join(folder, `${name}.json`);
      const tracks = [{ name: 'api', targets: ['api-tpu'], stages: [{ exposure: '100%', bake: '0s' }] }];
      writeFileSync(file, JSON.stringify(manifest('Plan', name, { signals, tracks })));
      return file;
    };
    const same = await headgate(
      'backtest',
      '--plan',
      planOf('same', [{ signal: 'script-errors' }, { signal: 'wrong-pool' }]),
    );
    expect(same.code).toBe(0);
    expect(same.out).toMatch(
      /router\.context r2 .*rolled-back.*after .* in api\/10% by script-errors \(\d+ \/ \d+\).*by script-errors/,
    );
    expect(same.err).toContain('1 rollouts: of 1 that were stopped the plan stops 1, and of those that went on 0');
    const mild = await headgate(
      'backtest',
      '--plan',
      planOf('mild', [{ signal: 'script-errors', harm: 100 }, { signal: 'latency' }]),
    );
    expect(mild.out).toContain('missed');
    expect(mild.out).toContain('not measured in 1 of them: latency');
    const wrong = await headgate('backtest', '--plan', planOf('wrong', [{ signal: 'script-errors', harm: 0 }]));
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain('wrong.json:');
    rmSync(folder, { recursive: true });
  });

  it('rule 12: a look that was altered is found, with its digest or without', async () => {
    const altered = `replace(cells, '"candidateBad":', '"candidateBad":1')`;
    await database.pool.query(`update evidence.looks set cells = ${altered} where rollout = $1`, [rollout]);
    const refused = await ask(controller.operator, 'GET', `/v1/rollouts/${rollout}/looks`);
    expect(problemIn(refused)).toMatchObject({ status: 409, code: 'evidence-altered' });
    await database.pool.query(
      `update evidence.looks set digest = encode(sha256(convert_to(cells, 'UTF8')), 'hex') where rollout = $1`,
      [rollout],
    );
    const { code, out, err } = await headgate('explain', rollout, '--recompute');
    expect(code).toBe(6);
    expect(err).toContain('verdicts come out otherwise');
    expect(out).toMatch(/digest: .* bad outcomes: /);
  });
});
