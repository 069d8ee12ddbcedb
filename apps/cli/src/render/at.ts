import { showShare } from '#libs/contracts';
import type { AtView, ConfigAt, Difference } from '#libs/contracts';
import { plain, showTime } from '../format.js';
import { table } from '../look.js';
import type { Look } from '../look.js';
import { renderChange } from './changes.js';

/** `r2`, or `r3 for 5%, r2 for the rest`. */
export const showLive = (config: ConfigAt | null): string => {
  if (config === null) return 'nothing';
  if (config.candidate === null || config.shareBp === 0) return `r${config.control}`;
  if (config.shareBp >= 10_000) return `r${config.candidate}`;
  return `r${config.candidate} for ${showShare(config.shareBp)}, r${config.control} for the rest`;
};

const configRow = (target: AtView['targets'][number], config: ConfigAt, index: number): readonly string[] => [
  index === 0 ? plain(target.target) : '',
  index === 0 ? plain(target.platform) : '',
  index === 0 ? String(target.generation) : '',
  plain(config.config),
  showLive(config),
  config.rollout ?? '-',
];

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

/** What was asked of each target at a moment; with `values` also each revision's document, once. */
export const renderAt = (view: AtView, values: boolean, look: Look): string => {
  const rows = view.targets.flatMap((target) =>
    target.configs.length === 0
      ? [[plain(target.target), plain(target.platform), String(target.generation), '-', '-', '-']]
      : target.configs.map((config, index) => configRow(target, config, index)),
  );
  return [
    `${look.paint.bold(view.at === null ? 'before the first event' : `as of ${showTime(view.at, look.zone)}`)} (position #${view.position})`,
    '',
    table(['TARGET', 'PLATFORM', 'GENERATION', 'CONFIG', 'LIVE', 'ROLLOUT'], rows, look, ['GENERATION', 'PLATFORM']) ||
      'no targets',
    ...(values ? valueBlocks(view, look) : []),
  ].join('\n');
};

const renderDifference = (difference: Difference, look: Look): string => {
  const { paint } = look;
  const sides = `${paint.red(showLive(difference.before))} → ${paint.green(showLive(difference.after))}`;
  const rollouts = [...new Set([difference.before?.rollout, difference.after?.rollout])].filter(
    (id) => id !== null && id !== undefined,
  );
  return [
    `${paint.bold(`${plain(difference.where)}  ${plain(difference.config)}`)}  ${sides}`,
    ...(rollouts.length === 0 ? [] : [paint.dim(`  rollout ${rollouts.join(', ')}`)]),
    ...difference.changes.map((change) => `  ${renderChange(change, look)}`),
  ].join('\n');
};

/** The differences, or a line that says that there are none. */
export const renderDifferences = (differences: readonly Difference[], look: Look): string =>
  differences.length === 0
    ? 'no difference'
    : differences.map((difference) => renderDifference(difference, look)).join('\n');
