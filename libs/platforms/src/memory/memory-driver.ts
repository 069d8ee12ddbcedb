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
  type Instance,
  type Observation,
  type Outcome,
  type TargetRuleset,
} from '../driver.js';
import { RulesetCache } from '../feed.js';

/** A platform that lives in this process. Several drivers over one behave like several controllers. */
export class MemoryPlatform {
  readonly feed = new RulesetCache();
  readonly instances = new Map<string, Map<string, Instance>>();
  private broken: 'before-effect' | 'after-effect' | undefined;

  /** Makes the next apply end as `unknown`, without its effect or with it. */
  breakNext(when: 'before-effect' | 'after-effect'): void {
    this.broken = when;
  }

  takeFault(): 'before-effect' | 'after-effect' | undefined {
    const fault = this.broken;
    this.broken = undefined;
    return fault;
  }
}

/** Delivers within the process: for simulations on a virtual clock and for tests. */
export class MemoryDriver extends PlatformDriver {
  constructor(
    private readonly clock: Clock,
    readonly platform: MemoryPlatform = new MemoryPlatform(),
    /** How long a heartbeat counts, in milliseconds. */
    private readonly leaseMs: number = 15_000,
  ) {
    super();
  }

  capabilities(): Capabilities {
    return capabilitiesOf({ driver: 'pull', settings: {} });
  }

  apply(target: string, ruleset: JsonObject, generation: number): Promise<Outcome> {
    const fault = this.platform.takeFault();
    const lost: Outcome = {
      kind: 'unknown',
      message: `Target ${target} did not answer: read it before trying generation ${generation} again.`,
    };
    if (fault === 'before-effect') return Promise.resolve(lost);
    const outcome = this.applyNow(target, ruleset, generation);
    return Promise.resolve(fault === 'after-effect' ? lost : outcome);
  }

  private applyNow(target: string, ruleset: JsonObject, generation: number): Outcome {
    const text = JSON.stringify(ruleset);
    const refusal = unservable(target, text, generation, this.capabilities().roomBytes);
    if (refusal !== undefined) return refusal;
    const applied: Outcome = { kind: 'applied', generation };
    if (this.platform.feed.offer({ target, generation, ruleset, text, appliedAt: this.clock.now() })) return applied;
    const current = this.platform.feed.current(target);
    if (current !== undefined && current.generation > generation) {
      return superseded(target, generation, current.generation);
    }
    return current?.text === text ? applied : differentRuleset(target, generation);
  }

  read(target: string): Promise<TargetRuleset | undefined> {
    const snapshot = this.platform.feed.current(target);
    return Promise.resolve(snapshot && { generation: snapshot.generation, ruleset: snapshot.ruleset });
  }

  observe(target: string): Promise<Observation> {
    const since = this.clock.now() - this.leaseMs;
    const current = this.platform.feed.generation(target);
    const known = [...(this.platform.instances.get(target)?.values() ?? [])]
      .sort((a, b) => (a.instance < b.instance ? -1 : 1))
      .map((instance) => believable(target, instance, current));
    return Promise.resolve({
      instances: known.filter((instance) => instance.seenAt > since),
      silent: known.filter((instance) => instance.seenAt <= since),
      leaseMs: this.leaseMs,
    });
  }

  /** A heartbeat of an instance at `now` (epoch milliseconds); an older one than the last changes nothing. */
  acknowledge(target: string, instance: string, heartbeat: Heartbeat, now: number): Promise<void> {
    const instances = this.platform.instances.get(target) ?? new Map<string, Instance>();
    this.platform.instances.set(target, instances);
    if ((instances.get(instance)?.seenAt ?? 0) <= now) {
      const { generation, error = null } = heartbeat;
      instances.set(instance, { instance, generation, seenAt: now, error });
    }
    return Promise.resolve();
  }
}
