import { EMERGENCY, hasLabels, type PlanSpec, type RegisteredConfig, type ResolvedPlan } from '#libs/domain';
import type { Rejection } from '#libs/kernel';
import type { Capabilities, Manifest } from '#libs/contracts';
import type { LiveView } from '../queries/live-view.js';
import { targetCapabilities } from '../workers/targets-known.js';
import { startedRoomLimit } from './ruleset-room.js';
import { targetsAfter, type Driven } from './targets-after.js';

type Asked = {
  readonly config: RegisteredConfig;
  readonly revision: number;
  readonly plan: ResolvedPlan;
  readonly controls: Readonly<Record<string, number>>;
};

const CODE = 'driver-cannot';

const percent = (bp: number): string => `${Number((bp / 100).toFixed(2))}%`;

/** What its driver cannot do for this config at all. */
const configFault = (target: string, can: Capabilities, asked: Asked): Rejection | undefined => {
  const { config, revision, controls } = asked;
  const refuse = (message: string, field: string): Rejection => ({ code: CODE, message, field });
  const { key, kind, assignment } = config;
  if (!(can.kinds as readonly string[]).includes(kind))
    return refuse(
      `Target ${target} takes configs of kind ${can.kinds.join(', ')}, and ${key} is of kind ${kind} (spec.kind): leave the target out of the plan's tracks, or deliver to it by another driver.`,
      '/config',
    );
  if (can.serves !== null && can.serves.config !== key)
    return refuse(
      `Target ${target} serves config ${can.serves.config} only (spec.settings.config of the target), not ${key}: leave it out of the plan's tracks.`,
      '/config',
    );
  if (assignment !== null && !can.assignments.includes(assignment))
    return refuse(
      `Target ${target} assigns by ${can.assignments.join(' or ')}, and ${key} is assigned by ${assignment} (spec.assignment): register a config that is assigned by ${can.assignments[0]}, or leave the target out of the plan's tracks.`,
      '/config',
    );
  const wanted = [revision, controls[target] ?? 1];
  const unknown = wanted.find((each) => can.serves !== null && !can.serves.revisions.includes(each));
  if (unknown !== undefined)
    return refuse(
      `Target ${target} has no deployed model for r${unknown} of ${key}: deploy it, and name it in spec.settings.deployedModels.r${unknown} of the target.`,
      '/revision',
    );
  return undefined;
};

type Shares = {
  readonly plan: string;
  readonly holdbackBp: number;
  readonly stages: readonly { readonly name: string; readonly exposureBp: number }[];
};
type Fault = { readonly message: string; readonly field: string };

/** What is split more finely than a target can, with the field of the plan's manifest. */
const shareFault = (target: string, track: number, can: Capabilities, asked: Shares): Fault | undefined => {
  const { plan, holdbackBp, stages } = asked;
  const { resolutionBp } = can;
  const isTooFine = (bp: number): boolean => bp % resolutionBp !== 0;
  const step = percent(resolutionBp);
  if (isTooFine(holdbackBp))
    return {
      message: `Target ${target} splits in steps of ${step}, and the holdback of plan ${plan} is ${percent(holdbackBp)} (spec.holdback): make it a multiple of ${step}.`,
      field: '/spec/holdback',
    };
  const index = stages.findIndex(({ exposureBp }) => isTooFine(exposureBp));
  const stage = stages[index];
  if (stage === undefined) return undefined;
  return {
    message: `Target ${target} splits in steps of ${step}, and stage ${stage.name} of plan ${plan} gives it ${percent(stage.exposureBp)} (spec.tracks[${track}].stages[${index}].exposure): make it a multiple of ${step}.`,
    field: `/spec/tracks/${track}/stages/${index}/exposure`,
  };
};

/** Why a rollout asks more of a target than its driver can do; undefined when it does not. */
export const driverLimits = (view: LiveView, asked: Asked): Rejection | undefined => {
  const { plan, holdbackBp } = asked.plan;
  for (const [index, { targets, stages }] of asked.plan.tracks.entries())
    for (const { target } of targets) {
      const known = view.fleet.targets.get(target);
      if (!known) continue;
      const { config, revision } = asked;
      // An emergency goes wherever it can, and a target that is full keeps no other from it.
      const full = plan === EMERGENCY ? undefined : startedRoomLimit(view, known, { config, revision });
      if (full !== undefined) return { code: CODE, message: full, field: '/revision' };
      if (known.driver === 'pull') continue;
      const can = targetCapabilities(known);
      const fault = configFault(target, can, asked);
      if (fault) return fault;
      const tooFine = shareFault(target, index, can, { plan, holdbackBp, stages });
      if (tooFine) return { code: CODE, message: tooFine.message, field: '/plan' };
    }
  return undefined;
};

const chosenBy = (wanted: PlanSpec['tracks'][number]['targets'], targets: readonly Driven[]): readonly Driven[] => {
  if (Array.isArray(wanted)) return targets.filter(({ target }) => (wanted as readonly string[]).includes(target));
  return targets.filter((target) => hasLabels(target, wanted as Readonly<Record<string, string>>));
};

/**
 * Why a plan among these manifests asks more of a target than its driver can do, whatever config goes out by it;
 * undefined when none does. What depends on the config is refused when a rollout is planned or started.
 */
export const appliedPlanLimits = (view: LiveView, manifests: readonly Manifest[]): Rejection | undefined => {
  const targets = targetsAfter(view, manifests);
  for (const [at, manifest] of manifests.entries()) {
    if (manifest.kind !== 'Plan') continue;
    const { holdback: holdbackBp, tracks } = manifest.spec;
    for (const [index, { targets: wanted, stages }] of tracks.entries()) {
      const shown = stages.map(({ exposure }) => ({
        name: percent(exposure),
        exposureBp: Math.min(exposure, 10_000 - holdbackBp),
      }));
      for (const target of chosenBy(wanted, targets)) {
        const asked = { plan: manifest.metadata.name, holdbackBp, stages: shown };
        const fault = shareFault(target.target, index, targetCapabilities(target), asked);
        if (fault) return { code: CODE, message: fault.message, field: `/manifests/${at}${fault.field}` };
      }
    }
  }
  return undefined;
};

/**
 * Stages that bake for less than it takes on a target until everybody who reads there has what was delivered: where
 * nobody acknowledges, each takes that long all the same.
 */
export const delayWarnings = (view: LiveView, { tracks }: Pick<ResolvedPlan, 'tracks'>): readonly string[] =>
  tracks.flatMap(({ targets, stages }) =>
    targets.flatMap(({ target }) => {
      const known = view.fleet.targets.get(target);
      if (known === undefined) return [];
      const { acknowledgesInstances, worstCaseDelayMs } = targetCapabilities(known);
      const short = stages.filter(({ bakeMs }) => bakeMs < worstCaseDelayMs);
      if (acknowledgesInstances || short.length === 0) return [];
      return [
        `${target} may take ${worstCaseDelayMs / 1_000} s after a delivery until all who read there have it (spec.settings.poll, and 15 s): where none of its instances acknowledges, ${short.map(({ name }) => name).join(', ')} take at least that long each, and so does a rollback.`,
      ];
    }),
  );
