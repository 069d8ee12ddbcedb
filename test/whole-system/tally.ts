import fc from 'fast-check';
import { asHeadgateEvent, rolloutEvents, summarise } from '#libs/domain';
import type { RecordedEvent } from '#libs/kernel';
import { play, type History } from './play.js';
import { chanceOf, harmlessOf, LEAST_CHANCE, type Harmless } from './rules/alarms.js';
import { brokenBy } from './rules/index.js';
import { runs, type Run } from './steps.js';

/** How long a run that breaks a rule is made shorter. */
export const SHRINK_MS = 60_000;

/** One seed is one run. */
export const runOf = (seed: number): Run => {
  const [run] = fc.sample(runs, { seed, numRuns: 1 });
  if (!run) throw new Error(`Seed ${seed} gives no run.`);
  return run;
};

/** What comes by an event, beside the event itself. */
const occasionsOf = ({ type, data }: RecordedEvent): readonly string[] => {
  if (type === 'ParityJudged') return [`parity: ${(data['parity'] as { verdict: string }).verdict}`];
  if (type === 'VerdictRecorded') return [`method: ${(data['verdict'] as { method: string }).method}`];
  const isByMetrics = String(data['reason'] ?? data['sentence']).includes('outside alpha');
  if (type === 'RolloutHeld' && isByMetrics) return ['metrics: hold'];
  if (type !== 'DegradationDetected') return [];
  if (isByMetrics) return ['metrics: take back'];
  return String(data['sentence']).includes(' by instance ') ? ['instances: take back'] : [];
};

/** What comes in one run of a hundred or less often. */
const RARE = [
  'start: repeated',
  'supersede: done',
  'resume: done',
  'abort: repeated',
  'undo: done',
  'abandon: done',
  'append: of a dead controller',
  'delivery: of a dead controller',
  'RolloutSuperseded',
  'StickinessDropped',
  'EvidenceMissing',
  'EvidenceReturned',
  'metrics: hold',
  'metrics: take back',
  'method: before-after-v1',
  'method: counted-distribution-v1',
  'instances: take back',
];
const MANY = 3_000;

/** What the rules are about: what happens to rollouts, what people are told, and what goes wrong around them. */
const MUST_COME = [
  ...Object.keys(rolloutEvents),
  'TargetsClaimed',
  'TargetsReleased',
  'GenerationAcknowledged',
  'start: done',
  'start: repeated',
  'start: rollout-already-running',
  'start: revision-already-live',
  'pause: done',
  'pause for a while: done',
  'promote: done',
  'promote what was seen: done',
  'abort: done',
  'append: conflict',
  'append: repeated',
  'delivery: superseded',
  'task: another one holds it by now',
  'controller: killed at work',
  'outcomes: repeated',
  'outcomes: unknown-generation',
  'outcomes: a signal is not measured',
  'outcomes: late',
  'parity: pass',
  'parity: fail',
  'method: rate-grid-v1',
  'method: invariant-v1',
  'method: instance-permutation-v1',
  'method: counted-rate-v1',
  'metrics: taken',
  'metrics: lost',
];

/** So many runs come by all that the rules are about but for what is rare; and so many by that, too. */
const SOME = 80;

/** What many runs came to. It goes from one thread to another as it is. */
export type Tally = {
  runs: number;
  /** The seed of the first run that breaks each rule. */
  readonly failures: Map<number, number>;
  /** What happened how often. */
  readonly came: Map<string, number>;
  readonly harmless: Harmless[];
};

export const noRuns = (): Tally => ({ runs: 0, failures: new Map(), came: new Map(), harmless: [] });

const came = (tally: Tally, what: string, times = 1): void =>
  void tally.came.set(what, (tally.came.get(what) ?? 0) + times);

const failed = ({ failures }: Tally, rule: number, seed: number): void =>
  void failures.set(rule, Math.min(seed, failures.get(rule) ?? seed));

/** Plays a run and notes what it came to. */
export const playInto = async (tally: Tally, seed: number): Promise<void> => {
  const history = await play(runOf(seed));
  tally.runs += 1;
  for (const [what, times] of history.witness.came) came(tally, what, times);
  for (const event of history.events) for (const what of [event.type, ...occasionsOf(event)]) came(tally, what);
  tally.harmless.push(...harmlessOf(history));
  for (const what of brokenBy(history)) failed(tally, Number(/^rule (\d+)/.exec(what)?.[1]), seed);
};

export const addTo = (tally: Tally, other: Tally): void => {
  tally.runs += other.runs;
  for (const [what, times] of other.came) came(tally, what, times);
  for (const [rule, seed] of other.failures) failed(tally, rule, seed);
  tally.harmless.push(...other.harmless);
};

/** What so many runs should have come by, and did not. */
export const notComeBy = ({ runs: played, came: by }: Tally): readonly string[] => {
  const expected = played >= MANY ? [...MUST_COME, ...RARE] : MUST_COME.filter((what) => !RARE.includes(what));
  return played >= SOME ? expected.filter((what) => !by.has(what)) : [];
};

/** Rule 8: how many harmless rollouts were taken back, and whether that is no more than their alphas allow. */
export const alarmsOf = ({ harmless }: Tally): { readonly isWithin: boolean; readonly words: string } => {
  const alarms = harmless.filter(({ isAlarm }) => isAlarm).length;
  const alphas = harmless.map(({ alpha }) => alpha);
  const most = alphas.reduce((sum, alpha) => sum + alpha, 0).toFixed(1);
  const words = `${alarms} of ${harmless.length} harmless rollouts taken back, ${most} may be`;
  return { isWithin: chanceOf(alarms, alphas) > LEAST_CHANCE, words };
};

const story = ({ events }: History): string =>
  events
    .map((event) => `${event.position} ${event.metadata.commandId}: ${summarise(asHeadgateEvent(event))}`)
    .join('\n');

/** Throws with the shortest run that still breaks the rule, and its story. */
export const showShortest = async (rule: number, seed: number): Promise<never> => {
  process.stdout.write(`rule ${rule} is broken; HEADGATE_SEED=${seed} repeats it\n`);
  const property = fc.asyncProperty(runs, async (run) => {
    const history = await play(run);
    const broken = brokenBy(history, rule);
    if (broken.length > 0) throw new Error(`${broken.slice(0, 5).join('\n')}\n${story(history)}`);
  });
  await fc.assert(property, { seed, numRuns: 1, interruptAfterTimeLimit: SHRINK_MS });
  throw new Error(`Rule ${rule} was broken by HEADGATE_SEED=${seed}, and is not when it is played again.`);
};
