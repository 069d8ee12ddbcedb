import { Delivery } from '#libs/application';
import type { JsonObject } from '#libs/kernel';

type Observation = Awaited<ReturnType<Delivery['observe']>>;

/** What instances acknowledge is read again no more often than this, whatever number of rollouts asks. */
const KEPT_MS = 100;

/** Delivery whose observations are shared by all rollouts of a target for a moment. */
export class SharedObservations extends Delivery {
  readonly #delivery: Delivery;
  readonly #kept = new Map<string, { readonly at: number; readonly observation: Promise<Observation> }>();

  constructor(delivery: Delivery) {
    super();
    this.#delivery = delivery;
  }

  apply(target: string, ruleset: JsonObject, generation: number): ReturnType<Delivery['apply']> {
    return this.#delivery.apply(target, ruleset, generation);
  }

  read(target: string): ReturnType<Delivery['read']> {
    return this.#delivery.read(target);
  }

  override heldForm(target: string, ruleset: JsonObject): JsonObject {
    return this.#delivery.heldForm(target, ruleset);
  }

  observe(target: string): Promise<Observation> {
    const now = performance.now();
    const kept = this.#kept.get(target);
    if (kept && now - kept.at < KEPT_MS) return kept.observation;
    const observation = this.#delivery.observe(target);
    this.#kept.set(target, { at: now, observation });
    observation.catch(() => this.#kept.delete(target));
    return observation;
  }
}
