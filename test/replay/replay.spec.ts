import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { replay, type ChangeReport, type ReplayReport } from '#libs/domain';
import { runCli } from '../../apps/cli/src/program.js';
import { readScript } from '../../apps/cli/src/replay/script.js';
import { scriptedTerminal } from '../../apps/cli/src/testing/scripted-terminal.js';

const scenarioOf = (name: string) => {
  const file = `docs/examples/replay/${name}.yaml`;
  return readScript(file, readFileSync(file, 'utf8')).scenario;
};

const once = new Map<string, ReplayReport>();
const reportOf = (name: string): ReplayReport => {
  const known = once.get(name) ?? replay(scenarioOf(name));
  once.set(name, known);
  return known;
};

const find = (report: ReplayReport, change: string, plan?: string): ChangeReport => {
  const found = report.changes.find(
    (each) => each.change === change && (plan === undefined ? !each.isComparison : each.plan === plan),
  );
  if (!found) throw new Error(`There is no change ${change} in the report.`);
  return found;
};

describe('the weeks of August and September 2025, with every change sent through a plan', { timeout: 60_000 }, () => {
  it('end as the script expects, change by change', () => {
    const { checks } = reportOf('gated');
    expect(checks.length).toBeGreaterThan(20);
    expect(checks.filter(({ met }) => !met)).toEqual([]);
  });

  it('stop the routing fault in stage 1 by the first misrouted request, on the API and on Bedrock alike', () => {
    for (const change of ['router-api', 'router-bedrock']) {
      const { stop, withHeadgate, really } = find(reportOf('gated'), change);
      expect(stop).toMatchObject({ signal: 'wrong-pool', method: 'invariant-v1' });
      expect(withHeadgate.affected).toBeLessThan(100);
      expect(really.affected).toBeGreaterThan(100_000);
    }
  });

  it('say beforehand that Vertex, at four in a million, is hardly ever seen in its first stages', () => {
    const { outlook, stages } = find(reportOf('gated'), 'router-vertex');
    expect(outlook.map(({ stage }) => stage)).toEqual(['5%', '25%', '100%']);
    expect(outlook[0]?.withinBake).toBeLessThan(0.05);
    expect(outlook[0]?.requests).toBe(2_500_000);
    expect(stages.find(({ stage }) => stage === '5%')?.passed).toBe(true);
  });

  it('stop the corrupted output in stage 1 on the TPUs, against the concurrent control', () => {
    const { stop, stages } = find(reportOf('gated'), 'tpu-runtime');
    expect(stop).toMatchObject({ signal: 'unexpected-script', stages: ['api-tpu/1%'], method: 'rate-grid-v1' });
    expect(stages).toHaveLength(1);
    expect(stop?.sentence).toMatch(/on the candidate against .* on control; at least .* times/);
  });

  it('let the top-k fault through on user signals, and stop it by the paired probe at one batch size', () => {
    const blind = find(reportOf('gated'), 'sampler-rewrite', 'tpu-user-signals');
    const probed = find(reportOf('gated'), 'sampler-rewrite');
    expect(blind.outcome).toBe('settled');
    expect(blind.withHeadgate.affected).toBeGreaterThan(1_000 * probed.withHeadgate.affected);
    expect(probed.stop).toMatchObject({
      signal: 'top-token',
      stages: ['api-tpu/1%'],
      method: 'paired-grid-v1',
    });
    const haiku = probed.probes.filter(({ model }) => model === 'claude-haiku-3-5');
    const excess = haiku.map(({ batchSize, candidateOnly, controlOnly }) => [
      batchSize,
      candidateOnly > 2 * controlOnly,
    ]);
    expect(excess).toEqual([
      [1, false],
      [8, false],
      [32, true],
      [128, false],
    ]);
  });

  it('let the load-balancing change settle without a person, as it is harmless without the routing rule', () => {
    const { outcome, stages, withHeadgate } = find(reportOf('gated'), 'lb-weights');
    expect(outcome).toBe('settled');
    expect(stages.every(({ passed }) => passed)).toBe(true);
    expect(withHeadgate.affected).toBe(0);
  });

  it('refuse no restart of the vetoed routing rule, but only because the script gives a reason', () => {
    const scenario = scenarioOf('gated');
    const silent = {
      ...scenario,
      changes: scenario.changes.slice(0, 2).map((each) => ({ ...each, vetoReason: null })),
    };
    const bedrock = find(replay({ ...silent, until: Date.parse('2025-08-13T00:00Z') }), 'router-bedrock');
    expect(bedrock.outcome).toBe('refused');
    expect(bedrock.refusal).toContain('was rolled back before');
  });
});

describe('29 August 2025 as it was', { timeout: 60_000 }, () => {
  it('ends as the script expects: the ratio of misrouted requests stops the change in stage 1', () => {
    const report = reportOf('as-it-was');
    expect(report.checks.filter(({ met }) => !met)).toEqual([]);
    const { stop } = find(report, 'lb-weights');
    expect(stop?.sentence).toContain('control violates it too, so it is judged as a rate');
  });

  it('is shown beside the rule of 5 August, which is still open', () => {
    const report = reportOf('as-it-was');
    expect(find(report, 'lb-weights').stop?.alongside).toEqual([{ change: 'router-api', share: 1 }]);
    const rule = find(report, 'router-api');
    expect(rule.outcome).toBe('imported');
    expect(rule.withHeadgate.affected).toBeGreaterThan(1_000_000);
  });

  it('is stopped in stage 1 in other runs of chance as well', () => {
    for (const seed of [1, 2, 3]) {
      const { stop } = find(replay({ ...scenarioOf('as-it-was'), seed }), 'lb-weights');
      expect(stop?.stages, `seed ${seed}`).toEqual(['api/1%']);
    }
  });

  it('settles where the routing rule was never live: no amplifier without a fault', () => {
    const scenario = scenarioOf('as-it-was');
    const changes = scenario.changes.filter(({ change }) => change === 'lb-weights');
    expect(find(replay({ ...scenario, changes }), 'lb-weights').outcome).toBe('settled');
  });

  it('gives the same report for the same seed, and another one for another seed', () => {
    const scenario = scenarioOf('as-it-was');
    expect(replay(scenario)).toEqual(reportOf('as-it-was'));
    expect(find(replay({ ...scenario, seed: 7 }), 'lb-weights').stop?.at).not.toBe(
      find(reportOf('as-it-was'), 'lb-weights').stop?.at,
    );
  });
});

describe('headgate replay', { timeout: 60_000 }, () => {
  const run = async (...args: readonly string[]) => {
    const terminal = scriptedTerminal({ cwd: process.cwd() });
    const code = await runCli(args, terminal);
    return { code, out: terminal.stdout(), err: terminal.stderr() };
  };
  const script = 'docs/examples/replay/as-it-was.yaml';

  it('prints a table, the evidence, what really happened, and every assumption', async () => {
    const { code, out } = await run('replay', script, '--assert');
    expect(code).toBe(0);
    expect(out).toMatch(/lb-weights +29 Aug 16:00 \(day\) +stopped in api\/1%/);
    expect(out).toContain('router-api, live since 5 Aug, at 100% of the same slices');
    expect(out).toContain('0.8% of Sonnet 4 requests from 5 August; 16% in the worst hour of 31 August.');
    expect(out).toContain('fault misroute-api: A unit that is hit stays there for 10 requests');
    expect(out).toContain('all 7 expectations of the script are met');
  });

  it('gives data with times in UTC', async () => {
    const { out } = await run('replay', script, '-o', 'json');
    const data = JSON.parse(out) as { changes: { change: string; startedAt: string; stop: { at: string } | null }[] };
    expect(data.changes.find(({ change }) => change === 'lb-weights')).toMatchObject({
      startedAt: '2025-08-29T16:00:00.000Z',
      stop: { at: expect.stringMatching(/^2025-08-29T1\d:.*Z$/) as string },
    });
  });

  it('writes one page that loads nothing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-replay-'));
    const file = join(folder, 'report.html');
    expect((await run('replay', script, '--html', file)).code).toBe(0);
    const page = readFileSync(file, 'utf8');
    rmSync(folder, { recursive: true });
    expect(page).toContain('<svg');
    expect(page).toContain('prefers-color-scheme: dark');
    expect(page).not.toMatch(/<script|<link|<img|src=|url\(/);
  });

  it('ends with exit code 3 when an expectation is not met, and says which', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-replay-'));
    const file = join(folder, 'wrong.yaml');
    writeFileSync(file, readFileSync(script, 'utf8').replace('ends: rolled-back', 'ends: settled'));
    const { code, err } = await run('replay', file, '--assert');
    const plain = await run('replay', file);
    rmSync(folder, { recursive: true });
    expect(code).toBe(3);
    expect(err).toContain('lb-weights ends settled: rolled-back');
    expect(plain.code).toBe(0);
  });
});

describe('a script that is wrong', { timeout: 60_000 }, () => {
  const text = readFileSync('docs/examples/replay/as-it-was.yaml', 'utf8');
  const faultOf = (from: string, to: string): string => {
    expect(text).toContain(from);
    try {
      readScript('script.yaml', text.replace(from, to));
      return 'accepted';
    } catch (error) {
      return error instanceof Error && 'details' in error ? String(error.details) : String(error);
    }
  };

  it.each([
    ['rate: 0.8%', 'rate: plenty', /script\.yaml:\d+: \/spec\/faults\/0\/rate: .*write a share/],
    [
      'change: lb-weights\n',
      'change: lb-wights\n',
      /\/spec\/amplifiers\/0\/change: there is no change lb-wights; known: router-api, lb-weights/,
    ],
    ['starts: 2025-08-29T16:00Z', 'starts: 2025-08-29', /\/spec\/changes\/1\/starts: write a time with its zone/],
    ['hardware: tpu', 'hardwear: [tpu]', /\/spec\/targets\/0\/labels\/hardwear/],
    ['type: invariant', 'type: paired', /\/spec\/signals\/0\/type: paired and a probe go together/],
    ['seed: 20250829', 'sead: 20250829', /\/spec\/sead: this field is not known/],
    [
      'where: { platform: api, model: claude-sonnet-4 }\n      rate',
      'where: { platform: apy }\n      rate',
      /\/spec\/faults\/0\/where: no target and model has these labels/,
    ],
    [
      'imported: settled',
      'plan: careful-api\n      imported: settled',
      /\/spec\/changes\/0\/plan: give the change a plan, or say that it was imported/,
    ],
  ])('is refused with the line and the field: %s becomes %s', (from, to, expected) => {
    expect(faultOf(from, to)).toMatch(expected);
  });

  it('is refused where a number has neither a source nor an assumption', () => {
    const at = text.indexOf("source: 'postmortem: 0.8%");
    const end = text.indexOf('\n\n', at);
    const without = text.slice(0, at) + text.slice(end);
    expect(() => readScript('script.yaml', without)).toThrow(/1 field is wrong/);
  });
});
