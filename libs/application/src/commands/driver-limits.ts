import type { RegisteredConfig, ResolvedPlan } from '#libs/domain';
import type { Rejection } from '#libs/kernel';
import type { Capabilities } from '#libs/contracts';
import type { LiveView } from '../queries/live-view.js';
import { targetCapabilities } from '../workers/targets-known.js';

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

const shareFault = (target: string, track: number, can: Capabilities, { plan }: Asked): Rejection | undefined => {
  const { resolutionBp } = can;
  const isTooFine = (bp: number): boolean => bp % resolutionBp !== 0;
  const step = percent(resolutionBp);
  const stages = plan.tracks[track]?.stages ?? [];
  if (isTooFine(plan.holdbackBp))
    return {
      code: CODE,
      message: `Target ${target} splits in steps of ${step}, and the holdback of plan ${plan.plan} is ${percent(plan.holdbackBp)} (spec.holdback): make it a multiple of ${step}.`,
      field: '/plan',
    };
  const index = stages.findIndex(({ exposureBp }) => isTooFine(exposureBp));
  const stage = stages[index];
  if (stage === undefined) return undefined;
  return {
    code: CODE,
    message: `Target ${target} splits in steps of ${step}, and stage ${stage.name} of plan ${plan.plan} gives it ${percent(stage.exposureBp)} (spec.tracks[${track}].stages[${index}].exposure): make it a multiple of ${step}.`,
    field: '/plan',
  };
};

/** Why a rollout asks more of a target than its driver can do; undefined when it does not. */
export const driverLimits = (view: LiveView, asked: Asked): Rejection | undefined => {
  for (const [index, { targets }] of asked.plan.tracks.entries())
    for (const { target } of targets) {
      const known = view.fleet.targets.get(target);
      if (!known || known.driver === 'pull') continue;
      const can = targetCapabilities(known);
      const fault = configFault(target, can, asked) ?? shareFault(target, index, can, asked);
      if (fault) return fault;
    }
  return undefined;
};
