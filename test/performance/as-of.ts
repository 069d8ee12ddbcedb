import { atView, configSubject, openChanges, WITHOUT_END } from '#libs/application';
import { PostgresPast } from '../../apps/controller/src/composition/past.js';
import { settingOf } from './as-of-workload.js';
import { openFilledLog, projectAnew } from './filled-log.js';
import type { Bench, BenchContext, Figures } from './harness.js';
import { quantile, round } from './harness.js';

const QUESTIONS = ['live', 'history', 'open'] as const;
type Question = (typeof QUESTIONS)[number];

type Log = {
  readonly events: number;
  readonly ask: (question: Question, chance: () => number) => Promise<number>;
  readonly foldSeconds: number;
  readonly close: () => Promise<void>;
};

/** A small source of chance with a seed: moments and places are the same in each run. */
const chanceOf = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

const HISTORY = 100;
const LOOK_BACK_MS = 1_000;

/** A log of so many events, with what is kept of it, and the questions as the HTTP API asks them. */
const openLog = async (context: BenchContext, events: number): Promise<Log> => {
  const log = await openFilledLog(context, 'as_of', events);
  const { pool, store, events: written } = log;
  const { view, keeper, seconds } = await projectAnew(log);
  context.say(`  folded and kept anew in ${round(seconds)} s`);
  await pool.query('vacuum analyze');
  const past = new PostgresPast(pool);
  const { targets, configs } = settingOf(events);
  const [first] = await store.readPositions([1]);
  const [last] = await store.readPositions([written]);
  const [from, until] = [Date.parse(first?.recordedAt ?? ''), Date.parse(last?.recordedAt ?? '')];
  const some = <T>(all: readonly T[], chance: () => number): T => {
    const found = all[Math.floor(chance() * all.length)];
    if (found === undefined) throw new Error('There is none to ask about.');
    return found;
  };
  const ask = async (question: Question, chance: () => number): Promise<number> => {
    const at = Math.floor(from + chance() * (until - from));
    const target = some(targets, chance);
    const config = some(configs, chance);
    const start = performance.now();
    if (question === 'live') {
      const when = { at, known: WITHOUT_END, position: WITHOUT_END };
      const answer = await atView(past, view, { when, at: '', knownAt: null, target, config });
      // The first moments are before the first config.
      if (answer.position > 1_000 && answer.targets[0]?.configs.length !== 1) throw new Error('Nothing was live.');
    } else if (question === 'history') {
      const asked = {
        subjects: [configSubject(config)],
        after: 0,
        before: WITHOUT_END,
        order: 'newest',
        limit: HISTORY,
      } as const;
      const found = await store.readPositions(await past.mentioned(asked));
      if (found.length !== HISTORY) throw new Error(`${config} has a history of ${found.length}.`);
    } else {
      const answer = await openChanges(past, view, { at, lookBackMs: LOOK_BACK_MS, target, config: undefined });
      if (answer.items.some(({ exposures }) => exposures.length > 1)) throw new Error('Another slice was answered.');
    }
    return performance.now() - start;
  };
  const close = async (): Promise<void> => {
    await keeper.stop();
    await pool.end();
  };
  return { events: written, ask, foldSeconds: seconds, close };
};

const ROUNDS = 5;

const measure = async (context: BenchContext): Promise<Figures> => {
  const sizes = context.quick ? [20_000, 80_000] : [100_000, 5_000_000];
  const asks = context.quick ? 200 : 1_000;
  const logs: Log[] = [];
  for (const size of sizes) logs.push(await openLog(context, size));
  const times = logs.map(() => Object.fromEntries(QUESTIONS.map((name) => [name, [] as number[]])));
  for (let turn = -1; turn < ROUNDS; turn += 1)
    for (const [index, log] of logs.entries())
      for (const question of QUESTIONS) {
        const chance = chanceOf(context.seed + turn * 31);
        for (let n = 0; n < asks / ROUNDS; n += 1) {
          const took = await log.ask(question, chance);
          // The first round warms up what later ones find warm.
          if (turn >= 0) times[index]?.[question]?.push(took);
        }
      }
  const p99 = times.map((own) =>
    Object.fromEntries(QUESTIONS.map((name) => [name, round(quantile(own[name] ?? [], 0.99))])),
  );
  const medians = times.map((own) =>
    Object.fromEntries(QUESTIONS.map((name) => [name, round(quantile(own[name] ?? [], 0.5))])),
  );
  const [small, large] = p99;
  const growths = QUESTIONS.map((name) => (large?.[name] ?? Number.NaN) / (small?.[name] ?? Number.NaN));
  for (const name of QUESTIONS) context.say(`  ${name.padEnd(8)} p99 ${small?.[name]} ms and ${large?.[name]} ms`);
  for (const log of logs) await log.close();
  const costs = logs.map(({ foldSeconds, events }) => foldSeconds / events);
  return {
    growth: round(Math.max(...growths)),
    p99Ms: Math.max(...QUESTIONS.map((name) => large?.[name] ?? Number.NaN)),
    events: logs.map((log) => log.events),
    questions: asks,
    p99,
    medians,
    keptAnew: {
      seconds: logs.map(({ foldSeconds }) => round(foldSeconds)),
      growth: round((costs[1] ?? 0) / (costs[0] ?? 1)),
    },
  };
};

export const asOf: Bench = {
  measures:
    'p99 of "what was live on this target at T", "history of this config" and "open changes on this slice", on a long log over a short one',
  quick: '80,000 events over 20,000 instead of 5 million over 100,000, 200 questions of each kind instead of 1,000',
  musts: [
    { key: 'growth', atMost: 2 },
    { key: 'p99Ms', atMost: 15 },
  ],
  run: measure,
};
