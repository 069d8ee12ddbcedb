import {
  DISPARITY_ALPHA,
  differenceSequence,
  logDisparity,
  logParity,
  PARITY_ALPHA,
  parityOf,
  type PairedCounts,
} from '#libs/statistics';
import type { RecordedParity, ResolvedPlan, RolloutEvent } from '../events/index.js';
import type { Facts } from './rollout.facts.js';
import { parityKey, trackOf, type Rollout } from './rollout.state.js';
import { liveTracks, type Track } from './tracks.js';

export const PARITY_METHOD = 'parity-bet-v1';

/** How often the same work was done on two targets, and was bad on one of them only. */
export type Comparison = PairedCounts & { readonly signal: string; readonly left: string; readonly right: string };

type Asked = Track['parity'][number];

const percent = (part: number): string => `${Number((part * 100).toFixed(2))}%`.replace('-', '−');

const titleOf = (plan: ResolvedPlan, signal: string): string =>
  plan.signals.find((each) => each.signal === signal)?.title ?? signal;

type Judged = Omit<RecordedParity, 'sentence'>;

const sentenceOf = (title: string, { verdict, between, withinBp, counts, interval }: Judged): string => {
  const [left, right] = between;
  const margin = `±${percent(withinBp / 10_000)}`;
  const what = `parity of ${left} and ${right} on ${title}`;
  const pairs = `${counts.pairs.toLocaleString('en-US')} ${counts.pairs === 1 ? 'pair' : 'pairs'}`;
  const difference = `difference ${percent(interval[0])} to ${percent(interval[1])}`;
  switch (verdict) {
    case 'pass':
      return `${what} is shown: ${pairs}, ${difference}, within ${margin}`;
    case 'fail':
      return `no ${what}, bad answers differ by more than ${margin}: ${pairs}, ${difference} (${left} less ${right})`;
    case 'inconclusive':
      return `${what}: ${pairs}, ${difference}, needs to lie within ${margin}`;
    case 'not-measured':
      return `${what}: nothing was compared yet, the difference needs to lie within ${margin}`;
  }
};

const NONE: PairedCounts = { pairs: 0, leftOnly: 0, rightOnly: 0 };

const plus = (sum: PairedCounts, { pairs, leftOnly, rightOnly }: PairedCounts): PairedCounts => ({
  pairs: sum.pairs + pairs,
  leftOnly: sum.leftOnly + leftOnly,
  rightOnly: sum.rightOnly + rightOnly,
});

/** The comparisons of targets of the two tracks, each turned so that the left one is of the left track. */
export const comparisonsOf = <C extends Comparison>(
  plan: ResolvedPlan,
  { signal, between }: Pick<Asked, 'signal' | 'between'>,
  comparisons: readonly C[],
): readonly C[] => {
  const [lefts, rights] = between.map((name) =>
    (plan.tracks.find((track) => track.name === name)?.targets ?? []).map(({ target }) => target),
  );
  return comparisons.flatMap((each) => {
    const { left, right, leftOnly, rightOnly } = each;
    if (each.signal !== signal) return [];
    if (lefts?.includes(left) && rights?.includes(right)) return [each];
    return lefts?.includes(right) && rights?.includes(left)
      ? [{ ...each, left: right, right: left, leftOnly: rightOnly, rightOnly: leftOnly }]
      : [];
  });
};

/** The judgement of so many pairs, without its sentence: the same counts give the same. */
export const judgeCounts = (
  track: string,
  { signal, between, withinBp }: Asked,
  { pairs, leftOnly, rightOnly }: PairedCounts,
): Judged => {
  const counts = { pairs, leftOnly, rightOnly };
  const margin = withinBp / 10_000;
  const [low, high] = differenceSequence(counts, 2 * PARITY_ALPHA);
  return {
    track,
    signal,
    between: [between[0], between[1]],
    withinBp,
    verdict: parityOf(counts, margin),
    method: PARITY_METHOD,
    counts,
    difference: pairs === 0 ? null : (leftOnly - rightOnly) / pairs,
    interval: [low, high],
    logE: logParity(counts, margin),
    logBound: Math.log(1 / PARITY_ALPHA),
    logAgainst: logDisparity(counts, margin),
    logAgainstBound: Math.log(2 / DISPARITY_ALPHA),
  };
};

const judge = (plan: ResolvedPlan, track: string, asked: Asked, comparisons: readonly Comparison[]): RecordedParity => {
  const counts = comparisonsOf(plan, asked, comparisons).reduce<PairedCounts>(plus, NONE);
  const judged = judgeCounts(track, asked, counts);
  return { ...judged, sentence: sentenceOf(titleOf(plan, asked.signal), judged) };
};

const hasStarted = (rollout: Rollout, track: string): boolean => trackOf(rollout, track).stage >= 0;

/** Tracks that may still begin, and wait for the parity of others. */
const waitingTracks = (rollout: Rollout): readonly Track[] =>
  rollout.status === 'staging'
    ? liveTracks(rollout).filter(({ name, parity }) => parity.length > 0 && !hasStarted(rollout, name))
    : [];

/** Whether a track waits for parity, so that comparisons are of use. Once it has begun nothing is asked any more. */
export const awaitsParity = (rollout: Rollout): boolean => waitingTracks(rollout).length > 0;

/** How each parity stands that a track waits for, by all comparisons of the rollout. */
export const judgeParities = (rollout: Rollout, comparisons: readonly Comparison[]): readonly RecordedParity[] =>
  waitingTracks(rollout).flatMap((track) =>
    track.parity.map((asked) => judge(rollout.plan, track.name, asked, comparisons)),
  );

/** Pairs only grow in number, so whoever counted fewer than are recorded looked earlier. */
const isOutdated = ({ parities }: Rollout, parity: RecordedParity): boolean =>
  parity.counts.pairs < (parities[parityKey(parity)]?.counts.pairs ?? 0);

const paritiesOf = (rollout: Rollout, track: Track, { parity = [] }: Facts): readonly RecordedParity[] =>
  track.parity.map((asked) => {
    const key = parityKey({ track: track.name, ...asked });
    const known = parity.find((each) => parityKey(each) === key) ?? judge(rollout.plan, track.name, asked, []);
    const recorded = rollout.parities[key];
    if (recorded === undefined || !isOutdated(rollout, known)) return known;
    const { at: _at, ...newer } = recorded;
    return newer;
  });

/** What a track that has not begun lacks of parity, in words; empty when it has all of it, or asks for none. */
export const missingParity = (rollout: Rollout, track: Track, facts: Facts): readonly string[] => {
  if (hasStarted(rollout, track.name)) return [];
  const waits = `${track.name} waits for`;
  return paritiesOf(rollout, track, facts)
    .filter(({ verdict, between }) => verdict !== 'pass' || !between.every((name) => hasStarted(rollout, name)))
    .map(({ sentence, verdict, between }) => {
      const late = between.find((name) => !hasStarted(rollout, name));
      if (late !== undefined) return `${waits} ${late} to begin: ${between.join(' and ')} are to be compared`;
      return verdict === 'fail' ? `${waits} parity: ${sentence}` : `${waits} ${sentence}`;
    });
};

/** What every waiting track lacks of parity. */
export const waitsForParity = (rollout: Rollout, facts: Facts): readonly string[] =>
  waitingTracks(rollout).flatMap((track) => missingParity(rollout, track, facts));

/** The first difference beyond its margin that a track waits for: a reason to hold, and for nobody to go past. */
export const disparity = (rollout: Rollout, facts: Facts): string | undefined =>
  waitingTracks(rollout)
    .flatMap((track) => paritiesOf(rollout, track, facts))
    .find(({ verdict }) => verdict === 'fail')?.sentence;

const judged = (rollout: Rollout, parity: RecordedParity): RolloutEvent => ({
  type: 'ParityJudged',
  data: { rollout: rollout.id, parity },
});

/**
 * What changed since it was recorded last; that nothing was compared yet goes without saying. Facts may be older than the
 * rollout: what is shown for a track that will never begin any more counts for nothing, and its targets are let go already.
 */
export const changedParities = (rollout: Rollout, { parity = [] }: Facts): readonly RolloutEvent[] =>
  parity
    .filter(({ track }) => waitingTracks(rollout).some(({ name }) => name === track))
    .filter((each) => !isOutdated(rollout, each))
    .filter((each) => each.verdict !== (rollout.parities[parityKey(each)]?.verdict ?? 'not-measured'))
    .map((each) => judged(rollout, each));

/** Each parity of a track that begins, with its newest counts, changed or not. */
export const standingParities = (rollout: Rollout, track: Track, facts: Facts): readonly RolloutEvent[] =>
  paritiesOf(rollout, track, facts).map((each) => judged(rollout, each));
