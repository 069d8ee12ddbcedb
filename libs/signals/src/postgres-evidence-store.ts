import type { Pool } from 'pg';
import type { EvidenceBell } from './evidence-bell.js';
import type {
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
import {
  readActivation,
  readLastSeen,
  readRequests,
  readTotals,
  readTraffic,
  readViolated,
  readViolations,
} from './reads.js';
import type { BigInteger } from './sql.js';
import { toNumber } from './sql.js';
import { Together } from './together.js';

const NO_VIOLATIONS: ViolationReport = { candidate: [], elsewhere: [], first: undefined };

const ADVANCE_BAKE = `
  insert into evidence.bakes as known (rollout, track, stage, baked_ms, advanced_at, covered_until, looked_since)
  values ($1, $2, $3, 0, $4::bigint, $4::bigint, $4::bigint)
  on conflict (rollout, track, stage) do update set
    baked_ms = known.baked_ms + greatest(0, $6::bigint - greatest(
      $5::bigint,
      coalesce(known.covered_until, known.advanced_at),
      case when $4::bigint - known.advanced_at > $7::bigint then $4::bigint - $7::bigint
        else coalesce(known.looked_since, known.advanced_at) end)),
    looked_since = case when $4::bigint - known.advanced_at > $7::bigint then $4::bigint - $7::bigint
      else coalesce(known.looked_since, known.advanced_at) end,
    covered_until = greatest(coalesce(known.covered_until, known.advanced_at), $6::bigint),
    advanced_at = greatest(known.advanced_at, $4::bigint)
  returning baked_ms`;

/** The evidence in PostgreSQL; the pool stays its owner's. */
export class PostgresEvidenceStore extends EvidenceStore {
  private readonly taken: Together<LookAsked, TakenLook>;
  private readonly looks: Together<LooksAsked, readonly StoredLook[]>;
  private readonly served: Together<string, RequestTotals>;
  private readonly violated: Together<string, boolean>;

  constructor(
    private readonly pool: Pool,
    private readonly bell: EvidenceBell,
  ) {
    super();
    this.taken = new Together({ answer: (asked) => takeLooks(pool, asked), keyOf: ({ rollout }) => rollout });
    this.looks = new Together({ answer: (asked) => readLooks(pool, asked), keyOf: ({ rollout }) => rollout });
    this.served = new Together({ answer: (rollouts) => readRequests(pool, rollouts) });
    this.violated = new Together({ answer: (signals) => readViolated(pool, signals) });
  }

  override takeLook(rollout: string, at: number): Promise<TakenLook> {
    return this.taken.ask({ rollout, at });
  }

  override readLooks(rollout: string, afterLook: number): Promise<readonly StoredLook[]> {
    return this.looks.ask({ rollout, after: afterLook });
  }

  override lookCount(rollout: string): Promise<number> {
    return lookCount(this.pool, rollout);
  }

  override requests(rollout: string): Promise<RequestTotals> {
    return this.served.ask(rollout);
  }

  override totals(rollout: string): Promise<RolloutTotals> {
    return readTotals(this.pool, rollout);
  }

  override activation(rollout: string): Promise<readonly SliceActivation[]> {
    return readActivation(this.pool, rollout);
  }

  override async violations(rollout: string, signal: string, options: ViolationOptions): Promise<ViolationReport> {
    const isViolated = await this.violated.ask(signal);
    return isViolated ? readViolations(this.pool, rollout, signal, options) : NO_VIOLATIONS;
  }

  override lastSeen(rollout: string, also: readonly string[] = []): Promise<readonly TargetSeen[]> {
    return readLastSeen(this.pool, rollout, also);
  }

  override traffic(options: { readonly now: number; readonly spanMs: number }): Promise<Traffic> {
    return readTraffic(this.pool, options);
  }

  override async advanceBake(
    rollout: string,
    track: string,
    stage: string,
    now: number,
    covered: Span | undefined,
    maxGapMs: number,
  ): Promise<number> {
    const { from, until } = covered ?? { from: now, until: now };
    const times = [now, from, Math.min(now, until), maxGapMs].map(Math.round);
    const { rows } = await this.pool.query<{ baked_ms: BigInteger }>(ADVANCE_BAKE, [rollout, track, stage, ...times]);
    return toNumber(rows[0]?.baked_ms ?? 0);
  }

  override async bakedMs(rollout: string): Promise<readonly StageBake[]> {
    const { rows } = await this.pool.query<{ track: string; stage: string; baked_ms: BigInteger }>(
      'select track, stage, baked_ms from evidence.bakes where rollout = $1 order by track, stage',
      [rollout],
    );
    return rows.map((row) => ({ track: row.track, stage: row.stage, bakedMs: toNumber(row.baked_ms) }));
  }

  override onEvidence(listener: (rollouts: readonly string[]) => void): () => void {
    return this.bell.listen(listener);
  }
}
