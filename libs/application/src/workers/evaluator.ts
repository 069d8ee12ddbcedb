import {
  judgedScopes,
  judgeScope,
  LOOK_BACK_MS,
  poolOf,
  recordedVerdict,
  violationsOfArms,
  type EvidencePool,
  type OnTrial,
  type RecordedVerdict,
  type Rollout,
  type SignalSpec,
} from '#libs/domain';
import type { Evidence, ObservedTotals, StoredLook, ViolationReport } from '../ports.js';
import { beforeRollout, isControlSilent, withBefore } from './before.js';
import { foldIn, startFolded, type Folded } from './folded.js';
import type { SnapshotKeeper } from './snapshot-keeper.js';

type Reports = ReadonlyMap<EvidencePool, ReadonlyMap<string, ViolationReport>>;

/** What is read beside the looks. `before`: by each signal without arms, what was counted before the rollout. */
type Beside = { readonly reports: Reports; readonly before: ReadonlyMap<string, readonly ObservedTotals[]> };

/** Request ids stay in the unit store: an event lives for ever. */
const named = (sentence: string, type: SignalSpec['type'], report: ViolationReport | undefined): string => {
  const first = report?.first;
  if (type !== 'invariant' || !first) return sentence;
  return `${sentence}; first seen on ${first.target} × ${first.model} by instance ${first.instance}, reported by ${first.reporter}`;
};

/** Folds what arrived into each rollout's evidence and judges it. Its memory is only a cache of the stored looks. */
export class Evaluator {
  readonly #evidence: Evidence;
  readonly #onTrial: OnTrial;
  /** Without one, whoever has no fold in memory folds every stored look. */
  readonly #keeper: SnapshotKeeper | undefined;
  readonly #folded = new Map<string, Folded>();

  constructor(evidence: Evidence, onTrial: OnTrial, keeper?: SnapshotKeeper) {
    this.#evidence = evidence;
    this.#onTrial = onTrial;
    this.#keeper = keeper;
  }

  async forget(rollout: string): Promise<void> {
    this.#folded.delete(rollout);
    await this.#keeper?.forget(rollout);
  }

  /** Takes a look at what newly arrived and judges every signal in every scope that waits for it. */
  async evaluate(rollout: Rollout, now: number): Promise<readonly RecordedVerdict[]> {
    const { look, requests } = await this.#evidence.takeLook(rollout.id, now);
    const folded = await this.#catchUp(rollout, look);
    const reports = await this.#violations(rollout, folded.pools, now);
    folded.counts.setRequests(requests);
    const names = await this.#withoutArms(rollout, folded);
    const before = await beforeRollout(rollout, names, this.#evidence);
    const verdicts = this.#judge(rollout, folded, { reports, before: new Map(names.map((name) => [name, before])) });
    this.#keeper?.offer(rollout.id, folded);
    return verdicts;
  }

  /** Signals that sources count of the slice as a whole: nothing came of control, and no source says that some will. */
  async #withoutArms(rollout: Rollout, { counts }: Folded): Promise<readonly string[]> {
    const silent = rollout.plan.signals.filter((each) => isControlSilent(each, counts.of(each.signal)));
    const told = silent.length === 0 ? [] : await this.#evidence.toldArms(rollout.id);
    return silent.flatMap(({ signal }) => (told.includes(signal) ? [] : [signal]));
  }

  #judge(rollout: Rollout, folded: Folded, { reports, before }: Beside): readonly RecordedVerdict[] {
    return judgedScopes(rollout).flatMap((scope) => {
      const pool = poolOf(folded.pools, scope);
      return rollout.plan.signals.map(({ signal, type }) => {
        const report = reports.get(pool)?.get(signal);
        const past = before.get(signal);
        const seen = folded.counts.of(signal);
        const counts = past === undefined ? seen : withBefore(seen, signal, past);
        const violations = report && violationsOfArms(rollout, signal, report, this.#onTrial);
        const verdict = judgeScope(pool, scope, signal, { counts, violations, isBefore: past !== undefined });
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

  /** Folds up to the newest look and no further: what is counted beside it is counted as of then. */
  async #catchUp(rollout: Rollout, newest: StoredLook): Promise<Folded> {
    const folded = this.#folded.get(rollout.id) ?? (await this.#restore(rollout, newest.look));
    if (newest.look > folded.look + 1)
      for (const look of await this.#evidence.readLooks(rollout.id, folded.look))
        if (look.look < newest.look) foldIn(folded, look);
    foldIn(folded, newest);
    this.#folded.set(rollout.id, folded);
    return folded;
  }

  async #restore(rollout: Rollout, newest: number): Promise<Folded> {
    const kept = newest > 1 ? await this.#keeper?.read(rollout, newest) : undefined;
    return kept ?? startFolded(rollout);
  }
}
