import type { Door } from '#test/kit/http';
import { armsOf, type TinyFleet } from '#test/kit/tiny-fleet';

/** What an instance of a target evaluated with from a moment on. */
export type Sighting = {
  readonly target: string;
  /** Which one, where a target has several. */
  readonly instance?: string;
  readonly generation: number;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly arms: Readonly<Record<string, ReturnType<typeof armsOf>>>;
};

/** Revisions of a config that requests on a target were served with under a generation. */
export type Evaluation = {
  readonly target: string;
  readonly generation: number;
  readonly config: string;
  readonly revision: number;
};

/** Writes down every ruleset that a fleet takes. It looks whenever the fleet is about to call a controller. */
export class Sightings {
  readonly #seen: Sighting[] = [];
  readonly #newest = new Map<string, unknown>();
  #fleet: TinyFleet | undefined;

  get all(): readonly Sighting[] {
    return this.#seen;
  }

  of(fleet: TinyFleet): void {
    this.#fleet = fleet;
  }

  /** The way to the controller that the fleet is given. */
  watch(door: () => Door): () => Door {
    return () => {
      this.#look();
      return door();
    };
  }

  #look(): void {
    for (const [target, ruleset] of this.#fleet?.rulesets ?? []) {
      if (this.#newest.get(target) === ruleset) continue;
      this.#newest.set(target, ruleset);
      const arms = Object.fromEntries(Object.keys(ruleset.flags).map((config) => [config, armsOf(ruleset, config)]));
      this.#seen.push({ target, generation: Number(ruleset.metadata.version), at: Date.now(), arms });
    }
  }
}
