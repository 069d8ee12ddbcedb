import {
  alphaOfStart,
  EMERGENCY,
  emergencyPlan,
  isServed,
  liveRevision,
  resolvePlan,
  vetoesOf,
  type KnownSignal,
  type KnownTarget,
  type PlanSpec,
  type RegisteredConfig,
  type ResolvedPlan,
} from '#libs/domain';
import type { Rejection } from '#libs/kernel';
import { PlanManifest, SignalManifest } from '#libs/contracts';
import type { LiveView } from '../queries/live-view.js';
import { driverLimits } from './driver-limits.js';

export type StartRequest = {
  readonly config: string;
  readonly revision?: number | undefined;
  readonly plan: string;
  readonly vetoReason?: string | undefined;
};

export type Prepared = {
  readonly config: RegisteredConfig;
  readonly revision: number;
  readonly plan: ResolvedPlan;
  readonly controls: Readonly<Record<string, number>>;
  /** True for the built-in emergency plan: no stages. */
  readonly bypasses: boolean;
};

type Refused = { readonly rejection: Rejection };

const refuse = (code: string, message: string, field: string): Refused => ({ rejection: { code, message, field } });

/** Signals as registered, by the newest revision of each. */
export const signalsOf = (view: LiveView): readonly KnownSignal[] =>
  [...view.fleet.configs.values()]
    .filter(({ kind, status }) => kind === 'signal' && status === 'registered')
    .map(({ key, revisions }) => {
      const { description: _, ...spec } = SignalManifest.shape.spec.parse(revisions.at(-1)?.value);
      return { ...spec, signal: key.slice('signal/'.length) };
    });

export const targetsOf = (view: LiveView): readonly KnownTarget[] =>
  [...view.fleet.targets.values()].filter(({ retired }) => !retired);

type Found = { readonly spec: PlanSpec; readonly revision: number; readonly bypasses: boolean };

/** The built-in emergency plan, over some targets only if they are named. */
export const emergencyFor = (view: LiveView, only?: readonly string[]): Found | Refused => {
  const targets = targetsOf(view).filter(({ target }) => only?.includes(target) ?? true);
  if (targets.length === 0) {
    const whichever =
      only === undefined ? 'No target is registered' : `None of ${only.join(', ')} is registered any more`;
    return refuse(
      'target-not-found',
      `${whichever}, so there is nowhere to go. Apply a target's manifest first.`,
      '/plan',
    );
  }
  return { spec: emergencyPlan(targets, signalsOf(view)), revision: 0, bypasses: true };
};

const findPlan = (view: LiveView, name: string): Found | Refused => {
  const newest = view.fleet.configs.get(`plan/${name}`)?.revisions.at(-1);
  if (newest) return { spec: PlanManifest.shape.spec.parse(newest.value), revision: newest.revision, bypasses: false };
  if (name !== EMERGENCY)
    return refuse('plan-not-found', `There is no plan ${name}. Apply its manifest first.`, '/plan');
  return emergencyFor(view);
};

/**
 * Finds what a start names, chooses targets and pins controls; a rejection names the field. `config` is what the log
 * says of the config now, where that matters: the view may be a moment behind.
 */
export const prepare = (
  view: LiveView,
  request: StartRequest,
  config = view.fleet.configs.get(request.config),
): Prepared | Refused => {
  if (!config || !isServed(config.kind)) {
    return refuse('config-not-found', `There is no config ${request.config}. Apply its manifest first.`, '/config');
  }
  const revision = request.revision ?? config.revisions.length;
  if (!config.revisions.some((candidate) => candidate.revision === revision)) {
    const message = `Config ${config.key} has no revision ${revision}; its newest is ${config.revisions.length}. Apply it first.`;
    return refuse('revision-not-found', message, '/revision');
  }
  const found = findPlan(view, request.plan);
  return 'rejection' in found ? found : prepareWith(view, config, revision, request.plan, found);
};

/** The same for a plan that is at hand. */
export const prepareWith = (
  view: LiveView,
  config: RegisteredConfig,
  revision: number,
  name: string,
  found: Found,
): Prepared | Refused => {
  const catalogue = { targets: targetsOf(view), signals: signalsOf(view) };
  const resolved = resolvePlan(name, found.revision, found.spec, catalogue);
  if ('rejection' in resolved) return { rejection: { ...resolved.rejection, field: '/plan' } };
  const alpha = alphaOfStart(resolved.plan.alpha, vetoesOf(config, revision));
  const plan = { ...resolved.plan, alpha };
  const controls = Object.fromEntries(
    plan.tracks.flatMap((track) => track.targets.map(({ target }) => [target, liveRevision(config, target)])),
  );
  const rejection = driverLimits(view, { config, revision, plan, controls });
  return rejection ? { rejection } : { config, revision, plan, controls, bypasses: found.bypasses };
};
