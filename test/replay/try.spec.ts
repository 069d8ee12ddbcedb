import { readFileSync } from 'node:fs';
import { it } from 'vitest';
import { replay } from '#libs/domain';
import { readScript } from '../../apps/cli/src/replay/script.js';
it('x', () => {
  const { scenario } = readScript('gated.yaml', readFileSync('docs/examples/replay/'+(process.env['F']??'gated.yaml'), 'utf8'));
  const t = performance.now();
  const report = replay({...scenario, seed: Number(process.env['SEED'] ?? scenario.seed)});
  console.log('ms', performance.now() - t, report.worked);
  for (const c of report.changes) {
    console.log(c.change, c.plan, c.outcome, c.refusal, c.stop && [c.stop.stages, c.stop.afterMs/60000, c.stop.method, c.stop.sentence, c.stop.tookMs], JSON.stringify(c.withHeadgate), JSON.stringify(c.really), JSON.stringify(c.probes));
    for (const s of c.stages) console.log('   ', s.track, s.stage, new Date(s.from).toISOString(), s.until && (s.until-s.from)/3600000, s.passed);
  }
  for (const c of report.checks) console.log(c.met, c.claim, c.found);
});
