import type { EvidenceView, LookList, RolloutView } from '#libs/contracts';
import { comparisonsOf, Explanation, WATCH, type ExplainedPool, type Rollout, type SliceCounts } from '#libs/domain';
import { PROMOTION_GRID, RATIO_GRID } from '#libs/statistics';
import type { Compared, Evidence, TargetSeen } from '../ports.js';
import { measuredSpan } from '../workers/coverage.js';
import { chainedDigest } from '../workers/folded.js';
import { SliceTable } from '../workers/slice-table.js';
import { leftoverView } from './views.js';

/** Looks read and folded at once; others have their turn in between. */
const PAGE = 500;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const iso = (ms: number): string => new Date(ms).toISOString();

type ExplainedSignal = EvidenceView['signals'][number];
type ExplainedSlice = ExplainedSignal['pools'][number]['slices'][number];
type PlanSignal = Rollout['plan']['signals'][number];

const poolView = (pool: ExplainedPool, counts: readonly SliceCounts[]): ExplainedSignal['pools'][number] => ({
  track: pool.track,
  logE: pool.logE,
  maxLogE: pool.maxLogE,
  logBound: pool.logBound,
  reachedAt: pool.reachedAt === null ? null : iso(pool.reachedAt),
  course: pool.course.map(({ look, at, logE }) => ({ look, at: iso(at), logE })),
  windows: pool.windows.map(({ from, until, candidate, control }) => ({
    from: iso(from),
    until: iso(until),
    candidate,
    control,
  })),
  slices: pool.slices.map(({ key, logE, maxLogE, logBound, proved }) => {
    const counted = counts.find(({ target, model }) => target === key.target && model === key.model);
    const none = { candidateBad: 0, candidateRequests: 0, controlBad: 0, controlRequests: 0 };
    return { ...key, ...none, ...counted, logE, maxLogE, logBound, proved };
  }),
});

const marginsOf = ({ plan }: Rollout, { signal, settleTolerate }: PlanSignal): ExplainedSignal['margins'] => [
  ...plan.tracks.flatMap(({ name: track, stages }) =>
    stages.map(({ name: stage, tolerate }) => ({ track, stage, tolerate: tolerate[signal] ?? null })),
  ),
  { track: '*', stage: WATCH, tolerate: settleTolerate },
];

const OUTCOMES = 'outcomes reported by instances (POST /v1/outcomes)';

const ON_FAIL = { 'roll-back': 'takes the rollout back', hold: 'holds the rollout', warn: 'is recorded and borne' };

/** Where its counts come from, and what follows from that. */
const sourceOf = ({ source, limit, onFail, worse }: PlanSignal): string => {
  const counted = source === null ? OUTCOMES : `counted by ${source}, without units: approximate and outside alpha`;
  const limited = limit === null ? [] : [`limit ${worse === 'lower' ? 'at least' : 'at most'} ${limit}`];
  const failing = source === null && onFail === 'roll-back' ? [] : [`a fail ${ON_FAIL[onFail]}`];
  return [counted, ...limited, ...failing].join('; ');
};

const freshnessOf = (signal: PlanSignal, seen: readonly TargetSeen[]): ExplainedSignal['freshness'] =>
  seen.map((target) => {
    const span = measuredSpan(target, signal);
    return { target: target.target, measuredUntil: span === undefined ? null : iso(span.until) };
  });

const parityView = (
  { plan }: Rollout,
  parity: RolloutView['parity'][number],
  compared: readonly Compared[],
): EvidenceView['parity'][number] => ({
  ...parity,
  comparisons: comparisonsOf(plan, parity, compared).map(({ left, right, pairs, leftOnly, rightOnly, lastAt }) => ({
    left,
    right,
    pairs,
    leftOnly,
    rightOnly,
    lastAt: iso(lastAt),
  })),
});

/** As it is known now; once the ids of units are forgotten, as it was recorded. */
const leftoversOf = ({ targets }: Rollout, seen: readonly TargetSeen[]): EvidenceView['leftovers'] =>
  Object.entries(targets).flatMap(([target, recorded]) => {
    const known = seen.find((each) => each.target === target)?.leftover;
    const leftover = known ?? recorded.leftover;
    if (leftover === null) return [];
    const units = Math.max(leftover.units, recorded.leftover?.units ?? 0);
    return [{ target, ...leftoverView({ ...leftover, units }) }];
  });

/**
 * What the verdicts of a rollout rest on, folded anew from its stored looks: it costs what they cost, and changes
 * nothing. `signals`: only these; default all of the plan. `verdicts` and `parity` are those that stand.
 */
export const explain = async (
  rollout: Rollout,
  evidence: Evidence,
  { verdicts, parity }: Pick<RolloutView, 'verdicts' | 'parity'>,
  signals?: readonly string[],
): Promise<EvidenceView> => {
  const { plan } = rollout;
  const wanted = plan.signals.filter(({ signal }) => signals?.includes(signal) ?? true);
  const names = wanted.map(({ signal }) => signal);
  const explanation = new Explanation(rollout, names);
  const counts = new SliceTable(wanted);
  let [looks, look, digest] = [0, 0, ''];
  let compactedAt: number | null = null;
  for (;;) {
    const page = await evidence.readLooks(rollout.id, look, PAGE);
    for (const each of page) {
      explanation.fold(each);
      counts.addBad(each);
      digest = each.compacted?.chain ?? chainedDigest(digest, each.digest);
      looks += each.compacted?.looks ?? 1;
      compactedAt = each.compacted?.at ?? compactedAt;
    }
    look = page.at(-1)?.look ?? look;
    if (page.length < PAGE) break;
    await turn();
  }
  counts.setRequests(await evidence.requests(rollout.id));
  const targets = plan.tracks.flatMap((track) => track.targets.map(({ target }) => target));
  const seen = await evidence.lastSeen(rollout.id, targets);
  const asked = parity.filter(({ signal }) => signals?.includes(signal) ?? true);
  const compared = asked.length === 0 ? [] : await evidence.comparisons(rollout.id);
  return {
    rollout: rollout.id,
    config: rollout.config,
    revision: rollout.revision,
    alpha: plan.alpha,
    assignment: rollout.assignment,
    looks,
    look,
    digest,
    compactedAt: compactedAt === null ? null : iso(compactedAt),
    grid: [...RATIO_GRID],
    promotionGrid: [...PROMOTION_GRID],
    signals: wanted.map((signal) => ({
      signal: signal.signal,
      title: signal.title,
      type: signal.type,
      shadow: signal.shadow,
      harm: signal.harm,
      worse: signal.worse,
      source: sourceOf(signal),
      verdicts: verdicts.filter((verdict) => verdict.signal === signal.signal),
      pools: explanation.of(signal.signal).map((pool) => poolView(pool, counts.of(signal.signal))),
      margins: marginsOf(rollout, signal),
      freshness: freshnessOf(signal, seen),
    })),
    parity: asked.map((each) => parityView(rollout, each, compared)),
    leftovers: leftoversOf(rollout, seen),
  };
};

type SliceUnits = { readonly target: string; readonly model: string; readonly units: number };

/** Without the slices on which fewer than `below` units were seen: who they were could be guessed. Verdicts still rest on them. */
export const hideFew = (view: EvidenceView, seen: readonly SliceUnits[], below: number): EvidenceView => {
  const few = (count: number): boolean => count > 0 && count < below;
  const isHidden = ({ target, model, candidateRequests, controlRequests }: ExplainedSlice): boolean =>
    few(candidateRequests) ||
    few(controlRequests) ||
    seen.some((slice) => slice.target === target && slice.model === model && few(slice.units));
  return {
    ...view,
    signals: view.signals.map((signal) => ({
      ...signal,
      pools: signal.pools.map((pool) => {
        const slices = pool.slices.filter((slice) => !isHidden(slice));
        const hidden = pool.slices.length - slices.length;
        return hidden === 0 ? pool : { ...pool, slices, hidden: { slices: hidden, below } };
      }),
    })),
  };
};

/** The stored looks after one, as they were folded, a page of them. */
export const lookList = async (
  rollout: string,
  evidence: Evidence,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<LookList> => {
  const looks = await evidence.readLooks(rollout, after, limit);
  return {
    // Stored members stand in alphabetical order and names are of ASCII, so this is the text that the digest is of.
    items: looks.map(({ look, at, digest, cells, compacted }) => ({
      look,
      at: iso(at),
      digest,
      cells: JSON.stringify(cells),
      compacted: compacted === undefined ? null : { ...compacted, at: iso(compacted.at) },
    })),
    next: looks.length < limit ? null : (looks.at(-1)?.look ?? null),
  };
};
