import type { EvaluationContext } from '@openfeature/server-sdk';
import type { Scenario } from '../scenario/index.js';
import type { Evaluation, Evaluator } from './evaluator.js';
import type { Units } from './units.js';

/** A request that has arrived: who asks (-1: nobody known), and its id where some config splits by request. */
export type Arrival = { readonly unit: number; readonly request: string | undefined };

/** In the order of the configs. */
export type Assigned = {
  readonly revisions: readonly number[];
  readonly ruled: readonly boolean[];
  readonly letsGo: readonly boolean[];
};

/** Which revisions requests get, by the official client. */
export type Assignments = {
  /** Everything is evaluated against one ruleset; `generation` names it. */
  readonly assign: (
    arrivals: readonly Arrival[],
  ) => Promise<{ readonly generation: number; readonly assigned: readonly Assigned[] }>;
  /** Evaluations made by the client so far; those answered from the cache are not among them. */
  readonly evaluations: () => number;
};

type Keyed = 'unit' | 'request' | 'instance';

const NOBODY: EvaluationContext = {};

/** Few assignments are distinct, so units share them: a unit costs one reference. */
const createShared = (): ((assigned: Assigned) => Assigned) => {
  const known = new Map<string, Assigned>();
  return (assigned) => {
    const { revisions, ruled, letsGo } = assigned;
    const key = `${revisions.join()}/${ruled.join()}/${letsGo.join()}`;
    const found = known.get(key) ?? assigned;
    known.set(key, found);
    return found;
  };
};

/**
 * A unit's assignment follows from its key and the ruleset alone, so it is evaluated once per generation and unit and
 * kept; request-split configs are evaluated for every request.
 */
export const createAssignments = (
  scenario: Scenario,
  units: Units,
  instance: string,
  evaluator: Evaluator,
): Assignments => {
  const positions = (keyed: Keyed): number[] =>
    scenario.configs.flatMap(({ assignment }, index) => (assignment === keyed ? [index] : []));
  const names = (indexes: readonly number[]): string[] => indexes.map((index) => scenario.configs[index]?.name ?? '');
  const by = { unit: positions('unit'), request: positions('request'), instance: positions('instance') };
  const named = { unit: names(by.unit), request: names(by.request), instance: names(by.instance) };
  const shared = createShared();
  const kept: (Assigned | undefined)[] = Array.from({ length: units.count });
  const keptFor = new Float64Array(units.count).fill(-1);
  const unitsOnly = by.request.length === 0 && by.instance.length === 0;
  let evaluations = 0;

  const evaluate = (keyed: Keyed, contexts: readonly EvaluationContext[]): Promise<readonly Evaluation[]> => {
    if (named[keyed].length === 0 || contexts.length === 0) return Promise.resolve([]);
    evaluations += named[keyed].length * contexts.length;
    return evaluator.evaluate(named[keyed], contexts);
  };
  const rows = (keyed: Keyed, answers: readonly Evaluation[], row: number): readonly Evaluation[] =>
    answers.slice(row * named[keyed].length, (row + 1) * named[keyed].length);

  const withAnswers = (base: Assigned, keyed: Keyed, answers: readonly Evaluation[]): Assigned => {
    const revisions = [...base.revisions];
    const ruled = [...base.ruled];
    const letsGo = [...base.letsGo];
    for (const [index, answer] of answers.entries()) {
      const config = by[keyed][index];
      if (config === undefined) continue;
      revisions[config] = answer.revision;
      ruled[config] = answer.ruled;
      letsGo[config] = answer.letsGo;
    }
    return shared({ revisions, ruled, letsGo });
  };
  const no = scenario.configs.map(() => false);
  const nothing: Assigned = { revisions: scenario.configs.map(() => 0), ruled: no, letsGo: no };

  const missing = (arrivals: readonly Arrival[], generation: number): number[] => {
    const wanted = new Set<number>();
    for (const { unit } of arrivals) if (unit >= 0 && keptFor[unit] !== generation) wanted.add(unit);
    return [...wanted];
  };

  const assign = async (
    arrivals: readonly Arrival[],
  ): Promise<{ generation: number; assigned: readonly Assigned[] }> => {
    // No timer or socket can run between this answer and the calls below, so all of them see one ruleset.
    const generation = await evaluator.generation();
    const misses = missing(arrivals, generation);
    const [forUnits, forNobody, forRequests, forInstance] = await Promise.all([
      evaluate(
        'unit',
        misses.map((unit) => ({ targetingKey: units.pseudonym(unit) })),
      ),
      evaluate('unit', arrivals.some(({ unit }) => unit < 0) ? [NOBODY] : []),
      evaluate(
        'request',
        by.request.length === 0 ? [] : arrivals.map(({ request }) => ({ targetingKey: request ?? '' })),
      ),
      evaluate('instance', [{ targetingKey: instance }]),
    ]);
    for (const [row, unit] of misses.entries()) {
      kept[unit] = withAnswers(nothing, 'unit', rows('unit', forUnits, row));
      keptFor[unit] = generation;
    }
    const nobody = withAnswers(nothing, 'unit', forNobody);
    const assigned = arrivals.map(({ unit }, row): Assigned => {
      const forUnit = kept[unit] ?? nobody;
      if (unitsOnly) return forUnit;
      const andRequest = withAnswers(forUnit, 'request', rows('request', forRequests, row));
      return withAnswers(andRequest, 'instance', forInstance);
    });
    return { generation, assigned };
  };
  return { assign, evaluations: () => evaluations };
};
