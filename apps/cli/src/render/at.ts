import { showShare } from '#libs/contracts';
import type { AtView, ConfigAt, Difference, MadeBy } from '#libs/contracts';
import { plain, showTime } from '../format.js';
import { table } from '../look.js';
import type { Look } from '../look.js';
import { solid } from '../wrap.js';
import { renderChange } from './changes.js';

/** `r2`, or `r3 for 5%, r2 for the rest`. */
export const showLive = (config: ConfigAt | null): string => {
  if (config === null) return 'nothing';
  if (config.candidate === null || config.shareBp === 0) return `r${config.control}`;
  if (config.shareBp >= 10_000) return `r${config.candidate}`;
  return `r${config.candidate} for ${showShare(config.shareBp)}, r${config.control} for the rest`;
};

type TargetAt = AtView['targets'][number];

/** `#42, 3 instances`, `#42 at 14:03:12 (later)`, or that it is not known. */
const showSight = (sight: TargetAt['delivered'], asked: number, look: Look): string => {
  if (sight === undefined || sight === null) return '-';
  const newer = sight.generation === asked ? '' : ` (#${sight.generation})`;
  return `${solid(showTime(sight.at, look.zone))}${newer}${sight.later ? ' (later)' : ''}`;
};

const showDrain = ({ drain }: ConfigAt): string =>
  drain === undefined || drain === null ? '' : `; taken back: ${plain(drain.state)}${drain.later ? ' (later)' : ''}`;

const configRow = (target: TargetAt, config: ConfigAt, index: number, look: Look): readonly string[] => [
  index === 0 ? plain(target.target) : '',
  index === 0 ? plain(target.platform) : '',
  index === 0 ? String(target.generation) : '',
  index === 0 ? showSight(target.delivered, target.generation, look) : '',
  index === 0 ? showSight(target.acknowledged, target.generation, look) : '',
  plain(config.config),
  showLive(config) + showDrain(config),
  config.rollout ?? '-',
];

const instanceBlocks = (view: AtView, look: Look): readonly string[] => {
  const rows = view.targets.flatMap(({ target, generation: asked, instances = [] }) =>
    instances.map(({ instance, generation, since, heardAt }) => [
      plain(target),
      plain(instance),
      `#${generation}${generation < asked ? ' (older than asked)' : ''}`,
      solid(showTime(since, look.zone)),
      solid(showTime(heardAt, look.zone)),
    ]),
  );
  if (view.targets.every(({ instances }) => instances === undefined)) return [];
  return [
    '',
    rows.length === 0
      ? 'no instance had said what it evaluates with'
      : table(['TARGET', 'INSTANCE', 'EVALUATED', 'SINCE', 'HEARD'], rows, look, ['HEARD']),
  ];
};

const valueBlocks = (view: AtView, look: Look): readonly string[] => {
  const values = new Map<string, unknown>();
  for (const config of view.targets.flatMap((target) => target.configs)) {
    values.set(`${config.config} r${config.control}`, config.value);
    if (config.candidate !== null) values.set(`${config.config} r${config.candidate}`, config.candidateValue);
  }
  return [...values]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, value]) => ['', look.paint.bold(plain(name)), JSON.stringify(value, null, 2)]);
};

const HEADS = ['TARGET', 'PLATFORM', 'GENERATION', 'DELIVERED', 'ACKNOWLEDGED', 'CONFIG', 'LIVE', 'ROLLOUT'];

const knownWords = ({ knownAt }: AtView, look: Look): string =>
  knownAt === undefined || knownAt === null ? '' : `, as known at ${showTime(knownAt, look.zone)}`;

/** What was imported may be known to the hour or the day only. */
const impreciseLines = (view: AtView, look: Look): readonly string[] => {
  const lines = view.targets.flatMap(({ target, configs }) =>
    configs.flatMap(({ config, since }) =>
      since === undefined || since.precision === 'instant'
        ? []
        : [
            `${plain(config)} on ${plain(target)} since ${showTime(since.at, look.zone)}, known to the ${since.precision}`,
          ],
    ),
  );
  return lines.length === 0 ? [] : ['', ...lines.map((line) => look.paint.dim(line))];
};

/** What was asked of each target at a moment; with `values` also each revision's document, once. */
export const renderAt = (view: AtView, values: boolean, look: Look): string => {
  const rows = view.targets.flatMap((target) =>
    target.configs.length === 0
      ? [[plain(target.target), plain(target.platform), String(target.generation), '-', '-', '-', '-', '-']]
      : target.configs.map((config, index) => configRow(target, config, index, look)),
  );
  return [
    `${look.paint.bold(view.at === null ? 'before the first event' : `as of ${showTime(view.at, look.zone)}`)} (position #${view.position})${knownWords(view, look)}`,
    '',
    table(HEADS, rows, look, ['GENERATION', 'PLATFORM', 'DELIVERED', 'ACKNOWLEDGED']) || 'no targets',
    ...impreciseLines(view, look),
    ...instanceBlocks(view, look),
    ...(values ? valueBlocks(view, look) : []),
  ].join('\n');
};

const madeWords = ({ at, precision, position, type, actor, reason }: MadeBy, look: Look): string => {
  const since = `since ${showTime(at, look.zone)}${precision === 'instant' ? '' : ` (to the ${precision})`}`;
  return `${since} by ${plain(actor)}: ${type} #${position}${reason === null ? '' : ` (${plain(reason)})`}`;
};

const renderDifference = (difference: Difference, look: Look): string => {
  const { paint } = look;
  const sides = `${paint.red(showLive(difference.before))} → ${paint.green(showLive(difference.after))}`;
  const rollouts = [...new Set([difference.before?.rollout, difference.after?.rollout])].filter(
    (id) => id !== null && id !== undefined,
  );
  const made = [difference.madeBy.before, difference.madeBy.after].flatMap((by) => (by === null ? [] : [by]));
  // Between two moments, the later one is what brought the difference; between two places, each has its own.
  const shown = difference.where.includes(' → ') ? made : made.slice(-1);
  return [
    `${paint.bold(`${plain(difference.where)}  ${plain(difference.config)}`)}  ${sides}`,
    ...(rollouts.length === 0 ? [] : [paint.dim(`  rollout ${rollouts.join(', ')}`)]),
    ...shown.map((by) => paint.dim(`  ${madeWords(by, look)}`)),
    ...difference.changes.map((change) => `  ${renderChange(change, look)}`),
  ].join('\n');
};

/** The differences, or a line that says that there are none. */
export const renderDifferences = (differences: readonly Difference[], look: Look): string =>
  differences.length === 0
    ? 'no difference'
    : differences.map((difference) => renderDifference(difference, look)).join('\n');
