import fc from 'fast-check';
import { it } from 'vitest';
import { runs } from './steps.js';
import { play } from './play.js';
it('x', async () => {
  const n = Number(process.env['N'] ?? 20);
  let events = 0;
  const types = new Map<string, number>();
  const all = fc.sample(runs, { seed: 1, numRuns: n });
  const t = performance.now();
  for (const [i, run] of all.entries()) {
    const h = await play(run);
    events += h.events.length;
    for (const e of h.events) types.set(e.type, (types.get(e.type) ?? 0) + 1);
    const bad = [...h.missed.map((m) => JSON.stringify(m)), ...h.witness.faults];
    if (bad.length > 0) console.log(i, bad.slice(0, 3).join('\n'));
  }
  const ms = performance.now() - t;
  console.log(
    n,
    'runs',
    (ms / n).toFixed(1),
    'ms each',
    events / n,
    'events each',
    [...types].map(([k, v]) => `${k} ${v}`).join('; '),
  );
}, 600_000);
