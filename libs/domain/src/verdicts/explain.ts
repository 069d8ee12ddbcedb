import type { CellEvidence, Look, SignalEvidence } from '../gate/index.js';
import type { Rollout } from '../rollout/index.js';
import { foldPools, startPools, type EvidencePool } from './verdicts.js';

/** A look with its time in epoch milliseconds. */
export type TimedLook = Look & { readonly at: number };

export type CoursePoint = { readonly look: number; readonly at: number; readonly logE: number };

/** Bad outcomes, or values, that counted in a span of time, epoch milliseconds. */
export type CountedSpan = {
  readonly from: number;
  readonly until: number;
  readonly candidate: number;
  readonly control: number;
};

export type ExplainedSlice = Pick<CellEvidence, 'key' | 'logE' | 'maxLogE' | 'logBound'> & { readonly proved: boolean };

/** How one signal came to where it is, in one pool. */
export type ExplainedPool = Pick<SignalEvidence, 'logE' | 'maxLogE' | 'logBound'> & {
  readonly track: string | null;
  readonly reachedAt: number | null;
  readonly course: readonly CoursePoint[];
  readonly windows: readonly CountedSpan[];
  readonly slices: readonly ExplainedSlice[];
};

type Seen = CoursePoint & { readonly candidate: number; readonly control: number };

const MOST_POINTS = 100;
const MOST_WINDOWS = 24;

/** Of each part of the course the point with the highest e-value, and the last one of all. */
const thinned = (points: readonly Seen[]): readonly CoursePoint[] => {
  const size = Math.ceil(points.length / MOST_POINTS);
  const kept: Seen[] = [];
  for (let from = 0; from < points.length; from += size)
    kept.push(points.slice(from, from + size).reduce((best, each) => (each.logE > best.logE ? each : best)));
  const last = points.at(-1);
  if (last !== undefined && kept.at(-1) !== last) kept.push(last);
  return kept.map(({ look, at, logE }) => ({ look, at, logE }));
};

const spans = (points: readonly Seen[], since: number): readonly CountedSpan[] => {
  const last = points.at(-1);
  if (last === undefined) return [];
  const width = Math.max(1_000, Math.ceil((last.at - since + 1) / MOST_WINDOWS));
  const counted = new Map<number, { candidate: number; control: number }>();
  for (const { at, candidate, control } of points) {
    const place = Math.max(0, Math.floor((at - since) / width));
    const known = counted.get(place) ?? { candidate: 0, control: 0 };
    counted.set(place, { candidate: known.candidate + candidate, control: known.control + control });
  }
  return [...counted].map(([place, counts]) => ({
    from: since + place * width,
    until: Math.min(since + (place + 1) * width, last.at),
    ...counts,
  }));
};

const countOf = ({ cells }: Look, signal: string, pool: EvidencePool) => {
  let [candidate, control, isSeen] = [0, 0, false];
  for (const cell of cells) {
    if (cell.signal !== signal || (pool.track !== null && !pool.targets.includes(cell.target))) continue;
    candidate += cell.candidateBad;
    control += cell.controlBad;
    for (const [, ofCandidate, ofControl] of cell.bins ?? []) {
      candidate += ofCandidate;
      control += ofControl;
    }
    isSeen = true;
  }
  return isSeen ? { candidate, control } : undefined;
};

/** Folds the looks of a rollout from the first one on, and remembers how each signal came to where it is. */
export class Explanation {
  readonly #since: number;
  readonly #pools: readonly EvidencePool[];
  readonly #seen: ReadonlyMap<EvidencePool, ReadonlyMap<string, Seen[]>>;

  /** Without names of signals all are explained. Looks are told in order. */
  constructor(rollout: Pick<Rollout, 'plan' | 'assignment' | 'startedAt'>, signals?: readonly string[]) {
    this.#since = rollout.startedAt;
    this.#pools = startPools(rollout);
    const names = rollout.plan.signals.map(({ signal }) => signal).filter((name) => signals?.includes(name) ?? true);
    this.#seen = new Map(
      this.#pools.map(
        (pool) => [pool, new Map(names.map((name) => [name, []]))] as [EvidencePool, Map<string, Seen[]>],
      ),
    );
  }

  fold(look: TimedLook): void {
    foldPools(this.#pools, look);
    for (const [pool, signals] of this.#seen)
      for (const [name, seen] of signals) {
        const counted = countOf(look, name, pool);
        if (counted === undefined) continue;
        const logE = pool.evidence.signals.get(name)?.logE ?? 0;
        seen.push({ look: look.look, at: look.at, logE, ...counted });
      }
  }

  /** How a signal stands, pool by pool; none for a signal that is not explained. */
  of(signal: string): readonly ExplainedPool[] {
    return [...this.#seen].flatMap(([pool, signals]) => {
      const seen = signals.get(signal);
      const evidence = pool.evidence.signals.get(signal);
      if (seen === undefined || evidence === undefined) return [];
      const { logE, maxLogE, logBound, failedAt, cells } = evidence;
      return [
        {
          track: pool.track,
          logE,
          maxLogE,
          logBound,
          reachedAt: seen.find(({ look }) => look === failedAt)?.at ?? null,
          course: thinned(seen),
          windows: spans(seen, this.#since),
          slices: [...cells.values()].map((cell) => ({
            key: cell.key,
            logE: cell.logE,
            maxLogE: cell.maxLogE,
            logBound: cell.logBound,
            proved: cell.maxLogE >= cell.logBound,
          })),
        },
      ];
    });
  }
}
