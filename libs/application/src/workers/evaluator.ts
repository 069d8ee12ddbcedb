import { createHash } from 'node:crypto';
import {
  foldLook,
  judge,
  startEvidence,
  trackOf,
  type RecordedVerdict,
  type ResolvedPlan,
  type Rollout,
  type RolloutEvidence,
  type SliceCounts,
  type Verdict,
} from '#libs/domain';
import type { BadTotals, Evidence, SliceTotals, StoredLook, ViolationReport } from '../ports.js';

const LOOK_BACK_MS = 24 * 3_600_000;

type Folded = { state: RolloutEvidence; look: number; digest: string };

const digestOf = (before: string, look: string): string =>
  createHash('sha256').update(before).update(look).digest('hex');

const marginsOf = (plan: ResolvedPlan): number[] => {
  const margins = new Set<number>();
  for (const { settleTolerate } of plan.signals) if (settleTolerate !== null) margins.add(settleTolerate);
  for (const track of plan.tracks) {
    for (const stage of track.stages)
      for (const margin of Object.values(stage.tolerate)) if (margin !== null) margins.add(margin);
  }
  return [...margins].toSorted((a, b) => a - b);
};

const startOf = (rollout: Rollout): RolloutEvidence =>
  startEvidence({
    alpha: rollout.plan.alpha,
    assignment: rollout.assignment,
    signals: rollout.plan.signals.map(({ signal, type, harm, shadow, weight, title }) => ({
      signal,
      type,
      harm,
      shadow,
      weight,
      title,
    })),
    cells: rollout.plan.tracks.flatMap(({ targets }) =>
      targets.flatMap(({ target, models }) => models.map((model) => ({ target, model }))),
    ),
    margins: marginsOf(rollout.plan),
  });

const slicesOf = (signal: string, slices: readonly SliceTotals[], bad: readonly BadTotals[]): SliceCounts[] =>
  slices.map(({ target, model, candidateRequests, controlRequests }) => {
    const mine = bad.find((cell) => cell.signal === signal && cell.target === target && cell.model === model);
    const candidateBad = mine?.candidateBad ?? 0;
    return { target, model, candidateBad, candidateRequests, controlBad: mine?.controlBad ?? 0, controlRequests };
  });

/** Request ids stay in the unit store: an event lives for ever. */
const named = (sentence: string, type: 'invariant' | 'rate', report: ViolationReport | undefined): string => {
  const first = report?.first;
  if (type !== 'invariant' || !first) return sentence;
  return `${sentence}; first seen on ${first.target} × ${first.model} by instance ${first.instance}, reported by ${first.reporter}`;
};

type Scope = {
  readonly track: string | null;
  readonly stage: string | null;
  readonly targets: readonly string[] | null;
  readonly tolerate: (signal: string) => number | null;
};

/** What must be judged now: each track that is in a stage by its own margins, or the whole rollout in its watch. */
const scopesOf = (rollout: Rollout): Scope[] => {
  const staged = rollout.plan.tracks.flatMap((track): Scope[] => {
    const stage = track.stages[trackOf(rollout, track.name).stage];
    if (!stage) return [];
    const targets = track.targets.map(({ target }) => target);
    return [{ track: track.name, stage: stage.name, targets, tolerate: (signal) => stage.tolerate[signal] ?? null }];
  });
  if (rollout.status === 'staging') return staged;
  const settle = (signal: string): number | null =>
    rollout.plan.signals.find((candidate) => candidate.signal === signal)?.settleTolerate ?? null;
  return [{ track: null, stage: 'watch', targets: null, tolerate: settle }];
};

/** Folds what arrived into each rollout's evidence and judges it. Its memory is only a cache of the stored looks. */
export class Evaluator {
  readonly #evidence: Evidence;
  readonly #folded = new Map<string, Folded>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  forget(rollout: string): void {
    this.#folded.delete(rollout);
  }

  /** Takes a look at what newly arrived and judges every signal in every scope that waits for it. */
  async evaluate(rollout: Rollout, now: number): Promise<readonly RecordedVerdict[]> {
    const look = await this.#evidence.foldLook(rollout.id, now);
    const folded = await this.#catchUp(rollout, look);
    const totals = await this.#evidence.totals(rollout.id);
    const reports = await this.#violations(rollout, now);
    return scopesOf(rollout).flatMap((scope) =>
      rollout.plan.signals.map(({ signal, type }) => {
        const report = reports.get(signal);
        const verdict = judge(folded.state, signal, {
          tolerate: scope.tolerate(signal),
          targets: scope.targets,
          counts: slicesOf(signal, totals.slices, totals.bad),
          ...(report
            ? { violations: { candidate: report.candidate, controlInLookback: report.controlInLookback } }
            : {}),
        });
        return recorded(verdict, scope, folded, named(verdict.sentence, type, report));
      }),
    );
  }

  async #violations(rollout: Rollout, now: number): Promise<ReadonlyMap<string, ViolationReport>> {
    const targets = Object.entries(rollout.targets).flatMap(([target, { wanted }]) => (wanted ? [target] : []));
    const invariants = rollout.plan.signals.filter(({ type }) => type === 'invariant');
    const reports = await Promise.all(
      invariants.map(({ signal }) =>
        this.#evidence.violations(rollout.id, signal, { lookBackMs: LOOK_BACK_MS, now, targets }),
      ),
    );
    return new Map(
      invariants
        .map(({ signal }, index) => [signal, reports[index]] as const)
        .flatMap(([signal, report]) => (report ? [[signal, report]] : [])),
    );
  }

  async #catchUp(rollout: Rollout, newest: StoredLook): Promise<Folded> {
    const known = this.#folded.get(rollout.id);
    const folded: Folded = known ?? { state: startOf(rollout), look: 0, digest: '' };
    const missed = newest.look > folded.look + 1 ? await this.#evidence.readLooks(rollout.id, folded.look) : [newest];
    for (const look of missed) this.#fold(folded, look);
    if (folded.look < newest.look) this.#fold(folded, newest);
    this.#folded.set(rollout.id, folded);
    return folded;
  }

  #fold(folded: Folded, look: StoredLook): void {
    if (look.look <= folded.look) return;
    folded.state = foldLook(folded.state, look);
    folded.look = look.look;
    if (look.cells.length > 0) folded.digest = digestOf(folded.digest, look.digest);
  }
}

const recorded = (verdict: Verdict, scope: Scope, folded: Folded, sentence: string): RecordedVerdict => ({
  signal: verdict.signal,
  track: scope.track,
  stage: scope.stage,
  verdict: verdict.verdict,
  shadow: verdict.shadow,
  sentence,
  method: verdict.method,
  counts: { ...verdict.counts },
  ratio: verdict.ratio,
  interval: verdict.interval === null ? null : [verdict.interval[0], verdict.interval[1]],
  logE: verdict.logE,
  logBound: verdict.logBound,
  look: verdict.look,
  digest: folded.digest,
});
