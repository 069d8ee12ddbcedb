import type { JsonObject } from '#libs/kernel';

type Held = { readonly generation: number; readonly ruleset: JsonObject };
type Instance = {
  readonly instance: string;
  readonly generation: number;
  readonly seenAt: number;
  readonly error: string | null;
};
type Fault = 'refuses' | 'does not answer' | 'forgets to answer';

export type Applied =
  | { readonly kind: 'applied'; readonly generation: number }
  | { readonly kind: 'conflict'; readonly reason: string; readonly current: number; readonly message: string }
  | { readonly kind: 'unknown'; readonly message: string };

/**
 * Targets in memory. A fault can be put on a target: it `refuses` every apply, `does not answer` anything, or
 * `forgets to answer` although it did what it was asked to.
 */
export class MemoryDelivery {
  readonly #held = new Map<string, Held>();
  readonly #instances = new Map<string, readonly Instance[]>();
  readonly #faults = new Map<string, Fault>();
  /** Every ruleset that took effect, in order. */
  readonly applied: { readonly target: string; readonly generation: number }[] = [];

  breaks(target: string, fault: Fault): void {
    this.#faults.set(target, fault);
  }

  heals(target: string): void {
    this.#faults.delete(target);
  }

  async apply(target: string, ruleset: JsonObject, generation: number): Promise<Applied> {
    const fault = this.#faults.get(target);
    if (fault === 'does not answer') throw new Error(`${target} does not answer`);
    if (fault === 'refuses') return { kind: 'unknown', message: `${target} is out of order` };
    const current = this.#held.get(target)?.generation ?? 0;
    if (current > generation) {
      return { kind: 'conflict', reason: 'superseded', current, message: `${target} holds ${current} already` };
    }
    if (current < generation) {
      this.#held.set(target, { generation, ruleset });
      this.applied.push({ target, generation });
    }
    return fault === undefined
      ? { kind: 'applied', generation }
      : { kind: 'unknown', message: `${target} was cut off before it answered` };
  }

  async read(target: string): Promise<Held | undefined> {
    this.#mustAnswer(target);
    return this.#held.get(target);
  }

  heldForm(_target: string, ruleset: JsonObject): JsonObject {
    return ruleset;
  }

  async observe(target: string): Promise<{ readonly instances: readonly Instance[] }> {
    this.#mustAnswer(target);
    return { instances: this.#instances.get(target) ?? [] };
  }

  /** What the target serves, whether or not it answers us. */
  serves(target: string): Held | undefined {
    return this.#held.get(target);
  }

  /** The target's instances say which generation they evaluate with. */
  acknowledges(target: string, instances: readonly Instance[]): void {
    this.#instances.set(target, instances);
  }

  #mustAnswer(target: string): void {
    if (this.#faults.get(target) === 'does not answer') throw new Error(`${target} does not answer`);
  }
}
