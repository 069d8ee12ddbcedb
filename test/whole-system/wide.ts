import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { addTo, alarmsOf, noRuns, notComeBy, playInto, showShortest, type Tally } from './tally.js';

/**
 * `npm run wide`: the runs of `whole-system.spec.ts`, thousands of them on all cores. HEADGATE_SEED is the first one (by
 * default drawn by the time), HEADGATE_RUNS how many there are, HEADGATE_CORES on how many cores. Status 1 when a rule
 * is broken; then the shortest run that breaks it is told with its story.
 */
type Share = { readonly first: number; readonly end: number; readonly step: number };

const CORES = Number(process.env['HEADGATE_CORES'] ?? availableParallelism());
const FIRST = Number(process.env['HEADGATE_SEED'] ?? Date.now() % 1_000_000_000);
const RUNS = Number(process.env['HEADGATE_RUNS'] ?? 3_000);

/** Most of what a run makes is of no use a moment later: with room for it, less is copied. */
const YOUNG_MB = 96;

/** How many runs a core plays before it says so. */
const SAY_EVERY = 500;

const playShare = async ({ first, end, step }: Share, said: (played: number) => void): Promise<Tally> => {
  const tally = noRuns();
  for (let seed = first; seed < end; seed += step) {
    await playInto(tally, seed);
    if (tally.runs % SAY_EVERY === 0) said(SAY_EVERY);
  }
  return tally;
};

const onAnotherCore = (share: Share, said: (played: number) => void): Promise<Tally> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: share,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    worker.on('message', (word: Tally | number) => (typeof word === 'number' ? said(word) : resolve(word)));
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`A thread ended with ${code} before it had played its runs.`)));
  });

const playAll = async (): Promise<Tally> => {
  const shares = Array.from({ length: CORES }, (_, core) => ({ first: FIRST + core, end: FIRST + RUNS, step: CORES }));
  let played = 0;
  const said = (more: number): void => {
    played += more;
    process.stderr.write(`${played} of ${RUNS} runs played\n`);
  };
  const all = noRuns();
  for (const tally of await Promise.all(shares.map((share) => onAnotherCore(share, said)))) addTo(all, tally);
  return all;
};

/** With what it was caused by: of the shortest run that is its story. */
const wordsOf = (error: unknown): string =>
  error instanceof Error ? [error.message, ...(error.cause ? [wordsOf(error.cause)] : [])].join('\n') : String(error);

const tell = (line: string): void => void process.stdout.write(`${line}\n`);

const main = async (): Promise<void> => {
  const begun = performance.now();
  const tally = await playAll();
  const [ms, cpu] = [performance.now() - begun, process.cpuUsage()];
  const perRun = ((cpu.user + cpu.system) / 1_000 / RUNS).toFixed(0);
  const rate = `${Math.round((RUNS * 60_000) / ms)} a minute on ${CORES} cores, ${perRun} ms of a core each`;
  tell(`${RUNS} runs of the whole system from HEADGATE_SEED=${FIRST}: ${rate}`);
  const [missing, alarms] = [notComeBy(tally), alarmsOf(tally)];
  tell(alarms.words);
  if (missing.length > 0) tell(`They never came by: ${missing.join(', ')}`);
  if (missing.length > 0 || !alarms.isWithin || tally.failures.size > 0) process.exitCode = 1;
  for (const [rule, seed] of tally.failures)
    await showShortest(rule, seed).catch((error: unknown) => tell(wordsOf(error)));
};

if (isMainThread) await main();
else {
  const say = (word: Tally | number): void => parentPort?.postMessage(word);
  say(await playShare(workerData as Share, say));
}
