import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import {
  alphaOfStart,
  configDecider,
  configStream,
  lastKnownGood,
  resolvePlan,
  rolloutDecider,
  rolloutStream,
  type RegisteredConfig,
  type ResolvedPlan,
} from '#libs/domain';
import type { JsonObject, Rejection } from '#libs/kernel';
import { PlanManifest, SignalManifest } from '#libs/contracts';
import { CommandRunner, type Outcome } from './runner.js';
import type { CommandContext } from './context.js';
import { LiveView } from '../queries/live-view.js';

export type StartRequest = {
  readonly config: string;
  readonly revision?: number | undefined;
  readonly plan: string;
  readonly vetoReason?: string | undefined;
};

export class StartRolloutCommand extends Command<Outcome> {
  constructor(
    readonly request: StartRequest,
    readonly context: CommandContext,
  ) {
    super();
  }
}

export type Prepared = {
  readonly config: RegisteredConfig;
  readonly revision: number;
  readonly plan: ResolvedPlan;
  readonly controls: Readonly<Record<string, number>>;
};

const notFound = (code: string, message: string, field: string): { readonly rejection: Rejection } => ({
  rejection: { code, message, field },
});

/** Signals as registered, by the newest revision of each. */
const signalsOf = (view: LiveView): { signal: string; type: 'invariant' | 'rate'; title: string }[] =>
  [...view.fleet.configs.values()]
    .filter(({ kind, status }) => kind === 'signal' && status === 'registered')
    .map(({ key, revisions }) => {
      const { type, title } = SignalManifest.shape.spec.parse(revisions.at(-1)?.value);
      return { signal: key.slice('signal/'.length), type, title };
    });

/**
 * Finds what a start names, chooses targets and pins controls; a rejection names the field. `config` is what the log
 * says of the config now, where that matters: the view may be a moment behind.
 */
export const prepare = (
  view: LiveView,
  request: StartRequest,
  config = view.fleet.configs.get(request.config),
): Prepared | { readonly rejection: Rejection } => {
  if (!config || config.kind === 'signal' || config.kind === 'plan') {
    return notFound('config-not-found', `There is no config ${request.config}. Apply its manifest first.`, '/config');
  }
  const revision = request.revision ?? config.revisions.length;
  if (!config.revisions.some((candidate) => candidate.revision === revision)) {
    const message = `Config ${config.key} has no revision ${revision}; its newest is ${config.revisions.length}. Apply it first.`;
    return notFound('revision-not-found', message, '/revision');
  }
  const stored = view.fleet.configs.get(`plan/${request.plan}`);
  const newest = stored?.revisions.at(-1);
  if (!stored || !newest) {
    return notFound('plan-not-found', `There is no plan ${request.plan}. Apply its manifest first.`, '/plan');
  }
  const spec = PlanManifest.shape.spec.parse(newest.value);
  const targets = [...view.fleet.targets.values()].filter(({ retired }) => !retired);
  const resolved = resolvePlan(request.plan, newest.revision, spec, { targets, signals: signalsOf(view) });
  if ('rejection' in resolved) return { rejection: { ...resolved.rejection, field: '/plan' } };
  const alpha = alphaOfStart(resolved.plan.alpha, config.vetoes[revision] ?? 0);
  const plan = { ...resolved.plan, alpha };
  const controls = Object.fromEntries(
    plan.tracks.flatMap((track) => track.targets.map(({ target }) => [target, lastKnownGood(config, target)])),
  );
  return { config, revision, plan, controls };
};

@CommandHandler(StartRolloutCommand)
export class StartRolloutHandler implements ICommandHandler<StartRolloutCommand> {
  constructor(
    private readonly runner: CommandRunner,
    private readonly view: LiveView,
  ) {}

  async execute({ request, context }: StartRolloutCommand): Promise<Outcome> {
    return this.runner.run('StartRollout', context, async (session): Promise<JsonObject> => {
      const stream = configStream(request.config);
      const { state: known } = await session.load(configDecider, stream);
      const prepared = prepare(this.view, request, known.status === 'unknown' ? undefined : known);
      const rollout = this.runner.newId();
      if ('rejection' in prepared) {
        session.rejection = prepared.rejection;
        return {};
      }
      const { config, revision, plan, controls } = prepared;
      const vetoReason = request.vetoReason ?? null;
      const targets = Object.keys(controls);
      session.decide(configDecider, stream, known, {
        type: 'ClaimTargets',
        rollout,
        revision,
        targets,
        vetoReason,
      });
      const { state } = await session.load(rolloutDecider, rolloutStream(rollout));
      session.decide(rolloutDecider, rolloutStream(rollout), state, {
        type: 'StartRollout',
        rollout,
        config: config.key,
        revision,
        assignment: config.assignment,
        plan,
        controls,
        vetoReason,
      });
      return { rollout };
    });
  }
}
