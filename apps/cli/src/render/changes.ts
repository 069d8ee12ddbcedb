import type { ApplyResult, ValueChange } from '#libs/contracts';
import { plain, plural, showValue } from '../format.js';
import { paintStatus } from '../look.js';
import type { Look } from '../look.js';

const LONGEST_VALUE = 400;

/** `+ path: new`, `- path: old`, `~ path: old → new`. */
export const renderChange = (change: ValueChange, { paint }: Look): string => {
  const path = plain(change.path || '/');
  const before = plain(showValue(change.before, LONGEST_VALUE));
  const after = plain(showValue(change.after, LONGEST_VALUE));
  if (change.before === undefined) return paint.green(`+ ${path}: ${after}`);
  if (change.after === undefined) return paint.red(`- ${path}: ${before}`);
  return `${paint.yellow(`~ ${path}:`)} ${paint.red(before)} → ${paint.green(after)}`;
};

type Result = ApplyResult['results'][number];

/** `config/router.context`. */
export const manifestName = (result: Pick<Result, 'kind' | 'name'>): string =>
  `${result.kind.toLowerCase()}/${result.name}`;

const WOULD: Readonly<Record<Result['action'], string>> = {
  created: 'would be created',
  revised: 'would be revised',
  updated: 'would be updated',
  unchanged: 'unchanged',
};

/** Whoever applies an older folder brings older values back as the newest revision, and should see it. */
const againPhrase = ({ revision = 0, sameAs }: Result): string => {
  if (sameAs === undefined) return '';
  const between = Array.from({ length: revision - sameAs - 1 }, (_, index) => `r${sameAs + 1 + index}`);
  const newer =
    between.length > 2
      ? `${between[0]} to ${between.at(-1)} were`
      : `${between.join(' and ')} ${between.length === 1 ? 'was' : 'were'}`;
  return ` (the same value as r${sameAs}; ${newer} newer)`;
};

const renderResult = (result: Result, dryRun: boolean, look: Look): string => {
  const { paint } = look;
  const action = dryRun ? WOULD[result.action] : result.action;
  const shown =
    result.action === 'unchanged'
      ? paint.dim(action)
      : paintStatus(result.action, paint).replace(result.action, action);
  const revision = result.revision === undefined ? '' : `  r${result.revision}${againPhrase(result)}`;
  // The first revision of a signal or a plan runs nowhere: it says how the next rollouts are judged.
  const baseline = result.baseline && result.kind === 'Config' ? paint.dim('  baseline: what runs today') : '';
  const head = `${paint.bold(plain(manifestName(result)))}  ${shown}${revision}${baseline}`;
  const warnings = (result.warnings ?? []).map(
    ({ pointer, detail }) => `  ${paint.yellow('warning')} ${plain(pointer)}: ${plain(detail)}`,
  );
  return [head, ...result.changes.map((change) => `  ${renderChange(change, look)}`), ...warnings].join('\n');
};

/** One block per manifest: what happened to it and its differences. */
export const renderApply = (applied: ApplyResult, look: Look): string =>
  applied.results.map((result) => renderResult(result, applied.dryRun, look)).join('\n');

/** `3 manifests: 1 created, 2 unchanged`. */
export const summariseApply = (applied: ApplyResult): string => {
  const counts = new Map<string, number>();
  for (const { action } of applied.results) counts.set(action, (counts.get(action) ?? 0) + 1);
  const parts = [...counts].map(([action, count]) => `${count} ${action}`).join(', ');
  const warnings = applied.results.reduce((sum, result) => sum + (result.warnings?.length ?? 0), 0);
  const warned = warnings === 0 ? '' : `; ${plural(warnings, 'warning')}, see above`;
  const written = applied.dryRun ? ' (dry run, nothing was written)' : '';
  return `${plural(applied.results.length, 'manifest')}: ${parts}${written}${warned}`;
};
