import { UNIT_CAP } from './evidence-store.js';
import type { UnitFact } from './facts.js';

const MAX_SLICES = 2_000;

/** Remembers which units were written, so that units already counted cost no query. Forgetting costs only that. */
export class SeenUnits {
  private readonly slices = new Map<string, Set<string>>();

  /** Those that may still add to the activation of their slice. */
  fresh(units: readonly UnitFact[]): readonly UnitFact[] {
    return units.filter((fact) => {
      const seen = this.slices.get(sliceOf(fact));
      return seen === undefined || (seen.size < UNIT_CAP && !seen.has(fact.unit));
    });
  }

  /** Call after the commit. */
  written(units: readonly UnitFact[]): void {
    if (this.slices.size > MAX_SLICES) this.slices.clear();
    for (const fact of units) {
      const slice = sliceOf(fact);
      const seen = this.slices.get(slice) ?? new Set<string>();
      if (seen.size < UNIT_CAP) seen.add(fact.unit);
      this.slices.set(slice, seen);
    }
  }
}

const sliceOf = ({ rollout, target, model }: UnitFact): string => `${rollout} ${target} ${model}`;
