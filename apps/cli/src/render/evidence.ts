import type { EvidenceView } from '#libs/contracts';
import { plain, showAgo, showCount, showTime } from '../format.js';
import { paintStatus, table, type Look } from '../look.js';
import type { Recomputed, RecomputedParity } from '../recompute/index.js';
import { hang, solid } from '../wrap.js';
import { parityTable, verdictCells } from './rollouts.js';
import { leftoverWords } from './way-back.js';

type Signal = EvidenceView['signals'][number];
type Pool = Signal['pools'][number];

/** An e-value or a bound from its logarithm: `12`, `3,400`, `1e12`. */
export const showE = (log: number): string => {
  const value = Math.exp(log);
  if (value >= 1e6) return `1e${Math.floor(log / Math.LN10)}`;
  return value >= 100 ? showCount(Math.round(value)) : String(Number(value.toPrecision(2)));
};

const against = ({ logE, maxLogE, logBound }: Pick<Pool, 'logE' | 'maxLogE' | 'logBound'>): string =>
  `${showE(logE)} (highest ${showE(maxLogE)}) of ${showE(logBound)}`;

const showInterval = (interval: Signal['verdicts'][number]['interval']): string => {
  if (interval === null) return '-';
  const [low, high] = interval.map((side) => (side === null ? null : Number(side.toPrecision(2))));
  if (low === null && high === null) return 'not bounded yet';
  if (high === null) return `at least ${low}`;
  return low === null ? `at most ${high}` : `${low} to ${high}`;
};

const estimate = ({ ratio, interval }: Signal['verdicts'][number]): string =>
  `${ratio === null ? '-' : Number(ratio.toPrecision(2))}  [${showInterval(interval)}]`;

const isOfValues = ({ type }: Pick<Signal, 'type'>): boolean => type === 'mean' || type === 'distribution';

const countsOf = (signal: Signal, { slices }: Pool): string => {
  const sum = (of: (slice: Pool['slices'][number]) => number): string =>
    showCount(slices.reduce((all, slice) => all + of(slice), 0));
  if (isOfValues(signal))
    return `${sum((slice) => slice.candidateRequests)} / ${sum((slice) => slice.controlRequests)} values`;
  return (
    `${sum((slice) => slice.candidateBad)} of ${sum((slice) => slice.candidateRequests)} / ` +
    `${sum((slice) => slice.controlBad)} of ${sum((slice) => slice.controlRequests)}`
  );
};

const summaryRow = (signal: Signal, pool: Pool, look: Look): readonly string[] => {
  const own = signal.verdicts.filter(({ track }) => pool.track === null || track === pool.track);
  const worst = own.find(({ verdict }) => verdict === 'fail') ?? own[0];
  return [
    plain(signal.signal) + (signal.shadow ? look.paint.dim(' (shadow)') : ''),
    plain(pool.track ?? 'all'),
    worst ? paintStatus(worst.verdict, look.paint) : '-',
    countsOf(signal, pool),
    worst ? estimate(worst) : '-',
    against(pool),
  ];
};

const inPercent = (difference: number): string => `${Number((difference * 100).toFixed(2))}%`;

const BARS = '▁▂▃▄▅▆▇█';

/** The course as one line of bars: its height is the part of the bound, on the scale of logarithms. */
const sparkline = ({ course, logBound }: Pool, width: number): string => {
  const size = Math.max(1, Math.ceil(course.length / Math.max(10, width)));
  const tops = Array.from({ length: Math.ceil(course.length / size) }, (_, n) =>
    Math.max(...course.slice(n * size, (n + 1) * size).map(({ logE }) => logE)),
  );
  return tops
    .map((top) => BARS[Math.min(BARS.length - 1, Math.max(0, Math.floor((top / logBound) * (BARS.length - 1))))])
    .join('');
};

const part = (title: string, body: string, look: Look): readonly string[] =>
  body === '' ? [] : ['', look.paint.bold(title), body];

const armCell = (signal: Signal, bad: number, measured: number): string =>
  isOfValues(signal) ? `${showCount(measured)} values` : `${showCount(bad)} of ${showCount(measured)}`;

const sliceTable = (signal: Signal, { slices }: Pool, look: Look): string =>
  table(
    ['SLICE', 'CANDIDATE', 'CONTROL', 'E-VALUE', 'ALONE'],
    slices
      .toSorted((a, b) => b.maxLogE - a.maxLogE)
      .slice(0, 20)
      .map((slice) => [
        plain(`${slice.target} × ${slice.model}`),
        armCell(signal, slice.candidateBad, slice.candidateRequests),
        armCell(signal, slice.controlBad, slice.controlRequests),
        against(slice),
        slice.proved ? look.paint.red('proves it') : '-',
      ]),
    look,
    ['ALONE'],
  );

const poolLines = (signal: Signal, pool: Pool, look: Look): readonly string[] => {
  const reached =
    pool.reachedAt === null
      ? 'the bound was not reached'
      : look.paint.red(`reached the bound at ${showTime(pool.reachedAt, look.zone)}`);
  const first = pool.course[0];
  const last = pool.course.at(-1);
  const course =
    first === undefined || last === undefined
      ? 'nothing that counts on either arm yet'
      : `${sparkline(pool, look.width - 2)}\nfrom ${showTime(first.at, look.zone)} to ${showTime(last.at, look.zone)}; full height is the bound`;
  const windows = table(
    ['FROM', 'UNTIL', 'CANDIDATE', 'CONTROL'],
    pool.windows.map(({ from, until, candidate, control }) => [
      solid(showTime(from, look.zone)),
      solid(showTime(until, look.zone)),
      showCount(candidate),
      showCount(control),
    ]),
    look,
  );
  return [
    ...part(
      pool.track === null ? 'E-value' : `E-value of track ${plain(pool.track)}`,
      `${against(pool)}; ${reached}\n${course}`,
      look,
    ),
    ...part('Slices', sliceTable(signal, pool, look), look),
    ...part(isOfValues(signal) ? 'Values over time' : 'Bad outcomes over time', windows, look),
  ];
};

const harmWords = ({ type, harm, worse }: Signal): string => {
  if (type === 'invariant') return 'violated at all';
  if (harm === 1) return worse === 'lower' ? 'below control' : 'above control';
  return worse === 'lower' ? `below 1/${harm} of control` : `above ${harm} times control`;
};

const marginWords = (worse: Signal['worse'], tolerate: number): string =>
  worse === 'lower' ? `above 1/${tolerate} of control` : `below ${tolerate} times control`;

const marginTable = ({ margins, worse }: Signal, look: Look): string =>
  table(
    ['STAGE', 'GOES ON WHEN'],
    margins.map(({ track, stage, tolerate }) => [
      plain(track === '*' ? stage : `${track}/${stage}`),
      tolerate === null ? 'not shown harmful' : `shown to be ${marginWords(worse, tolerate)}`,
    ]),
    look,
  );

const freshnessTable = ({ freshness }: Signal, look: Look): string =>
  table(
    ['TARGET', 'MEASURED UNTIL'],
    freshness.map(({ target, measuredUntil }) => [
      plain(target),
      measuredUntil === null
        ? look.paint.yellow('never')
        : `${showTime(measuredUntil, look.zone)} (${showAgo(measuredUntil, look.now)})`,
    ]),
    look,
  );

const signalLines = (signal: Signal, look: Look): readonly string[] => {
  const verdicts = table(
    ['VERDICT', 'SIGNAL', 'STAGE', 'EVIDENCE'],
    signal.verdicts.map((verdict) => verdictCells(verdict, look)),
    look,
  );
  const estimates = table(
    ['STAGE', 'RATIO TO CONTROL [95% AT ANY TIME]', 'METHOD'],
    signal.verdicts.map((verdict) => [
      plain([verdict.track, verdict.stage].filter((each) => each !== null).join('/')),
      estimate(verdict),
      plain(verdict.method),
    ]),
    look,
  );
  return [
    `${look.paint.bold(plain(signal.title))} (${plain(signal.signal)}, ${plain(signal.type)}${signal.shadow ? ', shadow: decides nothing' : ''})`,
    `counts as harm when shown to be ${harmWords(signal)}`,
    `source   ${plain(signal.source)}`,
    ...part('Verdicts', verdicts, look),
    ...part('Estimates', estimates, look),
    ...signal.pools.flatMap((pool) => poolLines(signal, pool, look)),
    ...part('Margins', marginTable(signal, look), look),
    ...part('Freshness', freshnessTable(signal, look), look),
  ];
};

/** What tracks wait for of others, and what was compared for it. */
const parityLines = ({ parity }: EvidenceView, look: Look): readonly string[] => {
  const rows = parity.flatMap(({ track, signal, comparisons }) =>
    comparisons.map(({ left, right, pairs, leftOnly, rightOnly, lastAt }) => [
      plain(track),
      plain(signal),
      plain(`${left} × ${right}`),
      showCount(pairs),
      `${showCount(leftOnly)} / ${showCount(rightOnly)}`,
      `${showTime(lastAt, look.zone)} (${showAgo(lastAt, look.now)})`,
    ]),
  );
  const compared = table(['TRACK', 'SIGNAL', 'TARGETS', 'PAIRS', 'BAD ON ONE ONLY', 'LAST'], rows, look, ['LAST']);
  const estimates = table(
    ['TRACK', 'SIGNAL', 'DIFFERENCE [95% AT EACH END]', 'FOR PARITY', 'AGAINST IT', 'METHOD'],
    parity.map((each) => [
      plain(each.track),
      plain(each.signal),
      `${each.difference === null ? '-' : inPercent(each.difference)}  [${each.interval.map(inPercent).join(' to ')}]`,
      `${showE(each.logE)} of ${showE(each.logBound)}`,
      `${showE(each.logAgainst)} of ${showE(each.logAgainstBound)}`,
      plain(each.method),
    ]),
    look,
    ['METHOD'],
  );
  if (parity.length === 0) return [];
  return [
    ...part('Parity', parityTable(parity, look), look),
    ...part('Estimates of parity', estimates, look),
    ...part('Compared', rows.length === 0 ? 'nothing so far' : compared, look),
  ];
};

const headLine = (view: EvidenceView, look: Look): string =>
  hang(
    `${look.paint.bold(`${plain(view.config)} r${view.revision}`)}, rollout ${view.rollout}: ${showCount(view.looks)} looks with evidence, digest ${view.digest.slice(0, 16) || 'none'}${view.compactedAt === null ? '' : `; kept by the hour since ${showTime(view.compactedAt, look.zone)}`}`,
    look.width,
    2,
  );

const leftoverLines = ({ leftovers }: EvidenceView, look: Look): readonly string[] =>
  leftovers.length === 0
    ? []
    : [
        '',
        table(
          ['TARGET', 'SEEN ON THE REVISION SINCE IT WAS ASKED BACK'],
          leftovers.map(({ target, ...leftover }) => [plain(target), leftoverWords(leftover, look)]),
          look,
        ),
      ];

/** All signals in a line each, or one of them in full. */
export const renderEvidence = (view: EvidenceView, isFull: boolean, look: Look): string => {
  if (isFull)
    return [
      headLine(view, look),
      ...view.signals.flatMap((signal) => ['', ...signalLines(signal, look)]),
      ...parityLines(view, look),
      ...leftoverLines(view, look),
    ].join('\n');
  const rows = view.signals.flatMap((signal) => signal.pools.map((pool) => summaryRow(signal, pool, look)));
  const summary = table(
    ['SIGNAL', 'TRACK', 'VERDICT', 'CANDIDATE / CONTROL', 'RATIO [95%]', 'E-VALUE AND BOUND'],
    rows,
    look,
    ['TRACK', 'RATIO [95%]'],
  );
  return [headLine(view, look), '', summary, ...parityLines(view, look), ...leftoverLines(view, look)].join('\n');
};

const sameWords = (compacted: Recomputed['compacted']): string =>
  compacted === null ? 'the same' : `the same ${compacted.compared.join(', ')}`;

type Again = Pick<Recomputed, 'differs' | 'skipped'> & { readonly compacted?: Recomputed['compacted'] };

const againCell = ({ differs, skipped, compacted = null }: Again, look: Look): string =>
  differs.length > 0 ? look.paint.red(plain(differs.join('; '))) : (skipped ?? look.paint.green(sameWords(compacted)));

const recomputedParities = (all: readonly RecomputedParity[], look: Look): readonly string[] =>
  all.length === 0
    ? []
    : [
        '',
        table(
          ['POSITION', 'SIGNAL', 'PARITY OF', 'VERDICT', 'COMPUTED AGAIN'],
          all.map(({ position, parity, ...again }) => [
            `#${position}`,
            plain(parity.signal),
            plain(parity.between.join(' and ')),
            paintStatus(parity.verdict, look.paint),
            againCell(again, look),
          ]),
          look,
        ),
      ];

/** Each recorded verdict and judgement of parity, and whether it comes out the same. */
export const renderRecomputed = (
  all: readonly Recomputed[],
  parities: readonly RecomputedParity[],
  look: Look,
): string =>
  [
    table(
      ['POSITION', 'LOOK', 'SIGNAL', 'STAGE', 'VERDICT', 'COMPUTED AGAIN'],
      all.map(({ position, verdict, differs, skipped, compacted }) => [
        `#${position}`,
        String(verdict.look),
        plain(verdict.signal),
        plain([verdict.track, verdict.stage].filter((each) => each !== null).join('/') || '-'),
        paintStatus(verdict.verdict, look.paint),
        againCell({ differs, skipped, compacted }, look),
      ]),
      look,
    ),
    ...recomputedParities(parities, look),
  ].join('\n');
