import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import {
  configDecider,
  configStream,
  EMERGENCY,
  isOver,
  liveRevision,
  planUndo,
  releaseOf,
  rolloutDecider,
  rolloutStream,
  type ConfigEvent,
  type ConfigState,
  type RegisteredConfig,
} from '#libs/domain';
import type { JsonObject } from '#libs/kernel';
import { CommandRunner, type Outcome, type Session } from './runner.js';
import type { CommandContext } from './context.js';
import { emergencyFor, prepare, prepareWith, type Prepared, type StartRequest } from './prepare-rollout.js';
import { Delivery } from '../ports.js';
import { LiveView } from '../queries/live-view.js';
import { instancesOn } from '../workers/facts.js';

export class StartRolloutCommand extends Command<Outcome> {
  constructor(
    readonly request: StartRequest,
    readonly context: CommandContext,
  ) {
    super();
  }
}

/** Takes back a settled revision, everywhere at once. */
export class UndoRevisionCommand extends Command<Outcome> {
  constructor(
    readonly config: string,
    readonly undo: { readonly revision?: number | undefined; readonly to?: number | undefined },
    readonly reason: string,
    readonly context: CommandContext,
  ) {
    super();
  }
}

type Handover = { readonly config: ConfigState; readonly targets: readonly string[] };

/**
 * Earlier versions did not let go of what only waited in a rollout that was aborted with nothing left to take back: what
 * a rollout that is over still holds is free.
 */
const freed = async (
  session: Session,
  known: RegisteredConfig,
  targets: readonly string[],
): Promise<RegisteredConfig> => {
  let config: ConfigState = known;
  for (const holder of new Set(targets.flatMap((target) => known.claims[target] ?? []))) {
    const { state } = await session.load(rolloutDecider, rolloutStream(holder));
    if (state.status === 'none' || !isOver(state)) continue;
    const release = releaseOf(state);
    const events: readonly ConfigEvent[] = session.decide(configDecider, configStream(known.key), config, release);
    config = events.reduce<ConfigState>(configDecider.evolve, config);
  }
  return config.status === 'unknown' ? known : config;
};

/** A rollout that is being watched gives its targets to the new one, and its revision stays live until then. */
const takeOver = async (
  session: Session,
  known: RegisteredConfig,
  wanted: Prepared,
  by: { readonly rollout: string; readonly bypasses: boolean },
): Promise<Handover> => {
  const mine = Object.keys(wanted.controls);
  const holders = [...new Set(mine.flatMap((target) => known.claims[target] ?? []))];
  const [holder] = holders;
  if (holder === undefined || holders.length > 1) return { config: known, targets: [] };
  const held = Object.keys(known.claims).filter((target) => known.claims[target] === holder);
  const { state } = await session.load(rolloutDecider, rolloutStream(holder));
  if (state.status !== 'watching') return { config: known, targets: [] };
  const left = held.filter((target) => !mine.includes(target));
  if (left.length > 0) {
    const message = `Rollout ${holder} is watched on ${left.join(', ')} as well: a plan that takes over from it must cover all its targets.`;
    session.reject('supersede-needs-all-targets', message, '/plan');
    return { config: known, targets: [] };
  }
  session.decide(rolloutDecider, rolloutStream(holder), state, {
    type: 'SupersedeRollout',
    by: by.rollout,
    bypasses: by.bypasses,
  });
  const release = releaseOf({ ...state, status: 'superseded' });
  const events = session.decide(configDecider, configStream(known.key), known, release);
  return { config: events.reduce<ConfigState>(configDecider.evolve, known), targets: held };
};

/** Of a config assigned by instance, which instances are live: the lot is thrown for them. */
const liveFor = async (prepared: Prepared, delivery: Delivery) =>
  prepared.config.assignment === 'instance' ? instancesOn(Object.keys(prepared.controls), delivery) : undefined;

type Cause = { readonly vetoReason: string | null; readonly bypass: string | null; readonly reverts: number | null };

const begin = async (
  session: Session,
  rollout: string,
  prepared: Prepared,
  cause: Cause,
  delivery: Delivery,
): Promise<JsonObject> => {
  const { revision, plan } = prepared;
  const known = await freed(session, prepared.config, Object.keys(prepared.controls));
  const { config, targets: takesOver } = await takeOver(session, known, prepared, {
    rollout,
    bypasses: cause.bypass !== null,
  });
  if (session.rejection || config.status === 'unknown') return {};
  const targets = Object.keys(prepared.controls);
  const controls = Object.fromEntries(targets.map((target) => [target, liveRevision(config, target)]));
  const { key, assignment } = config;
  const { vetoReason } = cause;
  session.decide(configDecider, configStream(key), config, {
    type: 'ClaimTargets',
    rollout,
    revision,
    targets,
    vetoReason,
  });
  const { state } = await session.load(rolloutDecider, rolloutStream(rollout));
  const start = {
    type: 'StartRollout',
    rollout,
    config: key,
    revision,
    assignment,
    plan,
    controls,
    takesOver,
    instances: await liveFor(prepared, delivery),
    ...cause,
  } as const;
  session.decide(rolloutDecider, rolloutStream(rollout), state, start);
  return { rollout };
};

@CommandHandler(StartRolloutCommand)
export class StartRolloutHandler implements ICommandHandler<StartRolloutCommand> {
  constructor(
    private readonly runner: CommandRunner,
    private readonly view: LiveView,
    private readonly delivery: Delivery,
  ) {}

  async execute({ request, context }: StartRolloutCommand): Promise<Outcome> {
    return this.runner.run('StartRollout', context, async (session): Promise<JsonObject> => {
      const { state: known } = await session.load(configDecider, configStream(request.config));
      const prepared = prepare(this.view, request, known.status === 'unknown' ? undefined : known);
      if ('rejection' in prepared) {
        session.rejection = prepared.rejection;
        return {};
      }
      if (prepared.bypasses && context.reason === undefined) {
        const message = `Plan ${EMERGENCY} goes without stages, which stays in the log for ever: say why (reason).`;
        session.reject('reason-missing', message, '/reason');
        return {};
      }
      const bypass = prepared.bypasses ? (context.reason ?? null) : null;
      const cause = { vetoReason: request.vetoReason ?? null, bypass, reverts: null };
      return begin(session, this.runner.newId(), prepared, cause, this.delivery);
    });
  }
}

@CommandHandler(UndoRevisionCommand)
export class UndoRevisionHandler implements ICommandHandler<UndoRevisionCommand> {
  constructor(
    private readonly runner: CommandRunner,
    private readonly view: LiveView,
    private readonly delivery: Delivery,
  ) {}

  async execute({ config: key, undo, reason, context }: UndoRevisionCommand): Promise<Outcome> {
    return this.runner.run('UndoRevision', context, async (session): Promise<JsonObject> => {
      const { state: known } = await session.load(configDecider, configStream(key));
      if (known.status === 'unknown') {
        session.reject('config-not-found', `There is no config ${key}. List them: headgate at now`, '/config');
        return {};
      }
      const planned = planUndo(known, undo);
      if ('rejection' in planned) {
        session.rejection = planned.rejection;
        return {};
      }
      const found = emergencyFor(this.view, planned.targets);
      const prepared = 'rejection' in found ? found : prepareWith(this.view, known, planned.to, EMERGENCY, found);
      if ('rejection' in prepared) {
        session.rejection = prepared.rejection;
        return {};
      }
      const cause = { vetoReason: reason, bypass: reason, reverts: planned.revision };
      return begin(session, this.runner.newId(), prepared, cause, this.delivery);
    });
  }
}
