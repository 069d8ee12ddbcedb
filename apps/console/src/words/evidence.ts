import type { EvidenceView, RolloutView, VerdictView } from '#libs/contracts';
import { showRatio } from './format.js';

export type Signal = EvidenceView['signals'][number];
export type Pool = Signal['pools'][number];

const ORDER = ['fail', 'not-measured', 'inconclusive', 'pass'] as const;

/** The verdict that a tile is about: the worst, and of equals the newest. */
export const headVerdict = ({ verdicts }: Pick<Signal, 'verdicts'>): VerdictView | undefined =>
  ORDER.flatMap((kind) =>
    verdicts.filter(({ verdict }) => verdict === kind).toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at)),
  )[0];

const rank = (signal: Signal): number => {
  const verdict = headVerdict(signal)?.verdict;
  return (signal.shadow ? ORDER.length + 1 : 0) + (verdict === undefined ? ORDER.length : ORDER.indexOf(verdict));
};

/** Orders signals by how much they matter now; shadows, which decide nothing, come last. */
export const isWorstFirst = (a: Signal, b: Signal): number => rank(a) - rank(b);

/** The sentence of a verdict under the title of its signal, which it begins with. */
export const underTitle = (sentence: string, title: string): string => {
  if (!sentence.startsWith(`${title} `) && !sentence.startsWith(`${title}: `)) return sentence;
  const rest = sentence.slice(title.length).replace(/^:? /, '');
  return rest.charAt(0).toUpperCase() + rest.slice(1);
};

/** The pool that is nearest to its bound. */
export const nearestPool = ({ pools }: Pick<Signal, 'pools'>): Pool | undefined =>
  pools.toSorted((a, b) => b.maxLogE - b.logBound - (a.maxLogE - a.logBound))[0];

/** The margin that counts now: that of the stage the verdict is about, or the strictest of the stages under way. */
export const marginNow = (signal: Signal, verdict: VerdictView | undefined, rollout: RolloutView): number | null => {
  const isNow = ({ track, stage }: Signal['margins'][number]): boolean =>
    verdict?.stage === null || verdict === undefined
      ? rollout.tracks.some((each) => each.name === track && each.stage === stage)
      : verdict.track === track && verdict.stage === stage;
  const asked = signal.margins.filter(isNow).flatMap(({ tolerate }) => tolerate ?? []);
  return asked.length === 0 ? null : Math.min(...asked);
};

/** What counts as harm, in words. */
export const harmWords = ({ type, harm, worse }: Pick<Signal, 'type' | 'harm' | 'worse'>): string => {
  if (type === 'invariant') return 'Should never be seen: once is harm.';
  const beyond =
    worse === 'lower'
      ? `below ${harm === 1 ? 'control' : showRatio(1 / harm)}`
      : `above ${harm === 1 ? 'control' : showRatio(harm)}`;
  return `Harm when shown to be ${beyond}.`;
};

export const isOfValues = ({ type }: Pick<Signal, 'type'>): boolean => type === 'mean' || type === 'distribution';

/** The target that was measured longest ago; never comes before all. */
export const stalest = ({ freshness }: Pick<Signal, 'freshness'>): Signal['freshness'][number] | undefined =>
  freshness.toSorted((a, b) => (a.measuredUntil ?? '').localeCompare(b.measuredUntil ?? ''))[0];
