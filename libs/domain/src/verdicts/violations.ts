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

/** A revision on trial on a target: a rollout shows it, or has taken it back. */
export type Trial = {
  /** Share on it now, in basis points; 0 once it was taken back. */
  readonly shareBp: number;
  /** Whether a signal takes it back. */
  readonly isJudgedBy: (signal: string) => boolean;
};

/** Undefined for a revision that is not on trial on the target. */
export type OnTrial = (target: string, config: string, revision: number) => Trial | undefined;

type Subject = Pick<Rollout, 'config' | 'targets'>;
type Suspect = Trial & { readonly name: string };
/** Violations, and which other changes were on trial on the same requests. */
type Case = { readonly target: string; readonly violations: number; readonly suspects: readonly Suspect[] };

/**
 * Only what control itself served tells that control violates the invariant too. A revision that was withdrawn, or that
 * another rollout shows, tells nothing of control. A request without a revision of the config ran none but control.
 */
const isOfControl = ({ config, targets }: Subject, { target, revisions }: ViolationGroup): boolean => {
  const served = revisions[config];
  return served === undefined || served === targets[target]?.control;
};

const caseOf = ({ config }: Subject, group: ViolationGroup, onTrial: OnTrial): Case => ({
  target: group.target,
  violations: group.violations,
  suspects: Object.entries(group.revisions).flatMap(([other, revision]) => {
    const trial = other === config ? undefined : onTrial(group.target, other, revision);
    return trial ? [{ ...trial, name: `revision ${revision} of ${other}` }] : [];
  }),
});

const sum = (cases: readonly Case[]): number => cases.reduce((all, { violations }) => all + violations, 0);

const namesOf = (cases: readonly Case[]): readonly string[] =>
  [...new Set(cases.flatMap(({ suspects }) => suspects.map(({ name }) => name)))].toSorted();

/** Control was seen to do the same with no other changes on trial than this request had. */
const isShownByControl = ({ suspects }: Case, control: readonly Case[]): boolean =>
  control.some((known) => known.suspects.every(({ name }) => suspects.some((suspect) => suspect.name === name)));

/**
 * The salts are independent, so a request on the candidate of a change with share s is s times as likely when that change
 * is innocent: of the changes that were on it, the one with the smallest share is the likeliest cause. It is taken back,
 * and if it was not the cause, the next violation comes without it.
 */
const isLikelierElsewhere = ({ targets }: Subject, { target, suspects }: Case, signal: string): boolean => {
  const mine = targets[target]?.wanted?.shareBp ?? 0;
  return suspects.some(({ shareBp, isJudgedBy }) => shareBp < mine && (shareBp === 0 || isJudgedBy(signal)));
};

/**
 * Divides what was seen of an invariant between the arms of a rollout. A violation on the candidate is explained where
 * control does the same, or where another change on trial is the likelier cause; all others are held against it.
 */
export const violationsOfArms = (
  rollout: Subject,
  signal: string,
  { candidate, elsewhere }: ViolationsSeen,
  onTrial: OnTrial,
): Violations => {
  const control = elsewhere
    .filter((group) => isOfControl(rollout, group))
    .map((group) => caseOf(rollout, group, onTrial));
  const onCandidate = candidate.map((group) => caseOf(rollout, group, onTrial));
  const isExplained = (each: Case): boolean =>
    isShownByControl(each, control) || isLikelierElsewhere(rollout, each, signal);
  const explained = onCandidate.filter(isExplained);
  const held = onCandidate.filter((each) => !isExplained(each));
  return {
    candidate: sum(held),
    controlInLookback: sum(control.filter(({ suspects }) => suspects.length === 0)),
    explained: sum(explained),
    suspects: namesOf(held.length > 0 ? held : explained),
  };
};
