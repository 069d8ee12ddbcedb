import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chainedDigest } from '#libs/application';
import { LookCompaction } from '#libs/signals';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../apps/cli/src/program.js';
import { scriptedTerminal } from '../apps/cli/src/testing/scripted-terminal.js';
import { compactEnded } from '../apps/controller/src/composition/compacting.js';
import { harmfulRollout } from '#test/kit/harmful-rollout';
import { ask, clientOf, problemIn } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { manifest } from '#test/kit/manifests';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

const DAY = 86_400_000;

let database: TestDatabase;
let controller: InProcess;
let rollout: string;
let looksBefore: number;

const headgate = async (...args: string[]) => {
  const { url, token } = controller.operator;
  const terminal = scriptedTerminal({ env: { HEADGATE_URL: url, HEADGATE_TOKEN: token ?? '' } });
  const code = await runCli(args, terminal);
  return { code, out: terminal.stdout(), err: terminal.stderr() };
};
const looksOf = async (): Promise<number> => {
  const { rows } = await database.pool.query<{ n: number }>('select count(*)::int as n from evidence.looks');
  return rows[0]?.n ?? 0;
};
const compact = (days: number): Promise<number> => {
  const { view, store } = controller.controller.core;
  return compactEnded(
    new LookCompaction(database.pool, chainedDigest),
    { view, store, days: 30 },
    Date.now() + days * DAY,
  );
};
const alter = (what: string): Promise<unknown> =>
  database.pool.query(`update evidence.looks set ${what} where rollout = $1`, [rollout]);

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  rollout = await harmfulRollout(controller, { candidate: 4, control: 2 });
  looksBefore = await looksOf();
  expect(await compact(29)).toBe(0);
  expect(await compact(31)).toBe(1);
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

describe('A rollout that ended long ago', () => {
  it('says since when its looks are kept by the hour, and shows what its verdicts rest on as before', async () => {
    const view = await clientOf(controller.operator).evidence(rollout);
    expect(view).toMatchObject({ looks: looksBefore, compactedAt: expect.any(String) });
    const [pool] = view.signals.find(({ signal }) => signal === 'script-errors')?.pools ?? [];
    const counted = pool?.slices.reduce((sum, { candidateBad }) => sum + candidateBad, 0);
    expect(pool?.windows.reduce((sum, { candidate }) => sum + candidate, 0)).toBe(counted);
    const { out } = await headgate('explain', rollout);
    expect(out).toMatch(/looks with evidence, .*; kept by the hour since/s);
  });

  it('rule 12: has its verdicts checked as far as the looks tell, and says how far that is', async () => {
    const { code, out, err } = await headgate('explain', rollout, '--recompute');
    expect(err).toMatch(/(\d+) of \1 verdicts come out the same/);
    expect(err).toMatch(
      /compacted on \d{4}-\d\d-\d\d: the verdicts of this rollout can be checked up to the hour, their digests against the stored chain/,
    );
    expect(out).toMatch(/the same digest, bound, ratio, interval,\s+bad outcomes/);
    expect(code).toBe(0);
  });

  it('is what a plan is backtested on, which says that a stop may have come sooner', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-backtest-'));
    const file = join(folder, 'same.json');
    const tracks = [{ name: 'api', targets: ['api-tpu'], stages: [{ exposure: '100%', bake: '0s' }] }];
    const signals = [{ signal: 'script-errors' }, { signal: 'wrong-pool' }];
    writeFileSync(file, JSON.stringify(manifest('Plan', 'same', { signals, tracks })));
    const { code, out, err } = await headgate('backtest', '--plan', file);
    expect(code).toBe(0);
    expect(err).toContain('1 rollouts: of 1 that were stopped the plan stops 1, and of those that went on 0');
    expect(out).toContain('the looks of 1 of them are kept by the hour');
    rmSync(folder, { recursive: true });
  });

  it('rule 12: is found altered, by the digest of a look, by what it counts, or by the chain', async () => {
    const { rows: before } = await database.pool.query<{ look: number; cells: string; digest: string; chain: string }>(
      'select look, cells, digest, chain from evidence.looks where rollout = $1',
      [rollout],
    );
    const restore = async (): Promise<void> => {
      for (const { look, cells, digest, chain } of before)
        await database.pool.query(
          'update evidence.looks set cells = $3, digest = $4, chain = $5 where rollout = $1 and look = $2',
          [rollout, look, cells, digest, chain],
        );
    };
    await alter(`cells = replace(cells, '"candidateBad":', '"candidateBad":1')`);
    const refused = await ask(controller.operator, 'GET', `/v1/rollouts/${rollout}/looks`);
    expect(problemIn(refused)).toMatchObject({ status: 409, code: 'evidence-altered' });

    await alter(`digest = encode(sha256(convert_to(cells, 'UTF8')), 'hex')`);
    const otherCounts = await headgate('explain', rollout, '--recompute');
    expect(otherCounts.code).toBe(6);
    expect(otherCounts.out).toMatch(/bad outcomes: /);

    await restore();
    await alter(`chain = encode(sha256(convert_to(chain, 'UTF8')), 'hex')`);
    const otherChain = await headgate('explain', rollout, '--recompute');
    expect(otherChain.code).toBe(6);
    expect(otherChain.out).toMatch(/digest: /);

    await restore();
    expect((await headgate('explain', rollout, '--recompute')).code).toBe(0);
  });
});
