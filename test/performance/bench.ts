import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findMissed, hostLine, load, openContext } from './harness.js';
import type { Bench } from './harness.js';

/** Every benchmark by its name; one line each. */
const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  append: async () => (await import('./append.js')).append,
  read: async () => (await import('./read.js')).read,
  'as-of': async () => (await import('./as-of.js')).asOf,
  rebuild: async () => (await import('./rebuild.js')).rebuild,
  verify: async () => (await import('./verify.js')).verify,
  command: async () => (await import('./command.js')).command,
  evidence: async () => (await import('./evidence.js')).evidence,
  react: async () => (await import('./react.js')).react,
  'react-drivers': async () => (await import('./react-drivers.js')).reactDrivers,
  harm: async () => (await import('./harm.js')).harm,
  intake: async () => (await import('./intake.js')).intake,
  verdicts: async () => (await import('./verdicts.js')).verdicts,
  propagate: async () => (await import('./propagate.js')).propagate,
  evaluate: async () => (await import('./evaluate.js')).evaluate,
  replay: async () => (await import('./replay.js')).replayBench,
  console: async () => (await import('./console.js')).consoleBench,
  start: async () => (await import('./start.js')).start,
  growth: async () => (await import('./growth.js')).growth,
};

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const save = (name: string, json: string): void => {
  const folder = join(process.cwd(), 'docs', 'reference', 'figures');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), `${json}\n`);
};

const run = async (name: string, open: () => Promise<Bench>, quick: boolean, keep: boolean): Promise<boolean> => {
  const bench = await open();
  const before = load();
  const context = openContext({ quick, say });
  say(`\n${name}: ${bench.measures}`);
  say(`  ${hostLine()}; seed ${context.seed}${quick ? `; quick: ${bench.quick}` : ''}`);
  try {
    const figures = await bench.run(context);
    const missed = findMissed(bench.musts, figures);
    for (const must of bench.musts)
      say(
        `  ${must.key} = ${String(figures[must.key])}, must be ${must.atLeast === undefined ? `<= ${must.atMost}` : `>= ${must.atLeast}`}`,
      );
    for (const line of missed) say(`  MISSED: ${line}`);
    const json = JSON.stringify({ bench: name, quick, seed: context.seed, load: [before, load()], ...figures });
    if (keep && !quick) save(name, json);
    say(json);
    return missed.length === 0;
  } finally {
    await context.close();
  }
};

const main = async (): Promise<void> => {
  const args = process.argv.slice(2);
  const quick = args.includes('--quick');
  const keep = args.includes('--save');
  const names = args.filter((arg) => !arg.startsWith('--'));
  const unknown = names.filter((name) => benches[name] === undefined);
  if (unknown.length > 0) {
    process.stderr.write(`No benchmark ${unknown.join(', ')}: there are ${Object.keys(benches).join(', ')}.\n`);
    process.exitCode = 2;
    return;
  }
  for (const [name, load] of Object.entries(benches)) {
    if (names.length > 0 && !names.includes(name)) continue;
    if (!(await run(name, load, quick, keep))) process.exitCode = 1;
  }
};

await main();
