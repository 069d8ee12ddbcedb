import type { Pool } from 'pg';
import { Together } from '#libs/postgres';
import type { BakeAsked, BakeClock } from './bakes.js';
import { advanceBakes, bakeKey, readBakes } from './bakes.js';
import type { EvidenceBell } from './evidence-bell.js';
import type {
  Assigned,
  Compared,
  ObservedAsked,
  ObservedTotals,
  RequestTotals,
  RolloutTotals,
  SliceActivation,
  Span,
  StageBake,
  StoredLook,
  TakenLook,
  TargetSeen,
  Traffic,
  ViolationOptions,
  ViolationReport,
} from './evidence-store.js';
import { EvidenceStore } from './evidence-store.js';
import type { LookAsked, LooksAsked } from './looks.js';
import { lookCount, readLooks, takeLooks } from './looks.js';
import { readObserved, readToldArms } from './observed.js';
import type { AssignmentsAsked } from './reads.js';
import {
  readActivation,
  readAssignments,
  readRequests,
  readTotals,
  readTraffic,
  readViolated,
  readViolations,
} from './reads.js';
import { readLastSeen, type SightAsked } from './sights.js';
import { readComparisons } from './postgres-comparison-intake.js';

const NO_VIOLATIONS: ViolationReport = { candidate: [], elsewhere: [], first: undefined };

/** The evidence in PostgreSQL; the pool stays its owner's. */
export class PostgresEvidenceStore extends EvidenceStore {
  private readonly taken: Together<LookAsked, TakenLook>;
  private readonly looks: Together<LooksAsked, readonly StoredLook[]>;
  private readonly served: Together<string, RequestTotals>;
  private readonly assigned: Together<AssignmentsAsked, readonly Assigned[]>;
  private readonly compared: Together<string, readonly Compared[]>;
  private readonly violated: Together<string, boolean>;
  private readonly activated: Together<string, readonly SliceActivation[]>;
  private readonly seen: Together<SightAsked, readonly TargetSeen[]>;
  private readonly bakes: Together<BakeAsked, number>;

  constructor(
    private readonly pool: Pool,
    private readonly bell: EvidenceBell,
    bakeClock: BakeClock = 'callers',
  ) {
    super();
    this.taken = new Together({ answer: (asked) => takeLooks(pool, asked), keyOf: ({ rollout }) => rollout });
    this.looks = new Together({ answer: (asked) => readLooks(pool, asked), keyOf: ({ rollout }) => rollout });
    this.served = new Together({ answer: (rollouts) => readRequests(pool, rollouts) });
    this.assigned = new Together({ answer: (asked) => readAssignments(pool, asked), keyOf: ({ rollout }) => rollout });
    this.compared = new Together({ answer: (rollouts) => readComparisons(pool, rollouts) });
    this.violated = new Together({ answer: (signals) => readViolated(pool, signals) });
    this.activated = new Together({ answer: (rollouts) => readActivation(pool, rollouts) });
    this.seen = new Together({ answer: (asked) => readLastSeen(pool, asked), keyOf: ({ rollout }) => rollout });
    this.bakes = new Together<BakeAsked, number>({
      answer: (asked) => advanceBakes(pool, asked, bakeClock),
      keyOf: bakeKey,
    });
  }

  override takeLook(rollout: string, at: number): Promise<TakenLook> {
    return this.taken.ask({ rollout, at });
  }

  override readLooks(rollout: string, afterLook: number, most?: number): Promise<readonly StoredLook[]> {
    return this.looks.ask({ rollout, after: afterLook, most: most ?? null });
  }

  override lookCount(rollout: string): Promise<number> {
    return lookCount(this.pool, rollout);
  }

  override requests(rollout: string): Promise<RequestTotals> {
    return this.served.ask(rollout);
  }

  override assignments(rollout: string, signal: string | null): Promise<readonly Assigned[]> {
    return this.assigned.ask({ rollout, signal });
  }

  override comparisons(rollout: string): Promise<readonly Compared[]> {
    return this.compared.ask(rollout);
  }

  override totals(rollout: string): Promise<RolloutTotals> {
    return readTotals(this.pool, rollout);
  }

  override activation(rollout: string): Promise<readonly SliceActivation[]> {
    return this.activated.ask(rollout);
  }

  override async violations(rollout: string, signal: string, options: ViolationOptions): Promise<ViolationReport> {
    const isViolated = await this.violated.ask(signal);
    return isViolated ? readViolations(this.pool, rollout, signal, options) : NO_VIOLATIONS;
  }

  override lastSeen(rollout: string, also: readonly string[] = []): Promise<readonly TargetSeen[]> {
    return this.seen.ask({ rollout, also });
  }

  override traffic(options: { readonly now: number; readonly spanMs: number }): Promise<Traffic> {
    return readTraffic(this.pool, options);
  }

  override before(asked: ObservedAsked): Promise<readonly ObservedTotals[]> {
    return readObserved(this.pool, asked);
  }

  override toldArms(rollout: string): Promise<readonly string[]> {
    return readToldArms(this.pool, rollout);
  }

  override advanceBake(
    rollout: string,
    track: string,
    stage: string,
    now: number,
    covered: Span | undefined,
    maxGapMs: number,
  ): Promise<number> {
    return this.bakes.ask({ rollout, track, stage, now, covered, maxGapMs });
  }

  override bakedMs(rollout: string): Promise<readonly StageBake[]> {
    return readBakes(this.pool, rollout);
  }

  override onEvidence(listener: (rollouts: readonly string[]) => void): () => void {
    return this.bell.listen(listener);
  }
}
