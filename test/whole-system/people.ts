import {
  AbandonTargetCommand,
  StartRolloutCommand,
  SteerRolloutCommand,
  UndoRevisionCommand,
  type CommandContext,
  type Outcome,
  type Steering,
} from '#libs/application';
import { isOver, rolloutDecider, rolloutStream, trackOf, type Rollout } from '#libs/domain';
import type { Controller } from './controller.js';
import { byAda, CONFIGS, planName, proposeOn, TARGETS } from './setting.js';
import type { Run, Step } from './steps.js';
import type { Life } from './turns.js';
import type { Witness } from './witness.js';

type Command = (controller: Controller, context: CommandContext) => Promise<Outcome>;
type Asked = {
  readonly context: CommandContext;
  readonly command: Command;
  /** Lives that have been asked and have not answered. */
  readonly asked: Set<Life>;
  readonly isStart: boolean;
  isAnswered: boolean;
};

const REASON = 'as drawn';

const startOf = ({ config, plan, back, isEmergency }: StartStep): Command => {
  const chosen = CONFIGS[config % CONFIGS.length]?.config ?? '';
  return async (controller, context) => {
    const newest = controller.view.fleet.configs.get(chosen)?.revisions.length ?? 1;
    const revision = Math.max(1, newest - back);
    const request = { config: chosen, revision, plan: isEmergency ? 'emergency' : planName(plan), vetoReason: REASON };
    return controller.start.execute(new StartRolloutCommand(request, context));
  };
};
type StartStep = {
  readonly config: number;
  readonly plan: number;
  readonly back: number;
  readonly isEmergency: boolean;
};

/** The stages that a person sees a rollout in. */
const stagesSeen = (rollout: Rollout): readonly string[] => {
  if (rollout.status !== 'staging') return ['watch'];
  return rollout.plan.tracks.flatMap((track) => {
    const name = track.stages[trackOf(rollout, track.name).stage]?.name;
    return name === undefined ? [] : [`${track.name}/${name}`];
  });
};

const pauseFor = (rollout: string, ms: number): Command => {
  return async (controller, context) =>
    controller.runner.run('pauseRollout', context, async (session) => {
      const { state } = await session.load(rolloutDecider, rolloutStream(rollout));
      const until = controller.clock.now() + ms;
      session.decide(rolloutDecider, rolloutStream(rollout), state, { type: 'PauseRollout', reason: REASON, until });
      return { rollout };
    });
};

const steerOf = (rollout: string, how: Extract<Step, { do: 'steer' }>['how'], ms: number): Command => {
  if (how === 'pause for a while') return pauseFor(rollout, ms);
  const steering: Steering = how === 'promote what was seen' ? 'promote' : how;
  return async (controller, context) => {
    const known = controller.view.rollouts.get(rollout)?.rollout;
    const stages = how === 'promote what was seen' && known ? stagesSeen(known) : null;
    const command = new SteerRolloutCommand(rollout, steering, REASON, { track: null, stages }, context);
    return controller.steer.execute(command);
  };
};

/** People who ask for things. Whoever gets no answer asks again, under the same id, until there is one. */
export class People {
  readonly #asked: Asked[] = [];
  #commands = 0;

  constructor(
    private readonly witness: Witness,
    private readonly run: Run,
  ) {}

  /** Does what a step says, if it is about people. */
  take(step: Step, controllers: readonly Controller[]): void {
    switch (step.do) {
      case 'propose': {
        const config = CONFIGS[step.config % CONFIGS.length];
        const value = 2 + this.#commands;
        if (config) this.#ask((on, context) => proposeOn(on.runner, config, value, context), controllers.slice(0, 1));
        return;
      }
      case 'start': {
        const { config, plan, back, isTwice } = step;
        const isEmergency = plan === 7;
        const chosen = { config, plan: plan % this.run.plans.length, back, isEmergency };
        this.#ask(startOf(chosen), controllers.slice(0, isTwice ? 2 : 1), true);
        return;
      }
      case 'steer': {
        const rollout = this.#rollout(step.rollout, controllers);
        if (rollout) this.#ask(steerOf(rollout.id, step.how, step.ms), controllers.slice(0, step.isTwice ? 2 : 1));
        return;
      }
      case 'undo': {
        const config = CONFIGS[step.config % CONFIGS.length]?.config ?? '';
        const undo = step.isNamed ? { revision: 2, to: 1 } : {};
        this.#ask(
          (on, context) => on.undo.execute(new UndoRevisionCommand(config, undo, REASON, context)),
          controllers.slice(0, 1),
          true,
        );
        return;
      }
      case 'abandon': {
        const rollout = this.#rollout(step.rollout, controllers);
        const target = TARGETS[step.target % TARGETS.length]?.target ?? '';
        if (rollout)
          this.#ask(
            (on, context) => on.abandon.execute(new AbandonTargetCommand(rollout.id, target, REASON, context)),
            controllers.slice(0, 1),
          );
        return;
      }
      default:
    }
  }

  /** Ends a rollout for good. */
  abort(rollout: string, controllers: readonly Controller[]): void {
    this.#ask(steerOf(rollout, 'abort', 0), controllers.slice(0, 1));
  }

  /** Asks again where nobody is left who could answer. True when anybody was asked. */
  insist(controllers: readonly Controller[]): boolean {
    let any = false;
    for (const asked of this.#asked) {
      if (asked.isAnswered || [...asked.asked].some(({ isAlive }) => isAlive)) continue;
      const [controller] = controllers.filter(({ isUp, isDeaf }) => isUp && !isDeaf);
      if (!controller) return any;
      this.#askAt(asked, controller);
      any = true;
    }
    return any;
  }

  /** What nobody has answered. */
  get unanswered(): readonly string[] {
    return this.#asked.flatMap(({ isAnswered, context }) => (isAnswered ? [] : [context.commandId]));
  }

  /** One of those that still run, as a person who looks at any controller sees them. */
  #rollout(which: number, controllers: readonly Controller[]): Rollout | undefined {
    const [first] = controllers;
    const open = [...(first?.view.rollouts.values() ?? [])]
      .map(({ rollout }) => rollout)
      .filter((each) => !isOver(each));
    return open[which % Math.max(1, open.length)];
  }

  #ask(command: Command, controllers: readonly Controller[], isStart = false): void {
    this.#commands += 1;
    const asked: Asked = {
      context: byAda(`person-${this.#commands}`, REASON),
      command,
      asked: new Set(),
      isStart,
      isAnswered: false,
    };
    this.#asked.push(asked);
    for (const controller of controllers) this.#askAt(asked, controller);
  }

  #askAt(asked: Asked, controller: Controller): void {
    const { life } = controller;
    asked.asked.add(life);
    const answered = (outcome: Outcome): void => {
      asked.asked.delete(life);
      if (asked.isAnswered) return;
      asked.isAnswered = true;
      if (!outcome.accepted) return;
      const rollout = outcome.outcome['rollout'];
      const named = typeof rollout === 'string' ? rollout : undefined;
      this.witness.answers.push({ rollout: named, isStart: asked.isStart });
    };
    asked.command(controller, asked.context).then(answered, (error: unknown) => {
      asked.asked.delete(life);
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      if (!/database is away|does not answer/.test(message)) {
        this.witness.faults.push(`a person was answered with an error: ${message}`);
        asked.isAnswered = true;
      }
    });
  }
}
