import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { JsonObject } from '#libs/kernel';
import { rolloutDecider, rolloutStream, type RolloutCommand } from '#libs/domain';
import { CommandRunner, type Outcome } from './runner.js';
import type { CommandContext } from './context.js';
import { letGo } from './let-go.js';
import { LiveView } from '../queries/live-view.js';
import { Conductor } from '../workers/conduct.js';

export type Steering = 'pause' | 'resume' | 'promote' | 'abort';

export type SteeringLimits = {
  /** What is promoted; null: all that is in a stage. */
  readonly track: string | null;
  readonly stages: readonly string[] | null;
  /** When a pause ends by itself, in epoch ms; null: when somebody resumes. */
  readonly until: number | null;
};

export class SteerRolloutCommand extends Command<Outcome> {
  constructor(
    readonly rollout: string,
    readonly steering: Steering,
    readonly reason: string,
    readonly only: SteeringLimits,
    readonly context: CommandContext,
  ) {
    super();
  }
}

/** A person gives up on a target that a rollback cannot reach or cannot see drained. */
export class AbandonTargetCommand extends Command<Outcome> {
  constructor(
    readonly rollout: string,
    readonly target: string,
    readonly reason: string,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(AbandonTargetCommand)
export class AbandonTargetHandler implements ICommandHandler<AbandonTargetCommand> {
  constructor(
    private readonly runner: CommandRunner,
    private readonly conductor: Conductor,
  ) {}

  async execute({ rollout, target, reason, context }: AbandonTargetCommand): Promise<Outcome> {
    return this.runner.run('AbandonTarget', context, async (session): Promise<JsonObject> => {
      const stream = rolloutStream(rollout);
      const { state } = await session.load(rolloutDecider, stream);
      const leftover = await this.conductor.lastLeftover(rollout, target);
      const command = { type: 'AbandonTarget', target, reason, leftover } as const;
      const events = session.decide(rolloutDecider, stream, state, command);
      await letGo(session, state, events, this.runner.now());
      return { rollout };
    });
  }
}

@CommandHandler(SteerRolloutCommand)
export class SteerRolloutHandler implements ICommandHandler<SteerRolloutCommand> {
  constructor(
    private readonly runner: CommandRunner,
    private readonly view: LiveView,
    private readonly conductor: Conductor,
  ) {}

  async execute(command: SteerRolloutCommand): Promise<Outcome> {
    const { rollout, steering, context } = command;
    return this.runner.run(`${steering}Rollout`, context, async (session): Promise<JsonObject> => {
      const stream = rolloutStream(rollout);
      const { state, version } = await session.load(rolloutDecider, stream);
      if (context.expectedVersion !== undefined && context.expectedVersion !== version) {
        session.reject(
          'stale-version',
          `Rollout ${rollout} is at version ${version}, not ${context.expectedVersion}: read it again and decide anew.`,
        );
        return {};
      }
      const { until } = command.only;
      if (until !== null && until <= this.runner.now()) {
        session.reject('invalid-request', 'A pause must end in the future: give a later time.', '/until');
        return {};
      }
      const events = session.decide(rolloutDecider, stream, state, await this.domainCommand(command));
      // Where nothing is out any more, an abort is the last that happens to what it holds.
      await letGo(session, state, events, this.runner.now());
      return { rollout };
    });
  }

  private async domainCommand({ rollout, steering, reason, only }: SteerRolloutCommand): Promise<RolloutCommand> {
    const known = this.view.rollouts.get(rollout)?.rollout;
    switch (steering) {
      case 'pause':
        return { type: 'PauseRollout', reason, until: only.until };
      case 'resume':
        return { type: 'ResumeRollout', reason };
      case 'abort':
        return {
          type: 'AbortRollout',
          reason,
          verdicts: await this.conductor.lastVerdicts(rollout),
          onCandidate: known && (await this.conductor.onCandidate(known)),
        };
      case 'promote': {
        const facts = known
          ? await this.conductor.factsOf(known)
          : { targets: {}, stages: {}, verdicts: [], watch: { bakedMs: 0, silentMs: 0 } };
        return { type: 'PromoteRollout', reason, track: only.track, stages: only.stages, facts };
      }
    }
  }
}
