import type { OutcomeWindow } from '#libs/contracts';
import type { Fault, FleetTarget, Scenario } from '../scenario/index.js';
import { createAssignments, type Arrival, type Assigned } from './assignments.js';
import type { Evaluator } from './evaluator.js';
import { addServed, type TargetTruth } from './ground-truth.js';
import { createModelChooser, createServing, instanceRandom } from './serving.js';
import { createUnits } from './units.js';
import { createWindows } from './windows.js';

export type TrafficOptions = {
  readonly scenario: Scenario;
  readonly target: FleetTarget;
  /** Which of the target's instances, from 0. */
  readonly index: number;
  readonly instance: string;
  readonly key: Buffer;
  readonly truth: TargetTruth;
  readonly evaluator: Evaluator;
};

/** The requests of one instance. */
export type Traffic = {
  /** Serves what arrived in this span (ms since 1970) and says under which generation. */
  readonly serve: (from: number, to: number) => Promise<number>;
  /** Outcomes since the last call. */
  readonly take: () => OutcomeWindow[];
  readonly requests: () => number;
  readonly evaluations: () => number;
  readonly setFaults: (faults: readonly Fault[]) => void;
};

/** Who is served by a rule's choice, or by what a session stuck to in spite of it, is named. */
const provedBy = (given: Assigned, served: readonly number[]): readonly boolean[] =>
  served === given.revisions
    ? given.ruled
    : given.ruled.map((isRuled, index) => isRuled || served[index] !== given.revisions[index]);

export const createTraffic = (options: TrafficOptions): Traffic => {
  const { scenario, target, index, instance, key, truth, evaluator } = options;
  const random = instanceRandom(scenario, instance);
  const units = createUnits(key, target.target, target.units, index, target.instances);
  const chooseModel = createModelChooser(target, random);
  const serving = createServing({ scenario, target, units, truth, random });
  const assignments = createAssignments(scenario, units, instance, evaluator);
  const names = (of: readonly { readonly name: string }[]): string[] => of.map(({ name }) => name);
  const windows = createWindows(names(scenario.configs), names(scenario.signals), names(scenario.values));
  const byRequest = scenario.configs.some(({ assignment }) => assignment === 'request');
  const rate = target.requestsPerSecond / target.instances;
  let requests = 0;

  const arrive = (seconds: number): Arrival[] =>
    Array.from({ length: random.poisson(rate * seconds) }, () => ({
      unit: scenario.keyless > 0 && random.next() < scenario.keyless ? -1 : random.below(units.count),
      request: byRequest ? random.hex() : undefined,
    }));

  const serve = async (from: number, to: number): Promise<number> => {
    const arrivals = arrive((to - from) / 1_000);
    const { generation, assigned } = await assignments.assign(arrivals);
    for (const [row, arrival] of arrivals.entries()) {
      const given = assigned[row];
      if (!given) continue;
      const chosen = chooseModel();
      const { revisions, bad, values } = serving.serve(arrival.unit, chosen, given.revisions, to, given.letsGo);
      const unit = arrival.unit < 0 ? undefined : units.pseudonym(arrival.unit);
      const model = target.models[chosen]?.name ?? '';
      const who = { unit, request: arrival.request };
      windows.add({ model, generation, revisions, ruled: provedBy(given, revisions), ...who, bad, values }, from, to);
    }
    requests += arrivals.length;
    truth.requests += arrivals.length;
    return generation;
  };

  const take = (): OutcomeWindow[] => {
    const taken = windows.take();
    for (const { config, revision, requests: count } of taken.flatMap(({ arms }) => arms)) {
      addServed(truth, config, revision, count);
    }
    return taken;
  };
  return { serve, take, requests: () => requests, evaluations: assignments.evaluations, setFaults: serving.setFaults };
};
