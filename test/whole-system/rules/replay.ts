import { hash } from 'node:crypto';
import type { StoredLook, ViolationReport } from '#libs/application';
import {
  foldPools,
  judgedScopes,
  judgeScope,
  poolOf,
  recomputeVerdicts,
  startPools,
  violationsOfArms,
  type EvidencePool,
  type JudgedScope,
  type OnTrial,
  type RecordedVerdict,
  type Rollout,
  type RolloutEvent,
  type SliceCounts,
  type Verdict,
} from '#libs/domain';
import type { History } from '../play.js';
import { lookKey, reportKey, trialKey, type Seen } from '../witness.js';
import { endsOf, lifeOf, momentsOf, type Rule } from './log.js';

type Signal = Rollout['plan']['signals'][number];
/** Bad outcomes by signal and slice. */
type Slices = Map<string, Pick<SliceCounts, 'target' | 'model'> & { candidate: number; control: number }>;
type Bad = Map<string, Slices>;
type Folded = { readonly pools: readonly EvidencePool[]; readonly bad: Bad; digest: string };
export type Judged = Verdict & { readonly digest: string };
/** A look in which a signal that decides is shown to fail. */
export type Failing = {
  readonly signal: string;
  /** The track that it takes back; null: the rollout. */
  readonly track: string | null;
  readonly look: number;
  readonly head: number;
};

/** The stored looks of one rollout, folded and judged again from the start. */
type Again = {
  readonly verdicts: ReadonlyMap<string, Judged>;
  readonly failing: readonly Failing[];
};

const keyOf = (look: number, { signal, track, stage }: Pick<RecordedVerdict, 'signal' | 'track' | 'stage'>): string =>
  `${look} ${signal} ${track ?? '*'} ${stage ?? ''}`;

/** What a verdict was asked about, read from the plan. */
const scopeOf = ({ plan }: Rollout, { signal, track: name, stage: at }: RecordedVerdict): JudgedScope | undefined => {
  const track = plan.tracks.find((each) => each.name === name);
  const targets = track?.targets.map(({ target }) => target) ?? null;
  const asked = { track: name, stage: at, targets };
  if (at === 'watch') {
    const tolerate = plan.signals.find((each) => each.signal === signal)?.settleTolerate ?? null;
    return { ...asked, samples: 1, tolerate: () => tolerate };
  }
  const stage = track?.stages.find((each) => each.name === at);
  return stage && { ...asked, samples: stage.samples, tolerate: () => stage.tolerate[signal] ?? null };
};

const addBad = (bad: Bad, { cells }: StoredLook): void => {
  for (const { signal, target, model, candidateBad, controlBad } of cells) {
    const slices: Slices = bad.get(signal) ?? new Map();
    bad.set(signal, slices);
    const slice = slices.get(`${target} ${model}`) ?? { target, model, candidate: 0, control: 0 };
    slices.set(`${target} ${model}`, slice);
    slice.candidate += candidateBad;
    slice.control += controlBad;
  }
};

/** What the looks so far have counted of one signal, and the requests that were read with the last of them. */
const countsOf = (bad: Bad, seen: Seen, { signal, type, source }: Signal): readonly SliceCounts[] => {
  const counts = new Map<string, { -readonly [field in keyof SliceCounts]: SliceCounts[field] }>();
  const of = ({ target, model }: { readonly target: string; readonly model: string }) => {
    const none = { target, model, candidateBad: 0, candidateRequests: 0, controlBad: 0, controlRequests: 0 };
    const known = counts.get(`${target} ${model}`) ?? none;
    counts.set(`${target} ${model}`, known);
    return known;
  };
  for (const slice of bad.get(signal)?.values() ?? []) {
    of(slice).candidateBad += slice.candidate;
    of(slice).controlBad += slice.control;
  }
  // Of pairs only those count that were compared, and of metrics what they counted.
  const isSampled = type === 'paired' || source !== null;
  for (const sample of isSampled ? seen.requests.samples : []) {
    if (sample.signal !== signal) continue;
    of(sample).candidateRequests += sample.candidate;
    of(sample).controlRequests += sample.control;
  }
  for (const slice of isSampled ? [] : seen.requests.slices) {
    of(slice).candidateRequests += slice.candidateRequests;
    of(slice).controlRequests += slice.controlRequests;
  }
  for (const slice of seen.requests.unmeasured) {
    if (slice.signal !== signal || isSampled) continue;
    of(slice).candidateRequests -= slice.candidateRequests;
    of(slice).controlRequests -= slice.controlRequests;
  }
  return [...counts.values()].toSorted((a, b) => (`${a.target} ${a.model}` < `${b.target} ${b.model}` ? -1 : 1));
};

/** What was reported of an invariant when the pool was judged. */
const reportOf = ({ rollout, violations }: Seen, { targets }: EvidencePool, signal: string) =>
  violations.get(
    reportKey(
      signal,
      targets.filter((target) => rollout.targets[target]?.wanted),
    ),
  );

/** Without arms, what a source counted is held against what it had counted before, as that was read with the look. */
const heldAgainst = (counts: readonly SliceCounts[], { before, told = [] }: Seen, { signal, source }: Signal) => {
  const isCounted = source !== null && counts.some(({ candidateRequests }) => candidateRequests > 0);
  const hasControl = counts.some(({ controlRequests }) => controlRequests > 0);
  if (!isCounted || hasControl || told.includes(signal)) return { counts };
  const past = counts.map((slice) => {
    if (slice.candidateRequests === 0) return slice;
    const { target, model } = slice;
    const own = before.find((each) => each.signal === signal && each.target === target && each.model === model);
    return { ...slice, controlBad: own?.bad ?? 0, controlRequests: own?.requests ?? 0 };
  });
  return { counts: past, isBefore: true };
};

const judgeAgain = ({ pools, bad, digest }: Folded, seen: Seen, rollout: Rollout, verdict: RecordedVerdict) => {
  const scope = scopeOf(rollout, verdict);
  if (!scope) return undefined;
  const pool = poolOf(pools, scope);
  const report = reportOf(seen, pool, verdict.signal);
  const onTrial: OnTrial = (...which) => seen.trials.get(trialKey(...which));
  const violations = report && violationsOfArms(seen.rollout, verdict.signal, report, onTrial);
  const signal = rollout.plan.signals.find((each) => each.signal === verdict.signal);
  if (!signal) return undefined;
  const counted = heldAgainst(countsOf(bad, seen, signal), seen, signal);
  return { ...judgeScope(pool, scope, verdict.signal, { ...counted, violations }), digest };
};

/**
 * Whether the candidate, and it alone, violated an invariant: nothing was seen on control, and no other config had been
 * changed by then. Judged here by itself, whatever the product makes of it.
 */
const isPlainlyViolated = (history: History, { rollout, judgedAt = 0 }: Seen, report: ViolationReport): boolean => {
  const { config, targets } = rollout;
  const isOnControl = report.elsewhere.some(
    ({ target, revisions }) => revisions[config] === undefined || revisions[config] === targets[target]?.control,
  );
  const isAlone = !history.events.some(
    ({ type, position, data }) => type === 'RolloutPlanned' && position <= judgedAt && data['config'] !== config,
  );
  return report.candidate.length > 0 && !isOnControl && isAlone;
};

/** Whether a signal fails in a pool by what was seen in a look; false where the one who looked did not come to the end of it. */
const fails = (history: History, pool: EvidencePool, seen: Seen, { signal, type, source }: Signal): boolean => {
  if (seen.judgedAt === undefined || source !== null) return false;
  if (type === 'rate') return pool.evidence.failed.includes(signal);
  const report = reportOf(seen, pool, signal);
  return report !== undefined && isPlainlyViolated(history, seen, report);
};

/**
 * Whether a signal that metrics count, and that may take back, fails in a scope that was judged in a look: what it shows
 * may end again, so it is asked of each look by itself.
 */
const failsCounted = (folded: Folded, pool: EvidencePool, seen: Seen, signal: Signal): boolean => {
  if (seen.judgedAt === undefined || signal.source === null) return false;
  return judgedScopes(seen.rollout)
    .filter((scope) => poolOf(folded.pools, scope) === pool)
    .some((scope) => {
      const counted = heldAgainst(countsOf(folded.bad, seen, signal), seen, signal);
      return judgeScope(pool, scope, signal.signal, counted).verdict === 'fail';
    });
};

const sha256 = (...texts: readonly string[]): string => hash('sha256', texts.join(''));

const judgeAll = (history: History, rollout: Rollout): Again => {
  const asked = new Map<number, RecordedVerdict[]>();
  for (const { event, after } of momentsOf(history)) {
    if (event.type !== 'VerdictRecorded' || after.id !== rollout.id) continue;
    const { verdict } = event.data;
    asked.set(verdict.look, [...(asked.get(verdict.look) ?? []), verdict]);
  }
  const folded: Folded = { pools: startPools(rollout), bad: new Map(), digest: '' };
  const looks = new Map(history.looksOf(rollout.id).map((stored) => [stored.look, stored]));
  const verdicts = new Map<string, Judged>();
  const failing: Failing[] = [];
  for (let look = 1; ; look += 1) {
    const seen = history.witness.seen.get(lookKey(rollout.id, look));
    if (!seen) break;
    const stored = looks.get(look);
    foldPools(folded.pools, stored ?? { look, cells: [] });
    if (stored) addBad(folded.bad, stored);
    if (stored) folded.digest = sha256(folded.digest, stored.digest);
    for (const verdict of asked.get(look) ?? []) {
      const again = judgeAgain(folded, seen, rollout, verdict);
      if (again) verdicts.set(keyOf(look, verdict), again);
    }
    for (const pool of folded.pools) {
      const signal = rollout.plan.signals.find(
        (each) =>
          !each.shadow &&
          each.onFail === 'roll-back' &&
          (fails(history, pool, seen, each) || failsCounted(folded, pool, seen, each)),
      );
      if (signal) failing.push({ signal: signal.signal, track: pool.track, look, head: seen.head });
    }
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

/** Rule 12: nor does the product, asked to compute them again from the log and the stored looks, find any difference. */
export const theProductAgrees: Rule = (history) =>
  endsOf(history).flatMap(({ id }) => {
    const events = lifeOf(history, id).map(({ event: { position, at, ...event } }) => {
      return { position, at, event: event as RolloutEvent };
    });
    const looks = history
      .looksOf(id)
      .map(({ look, digest, cells }) => ({ look, digest, cells: JSON.stringify(cells) }));
    return recomputeVerdicts(events, looks, (text) => sha256(text)).flatMap(({ position, verdict, differs }) =>
      differs.map((what) => `the verdict on ${verdict.signal} at ${position} comes out with another ${what}`),
    );
  });

/** Rule 12: looks are numbered one by one and none is folded twice. */
export const looksAreWhole: Rule = (history) =>
  endsOf(history).flatMap(({ id }) => {
    const numbers = [...history.witness.seen.values()].flatMap(({ look }) => (look.rollout === id ? [look.look] : []));
    const isWhole = numbers.toSorted((a, b) => a - b).every((number, index) => number === index + 1);
    return isWhole ? [] : [`the looks at rollout ${id} are not numbered one by one`];
  });
