import { capabilitiesOf } from '#libs/contracts';
import type { Clock, JsonObject } from '#libs/kernel';
import {
  believable,
  differentRuleset,
  PlatformDriver,
  superseded,
  unservable,
  type Capabilities,
  type Heartbeat,
  type Observation,
  type Outcome,
  type TargetRuleset,
} from '../driver.js';
import type { RulesetSnapshot } from '../feed.js';
import { AcknowledgementWriter } from './acknowledgements.js';
import { CHANNEL, outcomeOfFailure, type Queryable } from './postgres.js';

const APPLY = `
with applied as (
  insert into delivery.rulesets as held (target, generation, ruleset) values ($1, $2, $3)
  on conflict (target) do update
  set generation = excluded.generation, ruleset = excluded.ruleset, applied_at = clock_timestamp()
  where held.generation < excluded.generation
  returning target, generation, applied_at
)
select applied_at as "appliedAt", pg_notify('${CHANNEL}', 'ruleset ' || generation || ' ' || target) from applied`;

const READ = 'select generation, ruleset::text as text from delivery.rulesets where target = $1';

const OBSERVE = `
select instance, known.generation, error, seen_at as "seenAt", coalesce(held.generation, 0) as current
from delivery.instances as known left join delivery.rulesets as held using (target)
where target = $1 and seen_at >= $2 order by instance`;

type HeldRow = { readonly generation: number; readonly text: string };
type InstanceRow = {
  readonly instance: string;
  readonly generation: number;
  readonly error: string | null;
  readonly seenAt: Date;
  readonly current: number;
};

export type PullDriverOptions = {
  readonly database: Queryable;
  readonly clock: Clock;
  /** Where this process serves from: it learns of its own applies without a round trip. */
  readonly feed?: { offer(snapshot: RulesetSnapshot): boolean };
  /** How long a heartbeat counts, in milliseconds. Default 15 s. */
  readonly leaseMs?: number;
  /** How long a silent instance is remembered, in milliseconds. Default 1 h. */
  readonly forgetAfterMs?: number;
};

/**
 * Delivers by letting fleets pull: the ruleset is a row that every controller serves (flagd sync, HTTP, OFREP) and
 * instances acknowledge what they evaluate with. Needs the schema `delivery`; 64-bit integers must arrive as numbers.
 */
export class PullDriver extends PlatformDriver {
  private readonly database: Queryable;
  private readonly leaseMs: number;
  private readonly forgetAfterMs: number;
  private readonly acknowledgements: AcknowledgementWriter;

  constructor(private readonly options: PullDriverOptions) {
    super();
    this.database = options.database;
    this.leaseMs = options.leaseMs ?? 15_000;
    this.forgetAfterMs = options.forgetAfterMs ?? 3_600_000;
    this.acknowledgements = new AcknowledgementWriter(this.database, this.forgetAfterMs);
  }

  capabilities(): Capabilities {
    return capabilitiesOf({ driver: 'pull', settings: {} });
  }

  async apply(target: string, ruleset: JsonObject, generation: number): Promise<Outcome> {
    const text = JSON.stringify(ruleset);
    const refusal = unservable(target, text, generation, this.capabilities().roomBytes);
    if (refusal !== undefined) return refusal;
    let appliedAt: number;
    try {
      const { rows } = await this.database.query<{ appliedAt: Date }>(APPLY, [target, generation, text]);
      const [applied] = rows;
      if (applied === undefined) return await this.compare(target, text, generation);
      appliedAt = applied.appliedAt.getTime();
    } catch (error) {
      return outcomeOfFailure(target, generation, error);
    }
    this.options.feed?.offer({ target, generation, ruleset, text, appliedAt });
    return { kind: 'applied', generation };
  }

  private async compare(target: string, text: string, generation: number): Promise<Outcome> {
    const held = await this.held(target);
    if (held === undefined || held.generation < generation) {
      const message = `Target ${target} was changed while generation ${generation} was applied: apply again.`;
      return { kind: 'conflict', reason: 'concurrent', current: held?.generation ?? null, message };
    }
    if (held.generation > generation) return superseded(target, generation, held.generation);
    return held.text === text ? { kind: 'applied', generation } : differentRuleset(target, generation);
  }

  async read(target: string): Promise<TargetRuleset | undefined> {
    const held = await this.held(target);
    return held && { generation: held.generation, ruleset: JSON.parse(held.text) as JsonObject };
  }

  private async held(target: string): Promise<HeldRow | undefined> {
    const { rows } = await this.database.query<HeldRow>(READ, [target]);
    return rows[0];
  }

  /** Of a target that its fleet pulls from here. */
  async observe(target: string): Promise<Observation> {
    return this.heard(target, undefined);
  }

  /** What instances acknowledged, where rulesets go another way; `current` is the newest generation asked of the target. */
  async heard(target: string, current: number | undefined): Promise<Observation> {
    const now = this.options.clock.now();
    const { rows } = await this.database.query<InstanceRow>(OBSERVE, [target, new Date(now - this.forgetAfterMs)]);
    const known = rows.map(({ instance, generation, error, seenAt, current: held }) =>
      believable(target, { instance, generation, seenAt: seenAt.getTime(), error }, current ?? held),
    );
    const since = now - this.leaseMs;
    return {
      instances: known.filter((instance) => instance.seenAt > since),
      silent: known.filter((instance) => instance.seenAt <= since),
      leaseMs: this.leaseMs,
    };
  }

  /**
   * A heartbeat of an instance at `now` (epoch milliseconds). Resolves when it is durable; rejects when the database
   * did not take it. One that is older than the last known changes nothing.
   */
  acknowledge(target: string, instance: string, heartbeat: Heartbeat, now: number): Promise<void> {
    return this.acknowledgements.add(target, instance, heartbeat, now);
  }

  /** An instance says that it ends: nobody waits for it, nor wonders why it says nothing any more. */
  leave(target: string, instance: string): Promise<void> {
    return this.acknowledgements.leave(target, instance);
  }
}
