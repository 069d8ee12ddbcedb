import type { Rejection } from '#libs/kernel';
import { liveRevision, type RegisteredConfig } from './config.js';

export type Undo = {
  /** The revision to take back; default: the one that is live. */
  readonly revision?: number | undefined;
  /** What to go back to; default: what was live before it. */
  readonly to?: number | undefined;
};

export type UndoPlan = { readonly revision: number; readonly to: number; readonly targets: readonly string[] };

type Refused = { readonly rejection: Rejection };
type Histories = readonly (readonly [target: string, history: readonly number[]])[];

const refuse = (code: string, message: string, field: string): Refused => ({
  rejection: { code, message, field },
});

const list = (numbers: Iterable<number>): string =>
  [...new Set(numbers)]
    .toSorted((a, b) => a - b)
    .map((n) => `r${n}`)
    .join(', ');

/**
 * The revisions that were meant to stay on a target, oldest first: those that settled, and one that is live although it
 * never did, because the rollout that took over from its watch was rolled back.
 */
const historyOf = (config: RegisteredConfig, target: string): readonly number[] => {
  const settled = config.settled[target] ?? [1];
  const live = liveRevision(config, target);
  return settled.at(-1) === live ? settled : [...settled, live];
};

const before = (settled: readonly number[], revision: number): number =>
  settled[settled.lastIndexOf(revision) - 1] ?? 1;

const stillRun = (key: string, running: readonly string[]): string => {
  const settled = 'To take back what settled before as well, name that revision (revision).';
  return running.length === 1
    ? `Rollout ${running[0]} of ${key} still runs: headgate abort ${key} takes back what it brings. ${settled}`
    : `Rollouts ${running.join(' and ')} of ${key} still run: each of them is taken back with headgate abort and its id. ${settled}`;
};

/** The histories in which the revision to take back occurs. */
const chooseRevision = (
  { key, claims }: RegisteredConfig,
  histories: Histories,
  wanted: Undo,
): { readonly revision: number; readonly affected: Histories } | Refused => {
  const running = [...new Set(Object.values(claims))];
  if (running.length > 0 && wanted.revision === undefined && histories.length > 0)
    return refuse('undo-ambiguous', stillRun(key, running), '/revision');
  if (histories.length === 0) {
    const message = `No revision of ${key} has settled anywhere, so there is nothing to take back. A rollout that still runs is taken back with: headgate abort ${key} --reason "…"`;
    return refuse('nothing-to-undo', message, '/revision');
  }
  const live = new Set(histories.map(([, history]) => history.at(-1) ?? 1));
  if (wanted.revision === undefined && live.size > 1) {
    const message = `Targets of ${key} run different revisions (${list(live)}): say which one to take back (revision).`;
    return refuse('undo-ambiguous', message, '/revision');
  }
  const revision = wanted.revision ?? [...live][0] ?? 1;
  const affected = histories.filter(([, history]) => history.slice(1).includes(revision));
  if (affected.length > 0) return { revision, affected };
  const settled = list(histories.flatMap(([, history]) => history.slice(1)));
  const message = `Revision ${revision} of ${key} has settled nowhere; settled are ${settled}.`;
  return refuse('revision-not-settled', message, '/revision');
};

const chooseGoal = (
  { key, revisions }: RegisteredConfig,
  affected: Histories,
  revision: number,
  to: number | undefined,
): number | Refused => {
  if (to !== undefined) {
    if (revisions.some((known) => known.revision === to)) return to;
    const message = `Config ${key} has no revision ${to} to go back to; its newest is ${revisions.length}.`;
    return refuse('revision-not-found', message, '/to');
  }
  const later = affected.flatMap(([, history]) => history.slice(history.lastIndexOf(revision) + 1));
  if (later.length > 0) {
    const message = `After r${revision} of ${key} settled ${list(later)}: to take them back as well, say which revision to go back to (to); to take back only the last, name it (revision).`;
    return refuse('later-revisions-settled', message, '/to');
  }
  const goals = new Set(affected.map(([, history]) => before(history, revision)));
  if (goals.size > 1) {
    const message = `Targets of ${key} had different revisions before r${revision} (${list(goals)}): say which one to go back to (to).`;
    return refuse('undo-ambiguous', message, '/to');
  }
  return [...goals][0] ?? 1;
};

/**
 * What taking a revision back means: on which targets, and to what. Where that is not plain (later revisions settled
 * since, or targets would go back to different ones) the rejection lists what there is and asks which is meant.
 */
export const planUndo = (config: RegisteredConfig, wanted: Undo): UndoPlan | Refused => {
  const known = new Set([...Object.keys(config.settled), ...Object.keys(config.live)]);
  const histories = [...known]
    .map((target) => [target, historyOf(config, target)] as const)
    .filter(([, history]) => history.length > 1);
  const chosen = chooseRevision(config, histories, wanted);
  if ('rejection' in chosen) return chosen;
  const { revision, affected } = chosen;
  const to = chooseGoal(config, affected, revision, wanted.to);
  if (typeof to !== 'number') return to;
  const targets = affected.map(([target]) => target).filter((target) => liveRevision(config, target) !== to);
  if (targets.length > 0) return { revision, to, targets };
  const message = `Revision ${to} of ${config.key} is live already wherever r${revision} had settled.`;
  return refuse('revision-already-live', message, '/to');
};
