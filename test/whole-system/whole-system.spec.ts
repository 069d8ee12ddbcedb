import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { asHeadgateEvent, rolloutEvents, summarise } from '#libs/domain';
import type { RecordedEvent } from '#libs/kernel';
import { play, type History } from './play.js';
import { chanceOf, harmlessOf, LEAST_CHANCE, type Harmless } from './rules/alarms.js';
import { brokenBy } from './rules/index.js';
import { runs, type Run } from './steps.js';

/**
 * One seed is one run of the whole system. HEADGATE_SEED is the first of them, so that of a failure is repeated at once;
 * HEADGATE_RUNS says how many there are: 1,000 take about two minutes of a core.
 */
const FIRST = Number(process.env['HEADGATE_SEED'] ?? 20_250_829);
const RUNS = Number(process.env['HEADGATE_RUNS'] ?? 80);
const SHRINK_MS = 60_000;
const TIMEOUT_MS = 30_000 + RUNS * 4_000;

const runOf = (seed: number): Run => {
  const [run] = fc.sample(runs, { seed, numRuns: 1 });
  if (!run) throw new Error(`Seed ${seed} gives no run.`);
  return run;
};

const story = ({ events }: History): string =>
  events
    .map((event) => `${event.position} ${event.metadata.commandId}: ${summarise(asHeadgateEvent(event))}`)
    .join('\n');

type Failure = { readonly seed: number; readonly rule: number };

/** The first run that breaks each rule. */
const failures = new Map<number, Failure>();
const came = new Map<string, number>();
const harmless: Harmless[] = [];

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

const note = (seed: number, history: History): void => {
  for (const [what, times] of history.witness.came) came.set(what, (came.get(what) ?? 0) + times);
  for (const event of history.events)
    for (const what of [event.type, ...occasionsOf(event)]) came.set(what, (came.get(what) ?? 0) + 1);
  harmless.push(...harmlessOf(history));
  for (const what of brokenBy(history)) {
    const rule = Number(/^rule (\d+)/.exec(what)?.[1]);
    if (!failures.has(rule)) failures.set(rule, { seed, rule });
  }
};

beforeAll(async () => {
  const begun = performance.now();
  for (let seed = FIRST; seed < FIRST + RUNS; seed += 1) note(seed, await play(runOf(seed)));
  const perMinute = Math.round((RUNS * 60_000) / (performance.now() - begun));
  process.stdout.write(`${RUNS} runs of the whole system from HEADGATE_SEED=${FIRST}, ${perMinute} a minute\n`);
}, TIMEOUT_MS);

/** Fails with the shortest run that still breaks the rule, and its story. */
const holds = async (rule: number): Promise<void> => {
  const failure = failures.get(rule);
  if (!failure) return;
  process.stdout.write(`rule ${rule} is broken; HEADGATE_SEED=${failure.seed} repeats it\n`);
  const property = fc.asyncProperty(runs, async (run) => {
    const history = await play(run);
    const broken = brokenBy(history, rule);
    if (broken.length > 0) throw new Error(`${broken.slice(0, 5).join('\n')}\n${story(history)}`);
  });
  await fc.assert(property, { seed: failure.seed, numRuns: 1, interruptAfterTimeLimit: SHRINK_MS });
  throw new Error(`Rule ${rule} was broken by HEADGATE_SEED=${failure.seed}, and is not when it is played again.`);
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
  'EvidenceMissing',
  'EvidenceReturned',
  'metrics: hold',
  'metrics: take back',
  'method: before-after-v1',
  'method: counted-distribution-v1',
  'instances: take back',
];
const MANY = 1_000;

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

describe('the runs of the whole system that are played', () => {
  it('come by every event of a rollout, every command and every kind of trouble, so that the rules below mean something', () => {
    const expected = RUNS >= MANY ? [...MUST_COME, ...RARE] : MUST_COME.filter((what) => !RARE.includes(what));
    if (RUNS >= 80) expect(expected.filter((what) => !came.has(what))).toEqual([]);
  });

  it('are repeated by their seed, event by event', async () => {
    const [once, again] = [await play(runOf(FIRST)), await play(runOf(FIRST))];
    expect(again.events).toEqual(once.events);
    expect(again.witness.held).toEqual(once.witness.held);
  });
});

describe('whatever happens to rollouts, controllers, targets, fleets and people', { timeout: 2 * SHRINK_MS }, () => {
  it('rule 1: no target and no instance serves anything that a durable event had not asked for before', () => holds(1));

  it('rule 2: while anything is exposed a task leads it, it can be aborted, and a failed signal takes it back, however the world stands', () =>
    holds(2));

  it('rule 3: no stage passes and nothing settles without a pass of every signal that decides, judged again from what was counted', () =>
    holds(3));

  it('rule 4: no stage passes without its bake, its requests, its units and every instance, as each is seen besides', () =>
    holds(4));

  it('rule 5: a rollback runs on the targets that answer while others are down, ends once they are back, and only people give a target up', () =>
    holds(5));

  it('rule 6: no target ever goes back to an older generation, however late a delivery arrives', () => holds(6));

  it('rule 7: last known good moves only when a rollout settles, and a rollback goes back to what was live when it started', () =>
    holds(7));

  it('rule 8: of instances exactly as many are drawn as are asked for, and whoever was chosen stays', () => holds(8));

  it('rule 8: harmless rollouts are taken back by what the bound covers no more often than their alphas allow', () => {
    const alarms = harmless.filter(({ isAlarm }) => isAlarm).length;
    const alphas = harmless.map(({ alpha }) => alpha);
    const most = alphas.reduce((sum, alpha) => sum + alpha, 0).toFixed(1);
    process.stdout.write(`${alarms} of ${harmless.length} harmless rollouts taken back, ${most} may be\n`);
    expect(chanceOf(alarms, alphas)).toBeGreaterThan(LEAST_CHANCE);
  });

  it('rule 10: nothing is lost, doubled or left behind, and in the end every instance serves what was asked for last', () =>
    holds(10));

  it('rule 11: no event holds anything that users sent, nor who they are', () => holds(11));

  it('rule 12: every verdict of the whole history comes out again from the stored looks, with its counts and its digest', () =>
    holds(12));
});
