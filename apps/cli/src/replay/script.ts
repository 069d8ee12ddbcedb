import type { z } from 'zod';
import { isIn, slicesOf, type Place, type Scenario } from '#libs/domain';
import { usageError } from '../errors.js';
import { parseManifestText, pointerOf, type SourcedManifest } from '../manifest-files.js';
import { ReplayScript } from './script-schema.js';

type Spec = ReplayScript['spec'];
type Fault = { readonly path: readonly PropertyKey[]; readonly message: string };

/** A script that was read: what to play, and the sources that it names. */
export type Script = { readonly scenario: Scenario; readonly sources: Spec['sources'] };

type Origin = { readonly source?: string | undefined; readonly assumption?: string | undefined };

const originOf = ({ source, assumption }: Origin) => ({ source: source ?? null, assumption: assumption ?? null });

const peopleAndPlaces = (spec: Spec): Pick<Scenario, 'populations' | 'targets' | 'signals' | 'plans'> => ({
  populations: spec.populations.map(({ name, units, ...rest }) => ({ name, units, ...originOf(rest) })),
  targets: spec.targets.map((target) => ({
    target: target.name,
    platform: target.platform,
    labels: target.labels,
    population: target.population,
    instances: target.instances,
    traffic: Object.entries(target.requestsPerHour).map(([model, perHour]) => ({ model, perSecond: perHour / 3_600 })),
    swing: target.swing,
    peakHour: target.peakHour,
    applyMs: target.apply,
    convergeMs: target.converge,
    ...originOf(target),
  })),
  signals: spec.signals.map((signal) => ({
    signal: signal.name,
    type: signal.type,
    title: signal.title,
    base: signal.base,
    brokenUnits: signal.brokenUnits ?? null,
    probe: signal.probe
      ? { everyMs: signal.probe.every, prompts: signal.probe.prompts, batchSizes: signal.probe.batchSizes }
      : null,
    ...originOf(signal),
  })),
  plans: spec.plans.map(({ name, spec: plan }) => ({ plan: name, spec: plan })),
});

const changesOf = (spec: Spec): Scenario['changes'] =>
  spec.changes.map((change) => ({
    change: change.name,
    title: change.title,
    config: change.config,
    assignment: change.assignment,
    revisionOf: change.revisionOf ?? null,
    plan: change.plan ?? null,
    alsoWith: change.alsoWith,
    startsAt: change.starts,
    occurred: change.occurred,
    imported: change.imported !== undefined,
    vetoReason: change.vetoReason ?? null,
    really: change.really.map(({ where, shape, exposure }) => ({ where, share: { shape, points: exposure } })),
    published: change.published,
    ...originOf(change),
  }));

const faultsOf = (spec: Spec): Pick<Scenario, 'faults' | 'amplifiers' | 'probeFaults'> => ({
  faults: spec.faults.map(({ name, change, signal, where, shape, rate, sticky, ...rest }) => ({
    fault: name,
    change,
    signal: signal ?? null,
    where,
    rate: { shape, points: rate },
    sticky: sticky ? { requests: sticky.requests, overMs: sticky.over } : null,
    ...originOf(rest),
  })),
  amplifiers: spec.amplifiers.map(({ name, change, amplifies, shape, times, ...rest }) => ({
    amplifier: name,
    change,
    fault: amplifies,
    times: { shape, points: times },
    ...originOf(rest),
  })),
  probeFaults: spec.probeFaults.map(({ name, change, signal, where, batchSizes, disagreement, ...rest }) => ({
    fault: name,
    change,
    signal,
    where,
    batchSizes,
    disagreement,
    ...originOf(rest),
  })),
});

const scenarioOf = ({ metadata, spec }: ReplayScript): Scenario => ({
  name: metadata.name,
  title: spec.title,
  seed: spec.seed,
  from: spec.from,
  until: spec.until,
  ...peopleAndPlaces(spec),
  changes: changesOf(spec),
  ...faultsOf(spec),
  expect: spec.expect.map((expected) => ({
    change: expected.change,
    plan: expected.plan ?? null,
    ends: expected.ends ?? null,
    stage: expected.stage ?? null,
    by: expected.by ?? null,
    method: expected.method ?? null,
    withinMs: expected.within ?? null,
    alongside: expected.alongside ?? null,
    affectedAtMost: expected.affectedAtMost ?? null,
  })),
});

const unknownNames = (
  list: string,
  entries: readonly object[],
  field: string,
  kind: string,
  known: ReadonlySet<string>,
): readonly Fault[] =>
  entries.flatMap((entry, index) => {
    const value = (entry as Readonly<Record<string, unknown>>)[field];
    const names = Array.isArray(value) ? value : [value];
    return names
      .filter((name): name is string => typeof name === 'string' && !known.has(name))
      .map((name) => ({
        path: ['spec', list, index, field],
        message: `there is no ${kind} ${name}; known: ${[...known].join(', ') || 'none'}`,
      }));
  });

const namesOf = (entries: readonly { readonly name: string }[]): ReadonlySet<string> =>
  new Set(entries.map(({ name }) => name));

const twice = (list: string, entries: readonly { readonly name: string }[]): readonly Fault[] =>
  entries.flatMap(({ name }, index) =>
    entries.findIndex((other) => other.name === name) < index
      ? [{ path: ['spec', list, index, 'name'], message: `${name} is there twice: rename one` }]
      : [],
  );

/** What the fields of a script say of each other and that is not so. */
const crossFaults = ({ spec }: ReplayScript): readonly Fault[] => {
  const [changes, signals, plans] = [namesOf(spec.changes), namesOf(spec.signals), namesOf(spec.plans)];
  return [
    ...(spec.until > spec.from ? [] : [{ path: ['spec', 'until'], message: 'must be after `from`' }]),
    ...twice('changes', spec.changes),
    ...twice('targets', spec.targets),
    ...twice('signals', spec.signals),
    ...twice('faults', spec.faults),
    ...unknownNames('targets', spec.targets, 'population', 'population', namesOf(spec.populations)),
    ...unknownNames('changes', spec.changes, 'plan', 'plan', plans),
    ...unknownNames('changes', spec.changes, 'alsoWith', 'plan', plans),
    ...unknownNames('changes', spec.changes, 'revisionOf', 'change', changes),
    ...unknownNames('faults', spec.faults, 'change', 'change', changes),
    ...unknownNames('faults', spec.faults, 'signal', 'signal', signals),
    ...unknownNames('amplifiers', spec.amplifiers, 'change', 'change', changes),
    ...unknownNames('amplifiers', spec.amplifiers, 'amplifies', 'fault', namesOf(spec.faults)),
    ...unknownNames('probeFaults', spec.probeFaults, 'change', 'change', changes),
    ...unknownNames('probeFaults', spec.probeFaults, 'signal', 'signal', signals),
    ...unknownNames('expect', spec.expect, 'change', 'change', changes),
    ...unknownNames('expect', spec.expect, 'plan', 'plan', plans),
  ];
};

/** Places that no traffic of the script has: most often a label that is spelt wrongly. */
const emptyPlaces = (scenario: Scenario): readonly Fault[] => {
  const slices = slicesOf(scenario);
  const faultsAt = (path: readonly PropertyKey[], where: Place): readonly Fault[] =>
    slices.some((slice) => isIn(where, slice)) ? [] : [{ path, message: 'no target and model has these labels' }];
  return [
    ...scenario.faults.flatMap(({ where }, index) => faultsAt(['spec', 'faults', index, 'where'], where)),
    ...scenario.probeFaults.flatMap(({ where }, index) => faultsAt(['spec', 'probeFaults', index, 'where'], where)),
    ...scenario.changes.flatMap(({ really }, index) =>
      really.flatMap(({ where }, r) => faultsAt(['spec', 'changes', index, 'really', r, 'where'], where)),
    ),
  ];
};

/** Issues of unions hide what is wrong in their branches: the branch with the fewest faults is shown. */
const flatIssues = (issues: readonly z.core.$ZodIssue[], before: readonly PropertyKey[] = []): readonly Fault[] =>
  issues.flatMap((issue): readonly Fault[] => {
    const path = [...before, ...issue.path];
    if (issue.code === 'invalid_union') {
      const branches = issue.errors.toSorted((a, b) => a.length - b.length);
      const deepest = branches.find((branch) => branch.some((inner) => inner.path.length > 0)) ?? branches[0];
      return deepest ? flatIssues(deepest, path) : [{ path, message: issue.message }];
    }
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: [...path, key], message: 'this field is not known' }));
    }
    return [{ path, message: issue.message }];
  });

const refuse = (source: SourcedManifest, faults: readonly Fault[]): never => {
  const details = faults.map(({ path, message }) => {
    const pointer = pointerOf(path);
    return `${source.place(pointer)}: ${pointer || '/'}: ${message}`;
  });
  throw usageError(
    `${faults.length === 1 ? '1 field is' : `${faults.length} fields are`} wrong; nothing was replayed`,
    {
      details,
      next: 'the fields are described in docs/how-to/replay.md',
    },
  );
};

/** Reads a script. Throws a usage error that names file, line and field of every fault. */
export const readScript = (file: string, text: string): Script => {
  const { manifests, faults } = parseManifestText(file, text);
  if (faults.length > 0) {
    throw usageError(`${file} could not be read; nothing was replayed`, {
      details: faults.map(({ place, message }) => `${place}: ${message}`),
    });
  }
  const [source, ...more] = manifests;
  if (!source || more.length > 0) throw usageError(`${file} must hold one document of kind Replay`);
  const parsed = ReplayScript.safeParse(source.value);
  if (!parsed.success) return refuse(source, flatIssues(parsed.error.issues));
  const crossed = crossFaults(parsed.data);
  if (crossed.length > 0) return refuse(source, crossed);
  const scenario = scenarioOf(parsed.data);
  const nowhere = emptyPlaces(scenario);
  if (nowhere.length > 0) return refuse(source, nowhere);
  return { scenario, sources: parsed.data.spec.sources };
};
