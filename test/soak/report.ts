import type { FaultTruth } from '../../apps/simulator/src/simulator.js';
import type { Nature } from './setting.js';

/** `held`: the gate found it too suspicious to go on, and no person came; it was then aborted. */
export type End = 'settled' | 'rolled-back' | 'held' | 'unfinished';

/** One change and what came of it. */
export type Change = {
  readonly config: string;
  readonly revision: number;
  readonly rollout: string;
  readonly nature: Nature;
  readonly slice: string;
  readonly end: End;
  readonly startedAt: number;
  readonly tookMs: number;
  /** Stages in which it was found out, and by which signal; undefined when it was not. */
  readonly caught: { readonly signal: string; readonly stages: string } | undefined;
  /** From the first bad answer to the event that takes it back, in ms. */
  readonly foundAfterMs: number | undefined;
  /** What the gate said of the fault's signal when stages passed. */
  readonly said: readonly string[];
  readonly truth: Pick<FaultTruth, 'exposed' | 'badOnCandidate' | 'badAfterRollback'> | undefined;
  /** A bad change of another config that ran at the same time and does what this good one was taken back for. */
  readonly blamedFor: string | undefined;
};

export type SoakResult = {
  readonly seed: number;
  readonly startedAt: number;
  readonly minutes: number;
  readonly changes: readonly Change[];
  readonly controllerDeaths: number;
  readonly controllerFreezes: number;
  readonly databaseDeaths: number;
  readonly requests: number;
  readonly events: number;
  readonly violations: readonly string[];
  readonly notes: readonly string[];
  /** Share of one core that everything together took. */
  readonly cores: number;
};

type Verdict = 'right' | 'false rollback' | 'blamed for another' | 'false hold' | 'missed' | 'unfinished';

export const verdictOf = ({
  nature,
  end,
  blamedFor,
}: Pick<Change, 'nature' | 'end'> & Partial<Pick<Change, 'blamedFor'>>): Verdict => {
  if (end === 'unfinished') return 'unfinished';
  if (nature !== 'good') return end === 'settled' ? 'missed' : 'right';
  if (end === 'settled') return 'right';
  if (end === 'held') return 'false hold';
  return blamedFor === undefined ? 'false rollback' : 'blamed for another';
};

/** In words: who was wrong, and about what. */
const wrongLine = (change: Change): string => {
  const { config, revision, nature, slice, caught, blamedFor } = change;
  const place = slice === '' ? '' : ` (${slice})`;
  const why = caught ? `; ${caught.signal} in ${caught.stages}` : '';
  const other = blamedFor === undefined ? '' : `, which came from ${blamedFor}`;
  // That a small harm is not shown within seconds is no surprise; that a large one is not needs its reasons.
  const reasons = nature === 'a little worse' ? [] : change.said;
  const said = reasons.map((sentence) => `\n  - ${sentence}`).join('');
  return `${verdictOf(change)}: ${config} r${revision}, ${nature}${place}${why}${other}${said}`;
};

const number = (value: number): string => Math.round(value).toLocaleString('en-US');
const seconds = (ms: number | undefined): string => (ms === undefined ? '–' : `${(ms / 1_000).toFixed(1)} s`);

const quantile = (values: readonly number[], share: number): number | undefined =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];

const MOST_SHOWN = 15;

const natures: readonly Nature[] = ['good', 'misroutes', 'much worse', 'a little worse'];

const LEGEND =
  'What a change does, on a slice chosen at random: one that misroutes serves a fifth of the answers of 16% of the users from the wrong pool; one that is much worse has 8 times the syntax errors, one that is a little worse 1.5 times. Stages last seconds and the plan asks for no proof of harmlessness (`tolerate: none`), so what is a little worse is seldom shown to be harmful in time: it is here to see what such a plan lets pass.';

const summaryRow = (nature: Nature, changes: readonly Change[]): string => {
  const mine = changes.filter((change) => change.nature === nature);
  const count = (verdict: Verdict): number => mine.filter((change) => verdictOf(change) === verdict).length;
  const found = mine.flatMap(({ foundAfterMs }) => (foundAfterMs === undefined ? [] : [foundAfterMs]));
  const harm = mine.reduce((sum, { truth }) => sum + (truth?.badOnCandidate ?? 0), 0);
  const after = mine.reduce((sum, { truth }) => sum + (truth?.badAfterRollback ?? 0), 0);
  const cells = [
    nature,
    mine.length,
    mine.filter(({ end }) => end === 'settled').length,
    mine.filter(({ end }) => end === 'rolled-back').length,
    mine.filter(({ end }) => end === 'held').length,
    count('unfinished'),
    nature === 'good' ? '–' : `${seconds(quantile(found, 0.5))} / ${seconds(quantile(found, 0.95))}`,
    nature === 'good' ? '–' : number(harm),
    nature === 'good' ? '–' : number(after),
  ];
  return `| ${cells.join(' | ')} |`;
};

const changeRow = (change: Change): string => {
  const { config, revision, nature, slice, end, tookMs, caught, foundAfterMs, truth } = change;
  const cells = [
    `${config} r${revision}`,
    `${nature}${slice === '' ? '' : ` (${slice})`}`,
    verdictOf(change) === 'right' ? end : `**${end}**`,
    seconds(tookMs),
    caught ? `${caught.signal} in ${caught.stages}` : '–',
    seconds(foundAfterMs),
    truth ? `${number(truth.badOnCandidate)} of ${number(truth.exposed)}` : '–',
  ];
  return `| ${cells.join(' | ')} |`;
};

const list = (title: string, items: readonly string[], none: string): string[] => [
  `## ${title}`,
  '',
  ...(items.length === 0 ? [none] : items.map((item) => `- ${item}`)),
  '',
];

/** The result as a page. */
export const reportOf = (result: SoakResult): string => {
  const { changes, violations } = result;
  const wrong = changes.filter((change) => verdictOf(change) !== 'right');
  const lines = [
    '# What a soak showed',
    '',
    'Written by `npm run soak -- --minutes N --seed S --report docs/reference/soak.md`. How it is made and what the history checker checks: [Reliability](../explanation/reliability.md).',
    '',
    `${result.minutes.toFixed(0)} minutes from ${new Date(result.startedAt).toISOString()}, seed ${result.seed}: three controllers (clocks 2 s apart) on one PostgreSQL, fleets of four targets that serve ${number(result.requests)} requests, three configs changed again and again at the same time. Controllers were killed with -9 ${result.controllerDeaths} times and stood still for 2 s to 10 s ${result.controllerFreezes} times, the database ${result.databaseDeaths} times. Everything together took ${result.cores.toFixed(2)} cores; the log has ${number(result.events)} events.`,
    '',
    `**${violations.length === 0 ? 'The history checker found nothing wrong' : `The history checker found ${violations.length} violations`}. ${changes.length - wrong.length} of ${changes.length} changes ended right.**`,
    '',
    '| changes | number | settled | rolled back | held | unfinished | found after (median / 95%) | bad answers served | of them after the rollback |',
    '| --- | --: | --: | --: | --: | --: | --: | --: | --: |',
    ...natures.map((nature) => summaryRow(nature, changes)),
    '',
    LEGEND,
    '',
    ...list('Violations', violations, 'None.'),
    ...list(
      'Wrong ends',
      wrong.map(wrongLine),
      'None: no good change was taken back, no bad one settled, and every rollout ended.',
    ),
    ...list('Notes', result.notes, 'None.'),
    '## The changes that did the most harm',
    '',
    '| change | what it does | end | took | caught by | found after | bad of exposed requests |',
    '| --- | --- | --- | --: | --- | --: | --: |',
    ...changes
      .filter(({ nature }) => nature !== 'good')
      .toSorted((a, b) => (b.truth?.badOnCandidate ?? 0) - (a.truth?.badOnCandidate ?? 0))
      .slice(0, MOST_SHOWN)
      .map(changeRow),
    '',
  ];
  return lines.join('\n');
};
