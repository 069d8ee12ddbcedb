import type { ResolvedPlan } from '../events/index.js';
import { harmSources } from './sources.js';
import { type Scenario, type ScenarioChange } from './scenario.js';

/** When an invariant is expected to be seen violated in a stage, and how likely that is before the stage could end. */
export type Outlook = {
  readonly signal: string;
  readonly track: string;
  readonly stage: string;
  /** Mean time to the first violation at the exposure of this stage alone, in ms. */
  readonly expectedMs: number;
  /** Chance of at least one within the stage's bake. */
  readonly withinBake: number;
  /** Mean number of candidate requests to the first violation. */
  readonly requests: number;
};

type Pace = { hits: number; requests: number };

const paceOf = (scenario: Scenario, change: ScenarioChange, signal: string, targets: readonly string[]): Pace => {
  const pace = { hits: 0, requests: 0 };
  for (const { slice, fault, blamed, needs, rateAt } of harmSources(scenario)) {
    if (blamed !== change.change || fault.signal !== signal || needs.length > 1) continue;
    if (!targets.includes(slice.target.target)) continue;
    pace.hits += (slice.perSecond * rateAt(change.startsAt)) / (fault.sticky?.requests ?? 1);
    pace.requests += slice.perSecond;
  }
  return pace;
};

/** The outlook of each invariant in each stage of a change's plan, from the scenario's own rates and mean traffic. */
export const outlookOf = (scenario: Scenario, change: ScenarioChange, plan: ResolvedPlan): readonly Outlook[] =>
  plan.signals
    .filter(({ type }) => type === 'invariant')
    .flatMap(({ signal }) =>
      plan.tracks.flatMap((track) => {
        const { hits, requests } = paceOf(
          scenario,
          change,
          signal,
          track.targets.map(({ target }) => target),
        );
        if (hits === 0) return [];
        return track.stages.map(({ name, exposureBp, bakeMs }): Outlook => {
          const perMs = (hits * exposureBp) / 10_000 / 1_000;
          return {
            signal,
            track: track.name,
            stage: name,
            expectedMs: 1 / perMs,
            withinBake: -Math.expm1(-perMs * bakeMs),
            requests: Math.round(requests / hits),
          };
        });
      }),
    );
