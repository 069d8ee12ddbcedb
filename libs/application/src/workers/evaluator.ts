import { createHash } from 'node:crypto';
import {
  foldPools,
  judgedScopes,
  judgeScope,
  LOOK_BACK_MS,
  poolOf,
  recordedVerdict,
  startPools,
  violationsOfArms,
  type EvidencePool,
  type OnTrial,
  type RecordedVerdict,
  type Rollout,
} from '#libs/domain';
import type { Evidence, StoredLook, ViolationReport } from '../ports.js';
import { SliceTable } from './slice-table.js';

type Reports = ReadonlyMap<EvidencePool, ReadonlyMap<string, ViolationReport>>;
type Folded = { readonly pools: readonly EvidencePool[]; readonly counts: SliceTable; look: number; digest: string };

const startFolded = (rollout: Rollout): Folded => ({
  pools: startPools(rollout),
  counts: new SliceTable(rollout.plan.signals.map(({ signal }) => signal)),
  look: 0,
  digest: '',
});

const digestOf = (before: string, look: string): string =>
  createHash('sha256').update(before).update(look).digest('hex');

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
    const [requests, reports] = await Promise.all([
      this.#evidence.requests(rollout.id),
      this.#violations(rollout, folded.pools, now),
    ]);
    folded.counts.setRequests(requests);
    return judgedScopes(rollout).flatMap((scope) => {
      const pool = poolOf(folded.pools, scope);
      return rollout.plan.signals.map(({ signal, type }) => {
        const report = reports.get(pool)?.get(signal);
        const counts = folded.counts.of(signal);
        const violations = report && violationsOfArms(rollout, signal, report, this.#onTrial);
        const verdict = judgeScope(pool, scope, signal, { counts, violations });
        return recordedVerdict(verdict, scope, {
          digest: folded.digest,
          sentence: named(verdict.sentence, type, report),
        });
      });
    });
  }

  async #violations(rollout: Rollout, pools: readonly EvidencePool[], now: number): Promise<Reports> {
    const invariants = rollout.plan.signals.filter(({ type }) => type === 'invariant');
    const reported = pools.map(async (pool) => {
      const targets = pool.targets.filter((target) => rollout.targets[target]?.wanted);
      const options = { lookBackMs: LOOK_BACK_MS, now, targets };
      const reports = invariants.map(
        async ({ signal }) => [signal, await this.#evidence.violations(rollout.id, signal, options)] as const,
      );
      return [pool, new Map(await Promise.all(reports))] as const;
    });
    return new Map(await Promise.all(reported));
  }

  async #catchUp(rollout: Rollout, newest: StoredLook): Promise<Folded> {
    const known = this.#folded.get(rollout.id);
    const folded = known ?? startFolded(rollout);
    const missed = newest.look > folded.look + 1 ? await this.#evidence.readLooks(rollout.id, folded.look) : [newest];
    for (const look of missed) this.#fold(folded, look);
    if (folded.look < newest.look) this.#fold(folded, newest);
    this.#folded.set(rollout.id, folded);
    return folded;
  }

  #fold(folded: Folded, look: StoredLook): void {
    if (look.look <= folded.look) return;
    foldPools(folded.pools, look);
    folded.look = look.look;
    folded.counts.addBad(look);
    if (look.cells.length > 0) folded.digest = digestOf(folded.digest, look.digest);
  }
}
