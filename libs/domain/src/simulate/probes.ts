import type { Chance } from './chance.js';
import {
  isIn,
  slicesOf,
  type ProbeFault,
  type Scenario,
  type ScenarioChange,
  type ScenarioSignal,
  type Slice,
} from './scenario.js';
import type { SimulatedRollout } from './run.js';

/** What a paired probe saw on one slice at one batch size, over all its runs. */
export type ProbeRow = {
  readonly signal: string;
  readonly target: string;
  readonly model: string;
  readonly batchSize: number;
  prompts: number;
  /** The candidate alone disagreed with the reference, and control alone did. */
  candidateOnly: number;
  controlOnly: number;
};

export type ProbeCounts = readonly ProbeRow[];

type Probed = { readonly change: ScenarioChange; readonly run: SimulatedRollout | null };

/** Runs the paired probes of a scenario: fresh prompts to both arms at each batch size, compared with a reference. */
export class Probes {
  readonly #scenario: Scenario;
  readonly #chance: Chance;
  readonly #slices: readonly Slice[];
  readonly #rows = new Map<string, ProbeRow[]>();
  readonly #ranAt = new Map<string, number>();

  constructor(scenario: Scenario, chance: Chance) {
    this.#scenario = scenario;
    this.#chance = chance;
    this.#slices = slicesOf(scenario);
  }

  countsOf(change: string): ProbeCounts {
    const known = this.#rows.get(change) ?? [];
    this.#rows.set(change, known);
    return known;
  }

  /** Runs every probe that is due in the rollouts that are judged by it. */
  run(open: readonly Probed[], now: number): void {
    for (const { change, run } of open) {
      if (!run?.isJudged) continue;
      for (const signal of this.#scenario.signals) {
        if (signal.probe === null || !run.plan.signals.some((each) => each.signal === signal.signal)) continue;
        const key = `${change.change}\u0000${signal.signal}`;
        if (now - (this.#ranAt.get(key) ?? run.rollout?.startedAt ?? now) < signal.probe.everyMs) continue;
        this.#ranAt.set(key, now);
        for (const slice of this.#slices) {
          if (run.shareOn(slice.target.target, now) > 0) this.#compare(run, slice, signal);
        }
      }
    }
  }

  #compare(run: SimulatedRollout, slice: Slice, signal: ScenarioSignal): void {
    const { prompts = 0, batchSizes = [] } = signal.probe ?? {};
    for (const batchSize of batchSizes) {
      const candidate = this.#faultOf(run, slice, signal, batchSize)?.disagreement ?? signal.base;
      const candidateOnly = this.#chance.binomial(prompts, candidate * (1 - signal.base));
      const controlOnly = this.#chance.binomial(prompts - candidateOnly, signal.base * (1 - candidate));
      run.tally.addProbe(slice, signal.signal, prompts, candidateOnly, controlOnly);
      const row = this.#rowOf(run.change.change, slice, signal.signal, batchSize);
      row.prompts += prompts;
      row.candidateOnly += candidateOnly;
      row.controlOnly += controlOnly;
    }
  }

  #faultOf(run: SimulatedRollout, slice: Slice, { signal }: ScenarioSignal, batchSize: number): ProbeFault | undefined {
    return this.#scenario.probeFaults.find(
      (fault) =>
        fault.change === run.change.change &&
        fault.signal === signal &&
        fault.batchSizes.includes(batchSize) &&
        isIn(fault.where, slice),
    );
  }

  #rowOf(change: string, slice: Slice, signal: string, batchSize: number): ProbeRow {
    const rows = this.#rows.get(change) ?? [];
    this.#rows.set(change, rows);
    const { model } = slice;
    const { target } = slice.target;
    const known = rows.find(
      (row) => row.signal === signal && row.target === target && row.model === model && row.batchSize === batchSize,
    );
    if (known) return known;
    const row = { signal, target, model, batchSize, prompts: 0, candidateOnly: 0, controlOnly: 0 };
    rows.push(row);
    return row;
  }
}
