import { isServed, lastKnownGood, liveRevision } from '#libs/domain';
import type { LiveView } from './live-view.js';

/** More would hide the rest of what an apply says. */
const MOST = 5;

/**
 * What a new target will serve that is older than what is last known good elsewhere: it begins with the baseline of each
 * config, and nothing brings it up but a rollout.
 */
export const newTargetWarnings = (
  view: LiveView,
  name: string,
): readonly { readonly field: string; readonly message: string }[] => {
  const others = [...view.fleet.targets.values()].filter(({ target, retired }) => !retired && target !== name);
  const older = [...view.fleet.configs.values()].flatMap((config) => {
    const { kind, status, revisions, key } = config;
    if (!isServed(kind) || status !== 'registered' || revisions.length === 0) return [];
    const here = liveRevision(config, name);
    const newest = Math.max(0, ...others.map(({ target }) => lastKnownGood(config, target)));
    if (newest <= here) return [];
    const where = others.flatMap(({ target }) => (lastKnownGood(config, target) === newest ? [target] : []));
    return [
      `Target ${name} serves r${here} of ${key}, and r${newest} is last known good on ${where.slice(0, MOST).join(', ')}${where.length > MOST ? ` and ${where.length - MOST} more` : ''}: bring it up by a plan whose tracks name ${name} only (headgate start ${key} --revision ${newest} --plan NAME)`,
    ];
  });
  const rest = older.length - MOST;
  return [
    ...older.slice(0, MOST),
    ...(rest > 0 ? [`${rest} more configs are older on target ${name} than elsewhere (headgate at now)`] : []),
  ].map((message) => ({ field: '/metadata/name', message }));
};
