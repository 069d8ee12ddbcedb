import type { ChangeReport, ReplayReport, SignalCourse } from '#libs/domain';
import { showDuration } from '../format.js';
import { bar, drawing, element, escape, line, path, scale, text, ticks } from './svg.js';
import { showAfter, showAmount, showDay, showEnd, showRate, wasMissed } from './words.js';

const DAY_MS = 86_400_000;

/** The colour of how a change ended with Headgate. */
const kindOf = (report: ChangeReport): string => {
  if (report.stop) return 'ours';
  return wasMissed(report) ? 'missed' : 'fine';
};

const ROW = 62;
const LEFT = 196;
const WIDTH = 1080;
const TOP = 30;

const timelineRow = (report: ChangeReport, y: number, x: (at: number) => number, until: number): string => {
  const { really, startedAt, stop, endedAt } = report;
  const parts: string[] = [
    text(0, y + 22, report.change, 'name'),
    text(0, y + 40, report.isComparison ? `only ${report.plan}` : report.config, 'faint'),
  ];
  if (really.span) {
    const [from, to] = really.span;
    const note = `really: ${showDay(from)} to ${showDay(to)}, ${showAmount(really.affected)} bad requests`;
    parts.push(bar(x(from), y + 10, x(to) - x(from), 12, really.affected > 0 ? 'real' : 'calm', note));
    if (really.affected > 0)
      parts.push(text(x(from) + 7, y + 19.5, `${showAmount(really.affected)} bad requests`, 'onbar'));
  }
  if (report.outcome === 'imported') return parts.join('');
  const end = stop?.at ?? endedAt ?? until;
  const width = Math.max(7, x(end) - x(startedAt));
  const words = `${showEnd(report)} after ${showAfter(report)}`;
  const count = report.withHeadgate.affected > 0 ? `, ${showAmount(report.withHeadgate.affected)} bad` : '';
  parts.push(bar(x(startedAt), y + 30, width, 12, kindOf(report), words));
  const right = x(startedAt) + width + 8;
  const fits = right + (words.length + count.length) * 6.3 < WIDTH;
  parts.push(text(fits ? right : x(startedAt) - 8, y + 40, `${words}${count}`, 'label', fits ? 'start' : 'end'));
  return parts.join('');
};

/** The weeks: for each change what really happened, above what happened with Headgate. */
export const timelineChart = (report: ReplayReport): string => {
  const from = Math.min(report.from, ...report.changes.map(({ startedAt }) => startedAt));
  const x = scale(from, report.until, LEFT, WIDTH - 4);
  const height = TOP + report.changes.length * ROW + 8;
  const monday = (at: number): number => at - ((Math.floor(at / DAY_MS) + 3) % 7) * DAY_MS - (at % DAY_MS);
  const weeks: string[] = [];
  for (let at = monday(from) + 7 * DAY_MS; at < report.until; at += 7 * DAY_MS) {
    weeks.push(line(x(at), TOP - 8, x(at), height, 'grid'), text(x(at), TOP - 14, showDay(at), 'tick', 'middle'));
  }
  const rows = report.changes.map((change, index) => {
    const y = TOP + index * ROW;
    const rule = index === 0 ? '' : line(0, y, WIDTH, y, 'grid');
    return rule + timelineRow(change, y, x, report.until);
  });
  return drawing(
    WIDTH,
    height,
    'What really happened and what happened with Headgate, by day',
    weeks.join('') + rows.join(''),
  );
};

const FRAME = { width: 520, height: 200, left: 44, right: 12, top: 14, bottom: 30 };

const frameOf = (spanMs: number) => {
  const { width, height, left, right, top, bottom } = FRAME;
  const x = scale(0, spanMs, left, width - right);
  const marks = timeTicks(spanMs).map((at) =>
    text(x(at), height - 10, at === 0 ? 'start' : showDuration(at), 'tick', at === 0 ? 'start' : 'middle'),
  );
  return { x, marks: marks.join(''), bottom: height - bottom, top };
};

const MINUTE_MS = 60_000;
const STEPS_MS = [
  10_000,
  30_000,
  ...[1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1_440].map((minutes) => minutes * MINUTE_MS),
];

const timeTicks = (spanMs: number): readonly number[] => {
  const step = STEPS_MS.find((each) => spanMs / each <= 6) ?? Math.ceil(spanMs / 6 / DAY_MS) * DAY_MS;
  return Array.from({ length: Math.floor(spanMs / step) + 1 }, (_, index) => index * step).filter(
    (at) => at < spanMs * 0.95,
  );
};

/** When a change was over with Headgate: settled, or read back and drained. */
const spanOf = (report: ChangeReport): number =>
  Math.max(MINUTE_MS, (report.endedAt ?? report.stop?.at ?? report.startedAt) - report.startedAt);

/** Share of each platform on the candidate, from the start to the end. */
export const exposureChart = (report: ChangeReport): string => {
  const span = spanOf(report);
  const { x, marks, bottom, top } = frameOf(span);
  // What follows once it has settled is its real course, which no plan leads any more.
  const end = report.startedAt + span;
  const shown = report.exposure.filter(({ at }) => (report.stop ? at <= end : at < end));
  const highest = Math.max(0.01, ...shown.map(({ share }) => share)) * 1.15;
  const y = scale(0, Math.min(1.05, highest), bottom, top);
  const platforms = [...new Set(shown.map(({ platform }) => platform))];
  const lines = platforms.map((platform) => {
    const points = shown
      .filter((each) => each.platform === platform)
      .map(({ at, share }) => [x(at - report.startedAt), y(share)] as const);
    const last = points.at(-1);
    const all = [[x(0), y(0)] as const, ...points, ...(last ? [[x(span), last[1]] as const] : [])];
    return path(all, 'exposure', true);
  });
  const grid = ticks(0, Math.min(1, highest), 4).map(
    (share) =>
      line(FRAME.left, y(share), FRAME.width - FRAME.right, y(share), 'grid') +
      text(FRAME.left - 6, y(share) + 4, showRate(share), 'tick', 'end'),
  );
  const stop = report.stop ? stopMark(x(report.stop.afterMs), top, bottom) : '';
  const label = `Exposure on ${platforms.join(', ')} over time`;
  return drawing(FRAME.width, FRAME.height, label, grid.join('') + marks + lines.join('') + stop);
};

const stopMark = (x: number, top: number, bottom: number): string => {
  const right = x > FRAME.width - 120;
  return (
    line(x, top, x, bottom, 'stop') +
    text(right ? x - 5 : x + 5, top + 9, 'taken back', 'stoplabel', right ? 'end' : 'start')
  );
};

const LN10 = Math.log(10);

const courseLine = (
  course: SignalCourse,
  report: ChangeReport,
  x: (ms: number) => number,
  y: (log: number) => number,
): string => {
  const decides = report.stop?.signal === course.signal;
  const points = course.points.map(([at, logE]) => [x(at - report.startedAt), y(Math.max(-2, logE / LN10))] as const);
  const line = path([[x(0), y(0)], ...points], decides ? 'decides' : 'other');
  return element('g', {}, element('title', {}, escape(course.title)) + line);
};

/** The e-value of each rate on a logarithmic scale, with the bound that takes the change back. */
export const evidenceChart = (report: ChangeReport): string => {
  const courses = report.signals.filter(({ type, signal }) => type !== 'invariant' || signal === report.stop?.signal);
  const until = report.stop?.afterMs ?? spanOf(report);
  const { x, marks, bottom, top } = frameOf(until * 1.04);
  const deciding = courses.find(({ signal }) => signal === report.stop?.signal) ?? courses[0];
  const bound = (deciding?.logBound ?? 0) / LN10;
  const highest = Math.max(bound, ...courses.flatMap(({ points }) => points.map(([, logE]) => logE / LN10)));
  const y = scale(-2, highest * 1.15, bottom, top);
  const grid = ticks(-2, highest * 1.15, 5)
    .filter((log) => Number.isInteger(log))
    .map(
      (log) =>
        line(FRAME.left, y(log), FRAME.width - FRAME.right, y(log), 'grid') +
        text(FRAME.left - 6, y(log) + 4, log === 0 ? '1' : `10${superscript(log)}`, 'tick', 'end'),
    );
  const limit =
    line(FRAME.left, y(bound), FRAME.width - FRAME.right, y(bound), 'bound') +
    text(FRAME.left + 5, y(bound) - 5, 'bound', 'boundlabel');
  const lines = courses
    .toSorted((a, b) => Number(a.signal === report.stop?.signal) - Number(b.signal === report.stop?.signal))
    .map((course) => courseLine(course, report, x, y));
  return drawing(
    FRAME.width,
    FRAME.height,
    'Evidence of harm over time',
    grid.join('') + marks + limit + lines.join(''),
  );
};

const DIGITS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

const superscript = (value: number): string =>
  (value < 0 ? '⁻' : '') + [...String(Math.abs(value))].map((digit) => DIGITS[Number(digit)] ?? '').join('');

const BARS = { width: 520, label: 150, row: 46 };

/** Counts with Headgate and really, on a logarithmic scale. */
export const harmChart = (report: ChangeReport): string => {
  const { withHeadgate, really } = report;
  const rows = [
    ['on the candidate', withHeadgate.requests, really.requests],
    ['bad requests', withHeadgate.affected, really.affected],
    ['users hit', withHeadgate.affectedUnits, really.affectedUnits],
  ] as const;
  const most = Math.max(10, ...rows.flatMap(([, ours, real]) => [ours, real]));
  const width = scale(0, Math.log10(most + 1), 0, BARS.width - BARS.label - 100);
  const drawn = rows.map(([label, ours, real], index) => {
    const y = index * BARS.row + 4;
    const [a, b] = [width(Math.log10(ours + 1)), width(Math.log10(real + 1))];
    return [
      text(BARS.label - 10, y + 22, label, 'label', 'end'),
      bar(BARS.label, y, Math.max(2, a), 15, kindOf(report), `with Headgate: ${showAmount(ours)}`),
      text(BARS.label + Math.max(2, a) + 7, y + 12, showAmount(ours), 'value'),
      bar(BARS.label, y + 19, Math.max(2, b), 15, 'real', `really: ${showAmount(real)}`),
      text(BARS.label + Math.max(2, b) + 7, y + 31, showAmount(real), 'value'),
    ].join('');
  });
  return drawing(BARS.width, rows.length * BARS.row, 'Counts with Headgate and really', drawn.join(''));
};
