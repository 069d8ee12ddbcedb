import { readFile } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { Fault, ScenarioFile, type FaultInput, type Slice } from './schema.js';

/** One target with its fleet. */
export type FleetTarget = {
  readonly target: string;
  readonly platform: string;
  /** The labels of the file, and `platform` and `target`. */
  readonly labels: Readonly<Record<string, string>>;
  readonly models: readonly { readonly name: string; readonly weight: number }[];
  readonly instances: number;
  readonly requestsPerSecond: number;
  readonly units: number;
};

/** A scenario that was checked as a whole: every name it uses exists. */
export type Scenario = Omit<ScenarioFile, 'platforms'> & { readonly targets: readonly FleetTarget[] };

/** A scenario that cannot be used. Each line of the message names a field and the remedy. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError';
}

/** Whether a slice takes in this target (its models aside). */
export const sliceHasTarget = (slice: Slice, target: FleetTarget): boolean =>
  Object.entries(slice.labels).every(([label, value]) => target.labels[label] === value);

/** Whether a slice takes in this model of this target. */
export const sliceHas = (slice: Slice, target: FleetTarget, model: string): boolean =>
  sliceHasTarget(slice, target) && (slice.models === undefined || slice.models.includes(model));

/** How often a signal is bad on a slice when nothing is wrong. */
export const baseRate = (signal: Scenario['signals'][number], target: FleetTarget, model: string): number =>
  signal.overrides.findLast(({ where }) => sliceHas(where, target, model))?.rate ?? signal.rate;

const targetsOf = (file: ScenarioFile): FleetTarget[] =>
  Object.entries(file.platforms).flatMap(([platform, { targets }]) =>
    Object.entries(targets).map(([target, { models, labels, ...rest }]) => ({
      ...rest,
      target,
      platform,
      labels: { ...labels, platform, target },
      models: Object.entries(models).map(([name, weight]) => ({ name, weight })),
    })),
  );

const sliceFaults = (slice: Slice, at: string, targets: readonly FleetTarget[]): string[] => {
  const chosen = targets.filter((target) => sliceHasTarget(slice, target));
  if (chosen.length === 0) {
    return [`${at}.labels: no target has all of ${JSON.stringify(slice.labels)}; choose labels that a target has`];
  }
  const strange = (slice.models ?? []).find(
    (model) => !chosen.some(({ models }) => models.some(({ name }) => name === model)),
  );
  return strange === undefined
    ? []
    : [`${at}.models: no chosen target serves ${strange}; name a model that one of them serves`];
};

const faultFaults = (fault: Fault, at: string, scenario: Scenario): string[] => {
  const signal = scenario.signals.find(({ name }) => name === fault.signal);
  const isOfValues = scenario.values.some(({ name }) => name === fault.signal);
  const never =
    fault.ratio !== undefined &&
    signal !== undefined &&
    scenario.targets.every((target) => target.models.every(({ name }) => baseRate(signal, target, name) === 0));
  return [
    ...(scenario.configs.some(({ name }) => name === fault.config)
      ? []
      : [`${at}.config: ${fault.config} is not under configs; add it there or correct the name`]),
    ...(signal || isOfValues
      ? []
      : [`${at}.signal: ${fault.signal} is neither under signals nor under values; add it there or correct the name`]),
    ...(isOfValues && fault.times === undefined
      ? [`${at}.times: ${fault.signal} is a value; say what it is multiplied by`]
      : []),
    ...(signal && fault.times !== undefined
      ? [`${at}.times: ${fault.signal} is no value; give rate or ratio instead`]
      : []),
    ...(never
      ? [`${at}.ratio: ${fault.signal} is never bad without the fault, so no ratio can show; give a rate`]
      : []),
    ...sliceFaults(fault.where, `${at}.where`, scenario.targets),
  ];
};

const duplicate = (names: readonly string[]): string | undefined => names.find((name, i) => names.indexOf(name) !== i);

const duplicates = (scenario: Scenario): string[] =>
  (['configs', 'signals', 'values', 'targets', 'faults'] as const).flatMap((field) => {
    const names =
      field === 'targets' ? scenario.targets.map(({ target }) => target) : scenario[field].map(({ name }) => name);
    const twice = duplicate(names);
    return twice === undefined ? [] : [`${field}: ${twice} is there twice; rename or remove one`];
  });

const scenarioFaults = (scenario: Scenario): string[] => [
  ...(scenario.targets.length === 0 ? ['platforms: there is no target; add at least one'] : []),
  ...duplicates(scenario),
  ...scenario.signals.flatMap(({ overrides }, s) =>
    overrides.flatMap(({ where }, o) => sliceFaults(where, `signals[${s}].overrides[${o}].where`, scenario.targets)),
  ),
  ...scenario.faults.flatMap((fault, index) => faultFaults(fault, `faults[${index}]`, scenario)),
  ...scenario.targets.flatMap(({ target, units, instances }) =>
    units < instances
      ? [
          `platforms.*.targets.${target}.units: ${units} units cannot fill ${instances} instances; have at least one each`,
        ]
      : [],
  ),
];

const pathOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}${text === '' ? '' : '.'}${String(part)}`),
    '',
  );

const parse = <T>(schema: z.ZodType<T>, value: unknown, name: string): T => {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const lines = result.error.issues.map(({ path, message }) => `  ${pathOf(path) || '(the whole file)'}: ${message}`);
  throw new ScenarioError(`${name} is not a scenario:\n${lines.join('\n')}`);
};

const refuse = (name: string, faults: readonly string[]): void => {
  if (faults.length > 0)
    throw new ScenarioError(`${name} is not a scenario:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
};

/**
 * Checks a scenario that is already an object.
 * @param name What messages call it, such as the file's name.
 * @throws ScenarioError with one line for each wrong field.
 */
export const checkScenario = (value: unknown, name = 'scenario'): Scenario => {
  const { platforms, ...file } = parse(ScenarioFile, value, name);
  const scenario: Scenario = { ...file, targets: targetsOf({ platforms, ...file }) };
  refuse(name, scenarioFaults(scenario));
  return scenario;
};

/** Checks one more fault against a scenario. @throws ScenarioError */
export const checkFault = (input: FaultInput, scenario: Scenario): Fault => {
  const fault = parse(Fault, input, `fault ${input.name}`);
  refuse(`fault ${input.name}`, faultFaults(fault, 'fault', scenario));
  return fault;
};

/** Reads a scenario from YAML text. @throws ScenarioError */
export const parseScenario = (text: string, name = 'scenario'): Scenario => {
  const document = parseDocument(text, { prettyErrors: true });
  const [error] = document.errors;
  if (error) throw new ScenarioError(`${name} is not YAML: ${error.message}`);
  return checkScenario(document.toJS(), name);
};

/** Reads a scenario from a YAML file. @throws ScenarioError, also when the file cannot be read */
export const loadScenario = async (path: string): Promise<Scenario> => {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new ScenarioError(`The scenario ${path} cannot be read: ${why}. Give the path of a YAML file.`);
  });
  return parseScenario(text, path);
};
