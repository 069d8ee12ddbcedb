import type { Rejection } from '#libs/kernel';
import {
  configDecider,
  liveRevision,
  vetoesOf,
  type ConfigCommand,
  type ConfigState,
  type RegisteredConfig,
} from '../config/index.js';
import type { ResolvedPlan } from '../events/index.js';
import { resolvePlan } from '../plan/index.js';
import { releaseOf, type Rollout } from '../rollout/index.js';
import { planOfStart } from './run.js';
import { isIn, type Scenario, type ScenarioChange } from './scenario.js';

export type Prepared = {
  readonly revision: number;
  readonly plan: ResolvedPlan;
  readonly controls: Readonly<Record<string, number>>;
};

const refused = (code: string, message: string): { readonly rejection: Rejection } => ({
  rejection: { code, message },
});

/** The configs of a simulation: their revisions, claims, vetoes and what is last known good, by the config decider. */
export class ConfigRegistry {
  readonly #scenario: Scenario;
  readonly #nextPosition: () => number;
  readonly #configs = new Map<string, ConfigState>();
  readonly #revisions = new Map<string, number>();

  constructor(scenario: Scenario, nextPosition: () => number) {
    this.#scenario = scenario;
    this.#nextPosition = nextPosition;
  }

  /** What was live already: its revision is settled on its targets, as if it had gone out before anyone looked. */
  import(change: ScenarioChange): number {
    const revision = this.#propose(change);
    const targets = this.#scenario.targets
      .filter((target) =>
        target.traffic.some(({ model }) => change.really.some(({ where }) => isIn(where, { target, model }))),
      )
      .map(({ target }) => target);
    const rollout = `import-${change.change}`;
    const live = Object.fromEntries(targets.map((target) => [target, revision]));
    this.#decide(change.config, { type: 'ClaimTargets', rollout, revision, targets, vetoReason: null });
    this.#decide(change.config, { type: 'ReleaseTargets', rollout, revision, targets, outcome: 'settled', live });
    return revision;
  }

  /** Resolves the plan, pins the controls and claims the targets; a rejection says why it may not start. */
  prepare(change: ScenarioChange, rollout: string): Prepared | { readonly rejection: Rejection } {
    const { targets, signals, plans } = this.#scenario;
    const named = plans.find(({ plan }) => plan === change.plan);
    if (!named)
      return refused(
        'plan-not-found',
        `Change ${change.change} names plan ${change.plan ?? 'none'}, which the script does not have.`,
      );
    const revision = this.#propose(change);
    const catalogue = {
      targets: targets.map(({ target, platform, labels, traffic }) => ({
        target,
        platform,
        labels,
        models: traffic.map(({ model }) => model),
      })),
      signals: signals.map(({ signal, type, title }) => ({ signal, type, title })),
    };
    const resolved = resolvePlan(named.plan, 1, named.spec, catalogue);
    if ('rejection' in resolved) return resolved;
    const before = this.#registered(change.config);
    const names = resolved.plan.tracks.flatMap((track) => track.targets.map(({ target }) => target));
    const controls = Object.fromEntries(names.map((target) => [target, liveRevision(before, target)]));
    const plan = planOfStart(resolved.plan, vetoesOf(before, revision));
    const { vetoReason } = change;
    const claimed = this.#decide(change.config, {
      type: 'ClaimTargets',
      rollout,
      revision,
      targets: names,
      vetoReason,
    });
    return claimed ?? { revision, plan, controls };
  }

  /** Frees targets of a rollout that has let go of them. */
  release(change: ScenarioChange, rollout: Rollout, targets: readonly string[]): void {
    this.#decide(change.config, releaseOf(rollout, targets));
  }

  #propose(change: ScenarioChange): number {
    const { config, assignment, title } = change;
    const sameAs = change.revisionOf === null ? undefined : this.#revisions.get(change.revisionOf);
    if (!this.#configs.has(config)) {
      const registered = { key: config, kind: 'quality', assignment, description: null, schema: null } as const;
      this.#decide(config, { type: 'RegisterConfig', ...registered });
      this.#decide(config, { type: 'ProposeRevision', digest: 'baseline', value: {}, links: [] });
    }
    if (sameAs === undefined) {
      this.#decide(config, { type: 'ProposeRevision', digest: change.change, value: { title }, links: [] });
    }
    const revision = sameAs ?? this.#registered(config).revisions.length;
    this.#revisions.set(change.change, revision);
    return revision;
  }

  #registered(key: string): RegisteredConfig {
    const state = this.#configs.get(key);
    if (!state || state.status === 'unknown') throw new Error(`Config ${key} of the script was never registered.`);
    return state;
  }

  #decide(key: string, command: ConfigCommand): { readonly rejection: Rejection } | undefined {
    let state = this.#configs.get(key) ?? configDecider.initial;
    const decision = configDecider.decide(state, command);
    if (!decision.accepted) return { rejection: decision.rejection };
    for (const event of decision.events) {
      this.#nextPosition();
      state = configDecider.evolve(state, event);
    }
    this.#configs.set(key, state);
    return undefined;
  }
}
