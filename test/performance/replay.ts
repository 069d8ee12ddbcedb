import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replay } from '#libs/domain';
import { readScript } from '../../apps/cli/src/replay/script.js';
import { round, summarise, type Bench, type Figures } from './harness.js';

const SCRIPTS = ['gated', 'as-it-was'] as const;
const ROUNDS = 5;

const read = (name: string) => {
  const file = join('docs', 'examples', 'replay', `${name}.yaml`);
  return () => readScript(file, readFileSync(join(process.cwd(), file), 'utf8')).scenario;
};

type Course = {
  readonly seconds: number;
  readonly missed: readonly string[];
  readonly requests: number;
  readonly digest: string;
};

/** From the text of the scripts to their reports, as the command does it. */
const playAll = (): Course => {
  const begun = performance.now();
  const reports = SCRIPTS.map((name) => replay(read(name)()));
  const seconds = (performance.now() - begun) / 1_000;
  const missed = reports.flatMap(({ name, checks }) =>
    checks.filter(({ met }) => !met).map(({ claim, found }) => `${name}: ${claim}: ${found}`),
  );
  const requests = reports.reduce((sum, { worked }) => sum + worked.requests, 0);
  return { seconds, missed, requests, digest: JSON.stringify(reports) };
};

/** The weeks of August and September 2025 on the virtual clock. */
export const replayBench: Bench = {
  measures:
    'both scripts of the weeks of August and September 2025, read and replayed on the virtual clock, one after the other',
  quick: '2 rounds instead of 5',
  musts: [
    { key: 'seconds', atMost: 60 },
    { key: 'missed', atMost: 0 },
    { key: 'different', atMost: 0 },
  ],
  run: async ({ quick, say }): Promise<Figures> => {
    const courses: Course[] = [];
    for (let turn = 0; turn < (quick ? 2 : ROUNDS); turn += 1) {
      const course = playAll();
      courses.push(course);
      say(
        `  round ${turn + 1}: ${course.seconds.toFixed(2)} s for ${(course.requests / 1e6).toFixed(0)} million requests beside open rollouts`,
      );
    }
    const first = courses[0];
    const missed = first?.missed ?? [];
    for (const line of missed) say(`  not as the script expects: ${line}`);
    const different = courses.filter(({ digest }) => digest !== first?.digest).length;
    const seconds = summarise(courses.map((course) => course.seconds));
    return {
      seconds: round(seconds.median),
      spread: seconds.spread,
      rounds: seconds.rounds,
      requests: first?.requests ?? 0,
      missed: missed.length,
      different,
    };
  },
};
