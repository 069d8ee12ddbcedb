import { createHash } from 'node:crypto';
import {
  evidenceSpecOf,
  foldLook,
  judge,
  judgedScopes,
  LOOK_BACK_MS,
  recordedVerdict,
  startEvidence,
  violationsOfArms,
  type OnTrial,
  type RecordedVerdict,
  type Rollout,
  type RolloutEvidence,
  type SliceCounts,
} from '#libs/domain';
import type { Evidence, StoredLook, ViolationReport } from '../ports.js';

type Cell = { readonly signal: string; readonly target: string; readonly model: string };
type Folded = { state: RolloutEvidence; look: number; digest: string };

const digestOf = (before: string, look: string): string =>
  createHash('sha256').update(before).update(look).digest('hex');

type Totals = Awaited<ReturnType<Evidence['totals']>>;

/** Requests in which the signal was not measured say nothing of it. */
const slicesOf = (signal: string, { slices, bad, unmeasured }: Totals): SliceCounts[] =>
  slices.map(({ target, model, candidateRequests, controlRequests }) => {
    const isMine = (cell: Cell): boolean => cell.signal === signal && cell.target === target && cell.model === model;
    const { candidateBad = 0, controlBad = 0 } = bad.find(isMine) ?? {};
    const blind = unmeasured.find(isMine);
    return {
      target,
      model,
      candidateBad,
      candidateRequests: candidateRequests - (blind?.candidateRequests ?? 0),
      controlBad,
      controlRequests: controlRequests - (blind?.controlRequests ?? 0),
    };
  });

/** Request ids stay in the unit store: an event lives for ever. */
const named = (sentence: string, type: 'invariant' | 'rate', report: ViolationReport | undefined): string => {
  const first = report?.first;
  if (type !== 'invariant' || !first) return sentence;
  return `${sentence}; first seen on ${first.target} × ${first.model} by instance ${first.instance}, reported by ${first.reporter}`;
};

/** Folds what arrived into each rollout's evidence and judges it. Its memory is only a cache of the stored looks. */
export class Evaluator {
  readonly #evidence: Evidence;
  readonly #onTrial: OnTrial;
  readonly #folded = new Map<string, Folded>();

  constructor(evidence: Evidence, onTrial: OnTrial) {
    this.#evidence = evidence;
    this.#onTrial = onTrial;
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
    return judgedScopes(rollout).flatMap((scope) =>
      rollout.plan.signals.map(({ signal, type }) => {
        const report = reports.get(signal);
        const verdict = judge(folded.state, signal, {
          tolerate: scope.tolerate(signal),
          targets: scope.targets,
          minRequests: Math.max(1, scope.samples),
          counts: slicesOf(signal, totals),
          ...(report ? { violations: violationsOfArms(rollout, signal, report, this.#onTrial) } : {}),
        });
        return recordedVerdict(verdict, scope, {
          digest: folded.digest,
          sentence: named(verdict.sentence, type, report),
        });
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
    const folded: Folded = known ?? { state: startEvidence(evidenceSpecOf(rollout)), look: 0, digest: '' };
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
