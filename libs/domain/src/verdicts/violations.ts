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
export type ViolationsSeen = {
  readonly candidate: readonly ViolationGroup[];
  readonly elsewhere: readonly ViolationGroup[];
};

/** Whether a revision is on trial on a target: a rollout shows it, or has taken it back. */
export type OnTrial = (target: string, config: string, revision: number) => boolean;

type Subject = Pick<Rollout, 'config' | 'targets'>;
/** Violations, and which other changes were on trial on the same requests. */
type Case = { readonly violations: number; readonly suspects: readonly string[] };

/**
 * Only what control itself served tells that control violates the invariant too. A revision that was withdrawn, or that
 * another rollout shows, tells nothing of control. A request without a revision of the config ran none but control.
 */
const isOfControl = ({ config, targets }: Subject, { target, revisions }: ViolationGroup): boolean => {
  const served = revisions[config];
  return served === undefined || served === targets[target]?.control;
};

const caseOf = ({ config }: Subject, { target, revisions, violations }: ViolationGroup, onTrial: OnTrial): Case => ({
  violations,
  suspects: Object.entries(revisions)
    .filter(([other, revision]) => other !== config && onTrial(target, other, revision))
    .map(([other, revision]) => `revision ${revision} of ${other}`),
});

const sum = (cases: readonly Case[]): number => cases.reduce((all, { violations }) => all + violations, 0);

const namesOf = (cases: readonly Case[]): readonly string[] =>
  [...new Set(cases.flatMap(({ suspects }) => suspects))].toSorted();

/**
 * Divides what was seen of an invariant between the arms of a rollout. A violation on the candidate is explained where
 * control violates the invariant as well with no other changes on trial than were on that request: then the arm of this
 * rollout is no reason for it.
 */
export const violationsOfArms = (
  rollout: Subject,
  { candidate, elsewhere }: ViolationsSeen,
  onTrial: OnTrial,
): Violations => {
  const control = elsewhere
    .filter((group) => isOfControl(rollout, group))
    .map((group) => caseOf(rollout, group, onTrial));
  const onCandidate = candidate.map((group) => caseOf(rollout, group, onTrial));
  const isExplained = ({ suspects }: Case): boolean =>
    control.some((known) => known.suspects.every((suspect) => suspects.includes(suspect)));
  const explained = onCandidate.filter(isExplained);
  const held = onCandidate.filter((each) => !isExplained(each));
  return {
    candidate: sum(held),
    controlInLookback: sum(control.filter(({ suspects }) => suspects.length === 0)),
    explained: sum(explained),
    suspects: namesOf(held.length > 0 ? held : explained),
  };
};
