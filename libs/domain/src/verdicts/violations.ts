import type { Violations } from '../gate/index.js';
import type { Rollout } from '../rollout/index.js';

/** Violations of an invariant that were served under one combination of revisions on one target. */
export type ViolationGroup = {
  readonly target: string;
  /** Config → revision. */
  readonly revisions: Readonly<Record<string, number>>;
  readonly violations: number;
};

/** What was seen of an invariant: on the candidate in this rollout, and elsewhere on its targets in the look-back. */
export type ViolationsSeen = { readonly candidate: number; readonly elsewhere: readonly ViolationGroup[] };

type Subject = Pick<Rollout, 'config' | 'targets'>;

/**
 * Only what control itself served tells that control violates the invariant too. A revision that was withdrawn, or that
 * another rollout shows, tells nothing of control. A request without a revision of the config ran none but control.
 */
const isOfControl = ({ config, targets }: Subject, { target, revisions }: ViolationGroup): boolean => {
  const served = revisions[config];
  return served === undefined || served === targets[target]?.control;
};

/** Divides what was seen of an invariant between the arms of a rollout. */
export const violationsOfArms = (rollout: Subject, { candidate, elsewhere }: ViolationsSeen): Violations => ({
  candidate,
  controlInLookback: elsewhere
    .filter((group) => isOfControl(rollout, group))
    .reduce((sum, { violations }) => sum + violations, 0),
});
