import type { Rejection } from '#libs/kernel';
import { liveRevision, type RegisteredConfig } from './config.js';

export type Undo = {
  /** The settled revision to take back; default: the newest that is live. */
  readonly revision?: number | undefined;
  /** What to go back to; default: what was live before it. */
  readonly to?: number | undefined;
};

export type UndoPlan = { readonly revision: number; readonly to: number; readonly targets: readonly string[] };

const refuse = (code: string, message: string, field: string): { readonly rejection: Rejection } => ({
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

const isLater = (settled: readonly number[], revision: number): boolean =>
  settled.lastIndexOf(revision) < settled.length - 1;

const before = (settled: readonly number[], revision: number): number =>
  settled[settled.lastIndexOf(revision) - 1] ?? 1;

/**
 * What taking back a revision that is live or was means: on which targets, and to what. Where that is not plain (later revisions
 * settled since, or targets would go back to different ones) the rejection lists what there is and asks which is meant.
 */
export const planUndo = (config: RegisteredConfig, wanted: Undo): UndoPlan | { readonly rejection: Rejection } => {
  const known = new Set([...Object.keys(config.settled), ...Object.keys(config.live)]);
  const settled = [...known]
    .map((target) => [target, historyOf(config, target)] as const)
    .filter(([, history]) => history.length > 1);
  const newest = new Set(settled.map(([target]) => liveRevision(config, target)));
  if (settled.length === 0) {
    return refuse(
      'nothing-to-undo',
      `No revision of ${config.key} has settled anywhere, so there is nothing to take back.`,
      '/revision',
    );
  }
  if (wanted.to !== undefined && !config.revisions.some(({ revision }) => revision === wanted.to)) {
    const message = `Config ${config.key} has no revision ${wanted.to} to go back to; its newest is ${config.revisions.length}.`;
    return refuse('revision-not-found', message, '/to');
  }
  if (wanted.revision === undefined && newest.size > 1) {
    return refuse(
      'undo-ambiguous',
      `Targets of ${config.key} run different revisions (${list(newest)}): say which one to take back (revision).`,
      '/revision',
    );
  }
  const revision = wanted.revision ?? [...newest][0] ?? 1;
  const affected = settled.filter(([, history]) => history.slice(1).includes(revision));
  if (affected.length === 0) {
    return refuse(
      'revision-not-settled',
      `Revision ${revision} of ${config.key} has settled nowhere; settled are ${list(settled.flatMap(([, history]) => history.slice(1)))}.`,
      '/revision',
    );
  }
  const later = affected.flatMap(([, history]) =>
    isLater(history, revision) ? history.slice(history.lastIndexOf(revision) + 1) : [],
  );
  if (later.length > 0 && wanted.to === undefined) {
    const message = `After r${revision} of ${config.key} settled ${list(later)}: to take them back as well, say which revision to go back to (to); to take back only the last, name it (revision).`;
    return refuse('later-revisions-settled', message, '/to');
  }
  const goals = new Set(affected.map(([, history]) => wanted.to ?? before(history, revision)));
  if (goals.size > 1) {
    return refuse(
      'undo-ambiguous',
      `Targets of ${config.key} had different revisions before r${revision} (${list(goals)}): say which one to go back to (to).`,
      '/to',
    );
  }
  const to = [...goals][0] ?? 1;
  const targets = affected.map(([target]) => target).filter((target) => liveRevision(config, target) !== to);
  return targets.length > 0
    ? { revision, to, targets }
    : refuse(
        'revision-already-live',
        `Revision ${to} of ${config.key} is live already wherever r${revision} had settled.`,
        '/to',
      );
};
