import type { PlanPreview } from '#libs/contracts';
import type { StoryEvent, StoryPlan } from './events.js';

/** What the story knows of one rollout. */
type Chapter = {
  readonly config: string;
  readonly revision: number;
  readonly plan: StoryPlan;
  readonly controls: Readonly<Record<string, number>>;
  /** `track/stage` → when it was entered. */
  readonly entered: Readonly<Record<string, number>>;
  readonly back: readonly string[];
  /** Target and generation → how many attempts to deliver it have failed. */
  readonly failures: Readonly<Record<string, number>>;
  /** Set once the rollback has begun. */
  readonly rollback: { readonly at: number; readonly targets: readonly string[] } | undefined;
};

/** Everything told so far. Plain data: the same events tell the same story. */
export type Story = {
  /** ms since 1970 at which the story's clock is 0. */
  readonly begunAt: number;
  /** Config → `track/stage` → what the plan predicted, in ms; null: never. */
  readonly predictions: Readonly<Record<string, Readonly<Record<string, number | null>>>>;
  readonly chapters: Readonly<Record<string, Chapter>>;
};

export const beginStory = (begunAt: number): Story => ({ begunAt, predictions: {}, chapters: {} });

/** Remembers what `plan` said of a config, to be told beside what comes. */
export const withPrediction = (story: Story, preview: PlanPreview): Story => {
  const stages = Object.fromEntries(
    preview.stages.map(({ track, stage, predictedMs }) => [`${track}/${stage}`, predictedMs]),
  );
  return { ...story, predictions: { ...story.predictions, [preview.config]: stages } };
};

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const LABEL = 10;

/** `12.4s  api       text` */
export const line = (story: Story, at: number, who: string, text: string): string =>
  `${((at - story.begunAt) / 1_000).toFixed(1).padStart(6)}s  ${who.padEnd(LABEL)} ${text}`;

/** Where the text of a line of the demo begins, so that what is too long can go on under it. */
export const indentOf = (text: string): number =>
  /^ *[\d.]+s  /.test(text) ? 6 + 3 + LABEL + 1 : (/^ */.exec(text)?.[0].length ?? 0) + (text.startsWith(' ') ? 6 : 2);

const COUNTS = /([\d,]+) of ([\d,]+) on the candidate against ([\d,]+) of ([\d,]+) on control; (.+)$/;

/** "syntax errors 61 of 12,300 vs 540 of 111,000; shown to be below x1.5"; undefined for a sentence without two arms. */
export const evidenceText = (sentence: string, title: string): string | undefined => {
  const [, bad, requests, controlBad, controlRequests, claim] = COUNTS.exec(sentence) ?? [];
  return claim === undefined
    ? undefined
    : `${title} ${bad} of ${requests} vs ${controlBad} of ${controlRequests}; ${claim}`;
};

const controlBadIn = (sentence: string): number => Number(COUNTS.exec(sentence)?.[3]?.replaceAll(',', '') ?? -1);

/** Of all that let a stage pass, the sentence about the signal that was seen most often. */
const bestEvidence = (chapter: Chapter, sentences: readonly string[]): string => {
  const [best] = sentences.toSorted((a, b) => controlBadIn(b) - controlBadIn(a));
  if (best === undefined) return '';
  const title = chapter.plan.signals.find((signal) => best.startsWith(signal.title))?.title;
  return `: ${(title === undefined ? undefined : evidenceText(best, title)) ?? best}`;
};

type Of<Type extends StoryEvent['type']> = Extract<StoryEvent, { type: Type }>;

const passed = (story: Story, chapter: Chapter, { at, data }: Of<'StagePassed'>): string => {
  const stages = chapter.plan.tracks.find(({ name }) => name === data.track)?.stages ?? [];
  const next = stages[stages.findIndex(({ name }) => name === data.stage) + 1];
  const key = `${data.track}/${data.stage}`;
  const took = seconds(at - (chapter.entered[key] ?? at));
  const predicted = story.predictions[chapter.config]?.[key];
  const said = predicted === undefined ? '' : ` (plan said ${predicted === null ? 'never' : seconds(predicted)})`;
  const step = (next ? `${data.stage} -> ${next.name}` : `${data.stage} done`).padEnd(12);
  return line(story, at, data.track, `${step} passed after ${took}${said}${bestEvidence(chapter, data.sentences)}`);
};

const detected = (story: Story, chapter: Chapter, { at, data }: Of<'DegradationDetected'>): string => {
  const entered = data.stages.map((stage) => chapter.entered[stage]).filter((when) => when !== undefined);
  const after = entered.length === 0 ? '' : ` after ${seconds(at - Math.max(...entered))}`;
  return line(
    story,
    at,
    'caught',
    `${chapter.config} r${chapter.revision} in ${data.stages.join(', ')}${after}: ${data.sentence}`,
  );
};

const readBack = (story: Story, chapter: Chapter, at: number): string[] => {
  if (chapter.rollback === undefined || chapter.back.length < chapter.rollback.targets.length) return [];
  const revisions = [...new Set(chapter.back.map((target) => chapter.controls[target]))].map(
    (revision) => `r${revision}`,
  );
  const took = seconds(at - chapter.rollback.at);
  return [
    line(
      story,
      at,
      'read back',
      `${chapter.back.join(', ')} on ${revisions.join(', ')} again, ${took} after the rollback began`,
    ),
  ];
};

const failureKey = (target: string, generation: number): string => `${target} ${generation}`;

/** Only what had failed before is worth a line. */
const recovered = (story: Story, { failures }: Chapter, { at, data }: Of<'ExposureChanged'>): readonly string[] => {
  const failed = failures[failureKey(data.target, data.generation)];
  if (failed === undefined) return [];
  const attempts = `${failed} failed attempt${failed === 1 ? '' : 's'}`;
  return [line(story, at, 'delivered', `${data.target} holds generation ${data.generation} after ${attempts}`)];
};

const linesOf = (story: Story, chapter: Chapter, event: StoryEvent): readonly string[] => {
  const { at } = event;
  const name = `${chapter.config} r${chapter.revision}`;
  switch (event.type) {
    case 'RolloutPlanned':
      return [
        line(
          story,
          at,
          'start',
          `${name} by plan ${chapter.plan.plan}, ${Object.keys(chapter.controls).length} targets`,
        ),
      ];
    case 'StageEntered':
      return chapter.plan.tracks.some(
        ({ name: track, stages }) => track === event.data.track && stages[0]?.name === event.data.stage,
      )
        ? [line(story, at, event.data.track, `${event.data.stage} of ${name} is asked for`)]
        : [];
    case 'StagePassed':
      return [passed(story, chapter, event)];
    case 'ExposureFailed':
      return [line(story, at, 'trouble', `${event.data.error}; it is tried again`)];
    case 'ExposureChanged':
      return recovered(story, chapter, event);
    case 'RolloutHeld':
      return [line(story, at, 'held', `${name}: ${event.data.reason}`)];
    case 'RolloutResumed':
      return [line(story, at, 'goes on', `${name}: ${event.data.reason}`)];
    case 'DegradationDetected':
      return [detected(story, chapter, event)];
    case 'RollbackStarted':
      return [line(story, at, 'rollback', `${name} is taken back from ${event.data.targets.join(', ')}`)];
    case 'TargetReadBack':
      return readBack(story, chapter, at);
    case 'TargetDrained':
      return [line(story, at, event.data.outcome, `${event.data.target}: ${event.data.detail}`)];
    case 'RolledBack':
      return [
        line(
          story,
          at,
          'gone',
          `${name} is gone everywhere, ${seconds(at - (chapter.rollback?.at ?? at))} after the rollback began`,
        ),
      ];
    case 'FullyExposed':
      return [
        line(
          story,
          at,
          'watch',
          `${name} is everywhere but on a holdback of ${event.data.holdbackBp / 100}%; watched for ${seconds(chapter.plan.watchMs)}`,
        ),
      ];
    case 'RolloutSettled':
      return [line(story, at, 'settled', `${name} is last known good on ${event.data.targets.length} targets`)];
    default:
      return [];
  }
};

const changed = (chapter: Chapter, event: StoryEvent): Chapter => {
  switch (event.type) {
    case 'StageEntered':
      return { ...chapter, entered: { ...chapter.entered, [`${event.data.track}/${event.data.stage}`]: event.at } };
    case 'ExposureFailed': {
      const key = failureKey(event.data.target, event.data.generation);
      return { ...chapter, failures: { ...chapter.failures, [key]: (chapter.failures[key] ?? 0) + 1 } };
    }
    case 'RollbackStarted':
      return { ...chapter, rollback: { at: event.at, targets: event.data.targets } };
    case 'TargetReadBack':
      return { ...chapter, back: [...chapter.back, event.data.target] };
    default:
      return chapter;
  }
};

const chapterOf = (story: Story, event: StoryEvent): Chapter | undefined => {
  const known = story.chapters[event.data.rollout];
  if (known || event.type !== 'RolloutPlanned') return known;
  const { config, revision, plan, controls } = event.data;
  return { config, revision, plan, controls, entered: {}, back: [], failures: {}, rollback: undefined };
};

/** Tells one event: the story goes on, and these lines are printed. Events of rollouts that it never saw begin are left out. */
export const tell = (story: Story, event: StoryEvent): { readonly story: Story; readonly lines: readonly string[] } => {
  const before = chapterOf(story, event);
  if (!before) return { story, lines: [] };
  const chapter = changed(before, event);
  const lines = linesOf(story, chapter, event);
  return { story: { ...story, chapters: { ...story.chapters, [event.data.rollout]: chapter } }, lines };
};
