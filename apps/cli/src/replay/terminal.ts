import type { ChangeReport, ProbeRow, ReplayReport } from '#libs/domain';
import { plain, showDuration } from '../format.js';
import { table, type Look } from '../look.js';
import {
  alongsideLines,
  ALONE_HARMLESS,
  isAloneHarmless,
  LIVE_ALREADY,
  outlookLines,
  showAfter,
  showAmount,
  showEnd,
  showMoment,
  showSpan,
  wasHarmful,
  wasMissed,
  whyMissed,
} from './words.js';

const nameOf = (report: ChangeReport): string =>
  report.isComparison ? `${report.change} (only ${report.plan})` : report.change;

const paintedEnd = (report: ChangeReport, { paint }: Look): string => {
  const end = showEnd(report);
  if (report.stop) return wasHarmful(report) ? paint.green(end) : paint.yellow(end);
  return wasMissed(report) ? paint.red(end) : end;
};

const row = (report: ChangeReport, look: Look): readonly string[] => {
  const { withHeadgate, really, occurred } = report;
  return [
    look.paint.bold(plain(nameOf(report))),
    `${showMoment(report.startedAt)}${occurred.precision === 'instant' ? '' : ` (${occurred.precision})`}`,
    paintedEnd(report, look),
    showAfter(report),
    `${showAmount(withHeadgate.affected)} of ${showAmount(withHeadgate.requests)}`,
    `${showAmount(really.affected)} of ${showAmount(really.requests)}`,
    showAmount(withHeadgate.affectedUnits),
    showAmount(really.affectedUnits),
  ];
};

const overview = (report: ReplayReport, look: Look): string =>
  table(
    ['CHANGE', 'STARTED (UTC)', 'ENDED', 'AFTER', 'BAD REQUESTS', 'REALLY', 'USERS HIT', 'REALLY'],
    report.changes.map((change) => row(change, look)),
    look,
  );

const detailsOf = (report: ChangeReport, all: ReplayReport, look: Look): readonly string[] => {
  const { dim } = look.paint;
  const line = (label: string, text: string): string => `  ${dim(label.padEnd(9))} ${plain(text)}`;
  const quiet = report.outcome === 'settled' && report.signals.length > 0;
  return [
    look.paint.bold(`${plain(nameOf(report))}: ${plain(report.title)}`),
    line('really', `${report.occurred.on}; ${report.published.map(({ text }) => text).join(' ')}`),
    ...report.occurred.conflicts.map((text) => line('conflict', text)),
    ...(report.refusal === null ? [] : [line('refused', report.refusal)]),
    ...(report.stop ? [line('evidence', `${report.stop.sentence} (${report.stop.method})`)] : []),
    ...(report.stop?.tookMs === undefined || report.stop.tookMs === null
      ? []
      : [line('back', `on every target after ${showDuration(report.stop.tookMs)}`)]),
    ...alongsideLines(report, all.changes).map((text) => line('beside', text)),
    ...(report.outcome === 'imported' ? [line('live', LIVE_ALREADY)] : []),
    ...(isAloneHarmless(report) ? [line('harmless', ALONE_HARMLESS)] : []),
    ...(wasMissed(report) ? [line('missed', whyMissed(report))] : []),
    ...outlookLines(report).map((text) => line('outlook', text)),
    ...(quiet ? report.signals.map(({ sentence }) => line('signal', sentence)) : []),
    ...probeTable(report.probes, look),
  ];
};

const probeTable = (probes: readonly ProbeRow[], look: Look): readonly string[] => {
  if (probes.length === 0) return [];
  const sizes = [...new Set(probes.map(({ batchSize }) => batchSize))];
  const models = [...new Set(probes.map(({ model }) => model))];
  const cell = (model: string, size: number): string => {
    const found = probes.filter((each) => each.model === model && each.batchSize === size);
    const sum = (count: (each: ProbeRow) => number): number => found.reduce((all, each) => all + count(each), 0);
    return `${sum(({ candidateOnly }) => candidateOnly)} : ${sum(({ controlOnly }) => controlOnly)}`;
  };
  const grid = table(
    ['MODEL', ...sizes.map((size) => `BATCH ${size}`)],
    models.map((model) => [plain(model), ...sizes.map((size) => cell(model, size))]),
    look,
  );
  return [
    `  ${look.paint.dim('probe')}     only the candidate differed : only control differed`,
    ...grid.split('\n').map((text) => `            ${text}`),
  ];
};

const originLines = ({ origins }: ReplayReport, look: Look): readonly string[] => {
  const assumed = origins.filter(({ assumption }) => assumption !== null);
  return [
    look.paint.bold(`Assumed (${assumed.length} of ${origins.length} parts of the script)`),
    ...assumed.map(({ of, assumption }) => `  ${plain(of)}: ${look.paint.dim(plain(assumption ?? ''))}`),
  ];
};

const checkLines = ({ checks }: ReplayReport, { paint }: Look): readonly string[] => {
  const missed = checks.filter(({ met }) => !met);
  if (checks.length === 0) return [];
  return [
    missed.length === 0
      ? paint.green(`all ${checks.length} expectations of the script are met`)
      : paint.red(`${missed.length} of ${checks.length} expectations of the script are not met`),
    ...missed.map(({ claim, found }) => `  ${paint.red('not met')} ${plain(claim)}: ${plain(found)}`),
  ];
};

/** The report of a replay for a terminal. */
export const renderReplay = (report: ReplayReport, look: Look): string => {
  const { paint } = look;
  return [
    paint.bold(plain(report.title)),
    `${showSpan(report.from, report.until)} in virtual time, seed ${report.seed}; ${showAmount(report.worked.requests)} requests beside open rollouts`,
    '',
    overview(report, look),
    paint.dim(
      'Really: published rates times assumed traffic. With Headgate: one run of chance; another seed gives other counts.',
    ),
    ...report.changes.flatMap((change) => ['', ...detailsOf(change, report, look)]),
    '',
    ...originLines(report, look),
    '',
    ...checkLines(report, look),
  ].join('\n');
};
