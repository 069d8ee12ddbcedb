import { showShare } from '#libs/contracts';
import type { PlanPreview, StagePrediction } from '#libs/contracts';
import { plain, showCount, showDuration, showPrediction, showRatio } from '../format.js';
import { table } from '../look.js';
import type { Look } from '../look.js';
import { hang } from '../wrap.js';

/** `25%`, or `25% (2 of 8)` where instances are drawn. */
const exposureOf = ({ exposureBp, instances }: StagePrediction): string => {
  const drawn = (instances ?? []).map(({ chosen, of }) => `${chosen} of ${of}`);
  return drawn.length === 0 ? showShare(exposureBp) : `${showShare(exposureBp)} (${[...new Set(drawn)].join(', ')})`;
};

/** Nothing was served there lately, so nothing can be told. */
const isSilent = ({ limitedBy }: StagePrediction): boolean => limitedBy === 'no traffic';

const stageCells = (stage: StagePrediction): readonly string[] => [
  plain(stage.track),
  plain(stage.stage),
  exposureOf(stage),
  showDuration(stage.bakeMs),
  isSilent(stage) ? 'not known' : showPrediction(stage.predictedMs),
  plain(stage.limitedBy),
  plain(stage.targets.join(', ')),
];

type Prediction = StagePrediction['signals'][number];
type Parity = PlanPreview['parity'][number];
type Sight = Pick<Prediction, 'known' | 'smallestHarm' | 'nearlySure'>;

/** `1.8 times (95%: 2.1)`. */
const showSight = ({ known, smallestHarm, nearlySure }: Sight): string => {
  if (!known) return 'not known yet';
  if (smallestHarm === null) return 'none';
  return `${showRatio(smallestHarm)} (95%: ${nearlySure === null ? 'never' : Number(nearlySure.toPrecision(3))})`;
};

/** Of an invariant without any ratio. */
const sightOf = (signal: Prediction): string => (signal.type === 'invariant' ? 'any violation' : showSight(signal));

/** When it is shown; nothing where nothing has to be. */
const timeOf = ({ tolerate, known, predictedMs, type }: Prediction, isDrawn: boolean): string => {
  if (tolerate === null) return '-';
  if (predictedMs === 0) return 'at once';
  if (!known || (isDrawn && type !== 'paired' && predictedMs === null)) return 'not known yet';
  return showPrediction(predictedMs);
};

const watchLines = ({ watch }: PlanPreview, look: Look): readonly string[] => {
  const rows = watch.signals.map((signal) => [
    plain(signal.signal),
    showSight(signal),
    signal.harmedAnswers === null ? '-' : showCount(Math.round(signal.harmedAnswers)),
  ]);
  const seen = table(['SIGNAL', 'SMALLEST HARM SEEN (80%)', 'HARMED ANSWERS BY THEN'], rows, look);
  const head = `watch    ${showDuration(watch.watchMs)} against a holdback of ${showShare(watch.holdbackBp)}: ${showCount(Math.round(watch.requests))} requests on the candidate`;
  return ['', hang(head, look.width, 9), ...(seen === '' ? [] : [seen])];
};

const pairsWords = ({ discordant, pairs }: Parity['pairs'][number]): string => {
  const when = discordant === 0 ? 'where none differs' : `where ${showShare(discordant * 10_000)} differ`;
  return pairs === null ? `never ${when}` : `${showCount(pairs)} ${when}`;
};

const parityLines = ({ parity }: PlanPreview, look: Look): readonly string[] => {
  const rows = parity.map(({ track, signal, between, withinBp, pairs }) => [
    plain(track),
    plain(between.join(' and ')),
    plain(signal),
    `±${showShare(withinBp)}`,
    pairs.map(pairsWords).join('; '),
  ]);
  const needs = table(['TRACK', 'WAITS FOR PARITY OF', 'SIGNAL', 'WITHIN', 'PAIRS IT TAKES ON AVERAGE'], rows, look);
  return rows.length === 0 ? [] : ['', needs];
};

const signalCells = (stage: StagePrediction): readonly (readonly string[])[] =>
  stage.signals.map((signal) => [
    plain(`${stage.track}/${stage.stage}`),
    plain(signal.signal),
    signal.tolerate === null ? 'none' : showRatio(signal.tolerate),
    sightOf(signal),
    timeOf(signal, stage.instances !== undefined),
    plain(signal.note),
  ]);

const controlLine = (control: PlanPreview['control']): string => {
  const byRevision = new Map<number, string[]>();
  for (const [target, revision] of Object.entries(control)) {
    byRevision.set(revision, [...(byRevision.get(revision) ?? []), target]);
  }
  return [...byRevision].map(([revision, targets]) => `r${revision} on ${targets.join(', ')}`).join('; ') || 'none';
};

const trafficLine = ({ perTarget, spanMs }: PlanPreview['traffic']): string => {
  const rates = Object.entries(perTarget).map(([target, rate]) => `${target} ${showCount(rate)}/s`);
  return rates.length === 0
    ? `none was seen in the last ${showDuration(spanMs)}`
    : `${rates.join(', ')} (requests, over the last ${showDuration(spanMs)})`;
};

/** What a rollout would do: stages, predictions and what they can see, total, warnings. */
export const renderPlan = (preview: PlanPreview, look: Look): string => {
  const { paint } = look;
  const stages = table(
    ['TRACK', 'STAGE', 'EXPOSURE', 'BAKE', 'PREDICTED', 'LIMITED BY', 'TARGETS'],
    preview.stages.map(stageCells),
    look,
    ['EXPOSURE', 'BAKE'],
  );
  const signals = table(
    ['STAGE', 'SIGNAL', 'TOLERATE', 'SMALLEST HARM SEEN (80%)', 'PREDICTED', 'NOTE'],
    preview.stages.flatMap(signalCells),
    look,
    ['PREDICTED', 'TOLERATE'],
  );
  const never = preview.stages.some(isSilent)
    ? 'not known: no traffic was seen lately'
    : 'never, with the traffic of today';
  const total = preview.totalMs === null ? paint.yellow(never) : paint.bold(showDuration(preview.totalMs));
  return [
    `${paint.bold(plain(preview.config))} r${preview.revision} by plan ${paint.bold(plain(preview.plan))}`,
    hang(`control  ${plain(controlLine(preview.control))}`, look.width, 9),
    hang(`traffic  ${plain(trafficLine(preview.traffic))}`, look.width, 9),
    '',
    stages,
    ...(signals === '' ? [] : ['', signals]),
    ...parityLines(preview, look),
    ...watchLines(preview, look),
    '',
    `total    ${total}`,
    ...preview.warnings.map((warning) => hang(`${paint.yellow('warning')}  ${plain(warning)}`, look.width, 9)),
  ].join('\n');
};
