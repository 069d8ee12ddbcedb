import type { RecordedVerdict, RolloutEvent } from '../events/index.js';
import type { Look, SliceCounts, Verdict } from '../gate/index.js';
import { BEFORE_AFTER } from '../gate/index.js';
import { rolloutDecider, type Rollout, type RolloutState } from '../rollout/index.js';
import { foldPools, judgeScope, poolOf, scopeNamed, startPools, type EvidencePool } from './verdicts.js';

/** A look as it is kept: canonical JSON of its cells and the SHA-256 of that. */
export type KeptLook = {
  readonly look: number;
  readonly digest: string;
  readonly cells: string;
  /** Of a look that stands for several: since when (ISO 8601), and the digest chained over all looks up to the last of them. */
  readonly compacted?: { readonly at: string; readonly chain: string } | null | undefined;
};

export type LoggedEvent = { readonly position: number; readonly at: number; readonly event: RolloutEvent };

/** A recorded verdict computed again. `differs` names what does not fit; empty where all does. */
export type Recomputed = {
  readonly position: number;
  readonly verdict: RecordedVerdict;
  readonly differs: readonly string[];
  /** Why it cannot be computed again from looks; null where it was. */
  readonly skipped: string | null;
  /** Since when the looks it rests on are compacted (ISO 8601), and what could be compared all the same; null: all was. */
  readonly compacted: { readonly at: string; readonly compared: readonly string[] } | null;
};

/** Gives the hexadecimal SHA-256 of a text. */
type Sha256 = (text: string) => string;

/** Logarithms may end in other digits on another machine. */
const CLOSE = 1e-9;

const isClose = (a: number | null, b: number | null): boolean =>
  a === null || b === null ? a === b : Math.abs(a - b) <= CLOSE * Math.max(1, Math.abs(a), Math.abs(b));

const isSameInterval = (a: RecordedVerdict['interval'], b: Verdict['interval']): boolean =>
  a === null || b === null ? a === b : isClose(a[0], b[0]) && isClose(a[1], b[1]);

type Counts = RecordedVerdict['counts'];

/** Totals as slices, of which each has some: how they were divided is not recorded, and whatever was judged had some. */
const spread = (counts: Counts, targets: readonly string[]): readonly SliceCounts[] =>
  targets.map((target, place) => {
    const others = targets.length - 1;
    const part = (total: number): number =>
      total <= others ? (place === 0 ? total : 0) : place === 0 ? total - others : 1;
    return {
      target,
      model: '',
      candidateBad: place === 0 ? counts.candidateBad : 0,
      controlBad: place === 0 ? counts.controlBad : 0,
      candidateRequests: part(counts.candidateRequests),
      controlRequests: part(counts.controlRequests),
    };
  });

/** The looks of a rollout folded step by step, as the controller that judged did it. */
class Refold {
  readonly #pools: readonly EvidencePool[];
  readonly #looks: readonly KeptLook[];
  readonly #sha256: Sha256;
  readonly #told: Look['cells'][number][] = [];
  #next = 0;
  /** The last look that was asked for. */
  last = 0;
  digest = '';
  /** The first look whose digest does not fit its cells. */
  altered: number | null = null;
  /** Since when looks that were folded in are compacted; null where none is. */
  compactedAt: string | null = null;

  constructor(rollout: Rollout, looks: readonly KeptLook[], sha256: Sha256) {
    this.#pools = startPools(rollout);
    this.#looks = looks;
    this.#sha256 = sha256;
  }

  upTo(last: number): void {
    this.last = last;
    for (let kept = this.#looks[this.#next]; kept !== undefined && kept.look <= last; kept = this.#looks[this.#next]) {
      if (this.#sha256(kept.cells) !== kept.digest) this.altered ??= kept.look;
      const cells = JSON.parse(kept.cells) as Look['cells'];
      foldPools(this.#pools, { look: kept.look, cells });
      this.#told.push(...cells);
      this.digest = kept.compacted?.chain ?? this.#sha256(this.digest + kept.digest);
      this.compactedAt = kept.compacted?.at ?? this.compactedAt;
      this.#next += 1;
    }
  }

  judge(rollout: Rollout, { track, stage, signal, counts, verdict, method }: RecordedVerdict): Verdict | undefined {
    const scope = scopeNamed(rollout, track, stage);
    if (scope === undefined) return undefined;
    const targets = scope.targets ?? poolOf(this.#pools, scope).targets;
    // An invariant that was judged as a rate is judged as one again.
    const violations = { candidate: 0, controlInLookback: 1 };
    const slices = spread(counts, verdict === 'not-measured' ? targets.slice(0, 1) : targets);
    return judgeScope(poolOf(this.#pools, scope), scope, signal, {
      counts: slices,
      violations,
      isBefore: method === BEFORE_AFTER,
    });
  }

  badOf(rollout: Rollout, { track, stage, signal }: RecordedVerdict) {
    const scope = scopeNamed(rollout, track, stage);
    const own = this.#told.filter((cell) => cell.signal === signal && (scope?.targets?.includes(cell.target) ?? true));
    return {
      candidateBad: own.reduce((sum, { candidateBad }) => sum + candidateBad, 0),
      controlBad: own.reduce((sum, { controlBad }) => sum + controlBad, 0),
    };
  }
}

type Check = { readonly field: string; readonly isSame: boolean; readonly words?: string };

const checksOf = (recorded: RecordedVerdict, again: Verdict, refold: Refold, rollout: Rollout): readonly Check[] => {
  const bad = refold.badOf(rollout, recorded);
  const { counts } = recorded;
  // What was before the rollout is in no look.
  const isControlKept = recorded.method !== BEFORE_AFTER;
  const isSameBad =
    bad.candidateBad === counts.candidateBad && (!isControlKept || bad.controlBad === counts.controlBad);
  const unlike = (now: unknown, before: unknown): string => `: ${String(now)} and not ${String(before)}`;
  return [
    { field: 'digest', isSame: recorded.digest === refold.digest, words: unlike(refold.digest, recorded.digest) },
    { field: 'verdict', isSame: recorded.verdict === again.verdict, words: unlike(again.verdict, recorded.verdict) },
    { field: 'ln e', isSame: isClose(recorded.logE, again.logE), words: unlike(again.logE, recorded.logE) },
    {
      field: 'bound',
      isSame: isClose(recorded.logBound, again.logBound),
      words: unlike(again.logBound, recorded.logBound),
    },
    { field: 'ratio', isSame: isClose(recorded.ratio, again.ratio), words: unlike(again.ratio, recorded.ratio) },
    { field: 'interval', isSame: isSameInterval(recorded.interval, again.interval) },
    {
      field: 'bad outcomes',
      isSame: isSameBad,
      words: `: ${bad.candidateBad} and ${bad.controlBad}, not ${counts.candidateBad} and ${counts.controlBad}`,
    },
  ];
};

/**
 * What the looks of an hour, as one, still tell to the last digit. Sums by share are enough for the ratio of first bad
 * events of units and of pairs; realised shares, spreads of values, and bets that are restarted with each look, went with the looks.
 */
const keptBy = ({ method }: RecordedVerdict, { assignment }: Rollout): readonly string[] =>
  method === 'paired-grid-v1' || (method === 'rate-grid-v1' && assignment === 'unit')
    ? ['digest', 'bound', 'bad outcomes', 'ratio', 'interval']
    : ['digest', 'bound', 'bad outcomes'];

const againOf = (
  { position, event }: LoggedEvent & { readonly event: Extract<RolloutEvent, { type: 'VerdictRecorded' }> },
  rollout: Rollout,
  refold: Refold,
): Recomputed => {
  const { verdict } = event.data;
  const done = (
    differs: readonly string[],
    skipped: string | null,
    compacted: Recomputed['compacted'] = null,
  ): Recomputed => ({ position, verdict, differs, skipped, compacted });
  if (verdict.method === 'invariant-v1')
    return done([], 'it rests on violations, which are kept in the unit store and not in looks');
  refold.upTo(verdict.look);
  const again = refold.judge(rollout, verdict);
  if (again === undefined) return done([`stage: the plan has no ${verdict.track ?? 'rollout'}/${verdict.stage}`], null);
  const all = checksOf(verdict, again, refold, rollout);
  const { compactedAt } = refold;
  const kept = keptBy(verdict, rollout);
  const checks = compactedAt === null ? all : all.filter(({ field }) => kept.includes(field));
  const differs = checks.flatMap(({ field, isSame, words = '' }) => (isSame ? [] : [`${field}${words}`]));
  const altered = refold.altered === null ? [] : [`look ${refold.altered}: its digest does not fit its counts`];
  const compacted = compactedAt === null ? null : { at: compactedAt, compared: checks.map(({ field }) => field) };
  return done([...altered, ...differs], null, compacted);
};

/**
 * Computes every recorded verdict again, from the events of a rollout's stream and its looks, both in order. Requests are
 * those of the verdict: looks hold bad outcomes only. Of compacted looks only what they still tell is compared. Throws a RangeError where the stream does not begin a rollout.
 */
export const recomputeVerdicts = (
  events: readonly LoggedEvent[],
  looks: readonly KeptLook[],
  sha256: Sha256,
): readonly Recomputed[] => {
  let state: RolloutState = rolloutDecider.initial;
  let refold: Refold | undefined;
  const recomputed: Recomputed[] = [];
  for (const logged of events) {
    const { event, at, position } = logged;
    if (event.type === 'VerdictRecorded') {
      if (state.status === 'none') throw new RangeError('A verdict stands before the start of its rollout.');
      if (refold === undefined || refold.last > event.data.verdict.look) refold = new Refold(state, looks, sha256);
      recomputed.push(againOf({ ...logged, event }, state, refold));
    }
    state = rolloutDecider.evolve(state, { ...event, at, position });
  }
  return recomputed;
};
