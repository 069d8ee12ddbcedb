import { createHash } from 'node:crypto';
import {
  evidenceSpecOf,
  foldLook,
  judge,
  startEvidence,
  type RecordedVerdict,
  type Rollout,
  type RolloutEvidence,
  type Verdict,
} from '#libs/domain';
import type { History } from '../play.js';
import { lookKey, type Seen } from '../witness.js';
import { endsOf, momentsOf, type Rule } from './log.js';

type Folded = { readonly state: RolloutEvidence; readonly digest: string };
type Judged = Verdict & { readonly digest: string };
/** A look in which a signal that decides is shown to fail. */
export type Failing = { readonly signal: string; readonly look: number; readonly head: number };

/** The stored looks of one rollout, folded and judged again from the start. */
type Again = {
  readonly verdicts: ReadonlyMap<string, Judged>;
  readonly failing: readonly Failing[];
};

const keyOf = (look: number, { signal, track, stage }: Pick<RecordedVerdict, 'signal' | 'track' | 'stage'>): string =>
  `${look} ${signal} ${track ?? '*'} ${stage ?? ''}`;

type Scope = { readonly targets: readonly string[] | null; readonly samples: number; readonly tolerate: number | null };

/** What a verdict was asked about, read from the plan. */
const scopeOf = ({ plan }: Rollout, { signal, track: name, stage: at }: RecordedVerdict): Scope | undefined => {
  if (name === null) {
    const tolerate = plan.signals.find((each) => each.signal === signal)?.settleTolerate ?? null;
    return { targets: null, samples: 1, tolerate };
  }
  const track = plan.tracks.find((each) => each.name === name);
  const stage = track?.stages.find((each) => each.name === at);
  if (!track || !stage) return undefined;
  const targets = track.targets.map(({ target }) => target);
  return { targets, samples: Math.max(1, stage.samples), tolerate: stage.tolerate[signal] ?? null };
};

const judgeAgain = ({ state, digest }: Folded, seen: Seen, rollout: Rollout, verdict: RecordedVerdict) => {
  const scope = scopeOf(rollout, verdict);
  if (!scope || !seen.totals) return undefined;
  const { slices, bad } = seen.totals;
  const counts = slices.map((slice) => {
    const mine = bad.find(
      (each) => each.signal === verdict.signal && each.target === slice.target && each.model === slice.model,
    );
    return { ...slice, candidateBad: mine?.candidateBad ?? 0, controlBad: mine?.controlBad ?? 0 };
  });
  const report = seen.violations.get(verdict.signal);
  const { targets, samples, tolerate } = scope;
  const options = { targets, minRequests: samples, tolerate, counts };
  const violations = report && { candidate: report.candidate, controlInLookback: report.controlInLookback };
  return { ...judge(state, verdict.signal, violations ? { ...options, violations } : options), digest };
};

/** Whether a signal fails by what was seen in a look; false where the one who looked did not come to the end of it. */
const fails = (state: RolloutEvidence, seen: Seen, { signal, type }: Rollout['plan']['signals'][number]): boolean => {
  if (seen.totals === undefined) return false;
  const isProved = state.failed.includes(signal);
  if (type === 'rate') return isProved;
  const report = seen.violations.get(signal);
  if (!report) return false;
  return report.controlInLookback > 0 ? isProved : report.candidate > 0;
};

const sha256 = (...texts: readonly string[]): string => {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(text);
  return hash.digest('hex');
};

const judgeAll = (history: History, rollout: Rollout): Again => {
  const asked = new Map<number, RecordedVerdict[]>();
  for (const { event, after } of momentsOf(history)) {
    if (event.type !== 'VerdictRecorded' || after.id !== rollout.id) continue;
    const { verdict } = event.data;
    asked.set(verdict.look, [...(asked.get(verdict.look) ?? []), verdict]);
  }
  let folded: Folded = { state: startEvidence(evidenceSpecOf(rollout)), digest: '' };
  const looks = new Map(history.looksOf(rollout.id).map((stored) => [stored.look, stored]));
  const verdicts = new Map<string, Judged>();
  const failing: Failing[] = [];
  for (let look = 1; ; look += 1) {
    const seen = history.witness.seen.get(lookKey(rollout.id, look));
    if (!seen) break;
    const stored = looks.get(look);
    if (stored) folded = { state: foldLook(folded.state, stored), digest: sha256(folded.digest, stored.digest) };
    else foldLook(folded.state, { look, cells: [] });
    for (const verdict of asked.get(look) ?? []) {
      const again = judgeAgain(folded, seen, rollout, verdict);
      if (again) verdicts.set(keyOf(look, verdict), again);
    }
    const signal = rollout.plan.signals.find((each) => !each.shadow && fails(folded.state, seen, each));
    if (signal) failing.push({ signal: signal.signal, look, head: seen.head });
  }
  return { verdicts, failing };
};

const judged = new WeakMap<History, Map<string, Again>>();

const againOf = (history: History, rollout: Rollout): Again => {
  const all = judged.get(history) ?? new Map<string, Again>();
  judged.set(history, all);
  const known = all.get(rollout.id) ?? judgeAll(history, rollout);
  all.set(rollout.id, known);
  return known;
};

/** A recorded verdict as the looks and counts that were written down give it again; undefined when they cannot. */
export const judgedAgain = (history: History, rollout: Rollout, verdict: RecordedVerdict): Judged | undefined =>
  againOf(history, rollout).verdicts.get(keyOf(verdict.look, verdict));

/** The looks in which a signal that decides was shown to fail, whether or not anybody noticed. */
export const failingLooks = (history: History, rollout: Rollout): readonly Failing[] =>
  againOf(history, rollout).failing;

const FIELDS = [
  'verdict',
  'method',
  'shadow',
  'counts',
  'ratio',
  'interval',
  'logE',
  'logBound',
  'look',
  'digest',
] as const;

const differences = (said: RecordedVerdict, again: Judged): readonly string[] =>
  FIELDS.flatMap((field) => {
    const [a, b] = [JSON.stringify(said[field]), JSON.stringify(again[field])];
    return a === b ? [] : [`${field} ${a} instead of ${b}`];
  });

/** Rule 12: every verdict of the log comes out again from the looks: kind, counts, evidence and digest. */
export const verdictsComeOutAgain: Rule = (history) =>
  momentsOf(history).flatMap(({ event, after }) => {
    if (event.type !== 'VerdictRecorded') return [];
    const { verdict } = event.data;
    const again = judgedAgain(history, after, verdict);
    const what = `${verdict.signal} in look ${verdict.look} of rollout ${after.id}`;
    if (!again) return [`the verdict on ${what} rests on nothing that was looked at`];
    const wrong = differences(verdict, again);
    const unsaid = verdict.sentence.startsWith(again.sentence)
      ? []
      : [`"${verdict.sentence}" instead of "${again.sentence}"`];
    return [...wrong, ...unsaid].map((difference) => `the verdict on ${what} says ${difference}`);
  });

/** Rule 12: looks are numbered one by one and none is folded twice. */
export const looksAreWhole: Rule = (history) =>
  endsOf(history).flatMap(({ id }) => {
    const numbers = [...history.witness.seen.values()].flatMap(({ look }) => (look.rollout === id ? [look.look] : []));
    const isWhole = numbers.toSorted((a, b) => a - b).every((number, index) => number === index + 1);
    return isWhole ? [] : [`the looks at rollout ${id} are not numbered one by one`];
  });
