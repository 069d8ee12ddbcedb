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

const playShare = async ({ first, end, step }: Share): Promise<Tally> => {
  const tally = noRuns();
  for (let seed = first; seed < end; seed += step) await playInto(tally, seed);
  return tally;
};

const onAnotherCore = (share: Share): Promise<Tally> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: share,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`A thread ended with ${code} before it had played its runs.`)));
  });

const playAll = async (): Promise<Tally> => {
  const shares = Array.from({ length: CORES }, (_, core) => ({ first: FIRST + core, end: FIRST + RUNS, step: CORES }));
  const all = noRuns();
  for (const tally of await Promise.all(shares.map(onAnotherCore))) addTo(all, tally);
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
else parentPort?.postMessage(await playShare(workerData as Share));
