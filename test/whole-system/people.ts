import {
  AbandonTargetCommand,
  StartRolloutCommand,
  SteerRolloutCommand,
  UndoRevisionCommand,
  type CommandContext,
  type Outcome,
  type Steering,
} from '#libs/application';
import { isLeaving, isOver, rolloutDecider, rolloutStream, trackOf, type Rollout } from '#libs/domain';
import type { RecordedEvent } from '#libs/kernel';
import type { Controller } from './controller.js';
import { byAda, CONFIGS, planName, proposeOn, TARGETS } from './setting.js';
import type { Run, Step } from './steps.js';
import type { Life } from './turns.js';
import type { Witness } from './witness.js';

type Command = (controller: Controller, context: CommandContext) => Promise<Outcome>;
type Asked = {
  readonly what: string;
  readonly context: CommandContext;
  readonly command: Command;
  /** Lives that have been asked and have not answered. */
  readonly asked: Set<Life>;
  isAnswered: boolean;
  isAccepted: boolean;
};

const REASON = 'as drawn';
/** What leads to a rollout, where it is accepted. */
const STARTS = new Set(['start', 'supersede', 'undo']);

type Start = { readonly config: string; readonly plan: string; readonly back: number };

const startOf = ({ config, plan, back }: Start): Command => {
  return async (controller, context) => {
    const newest = controller.view.fleet.configs.get(config)?.revisions.length ?? 1;
    const revision = Math.max(1, newest - back);
    const request = { config, revision, plan, vetoReason: REASON };
    return controller.start.execute(new StartRolloutCommand(request, context));
  };
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
    const command = new SteerRolloutCommand(rollout, steering, REASON, { track: null, stages, until: null }, context);
    return controller.steer.execute(command);
  };
};

const wordFor = (outcome: Outcome): string => {
  if (!outcome.accepted) return outcome.rejection.code;
  if (outcome.repeated) return 'repeated';
  return outcome.events.length > 0 ? 'done' : 'nothing to do';
};

/** The rollouts that still run, as a person who looks at this controller sees them. */
const openRollouts = (seenAt: Controller | undefined): readonly Rollout[] =>
  [...(seenAt?.view.rollouts.values() ?? [])].map(({ rollout }) => rollout).filter((rollout) => !isOver(rollout));

const one = <T>(items: readonly T[], which: number): T | undefined => items[which % Math.max(1, items.length)];

/** People who ask for things. Whoever gets no answer asks again, under the same id, until there is one. */
export class People {
  readonly #asked: Asked[] = [];

  constructor(
    private readonly witness: Witness,
    private readonly run: Run,
  ) {}

  /** Does what a step says, if it is about people; some ask two controllers at once, under one id. */
  take(step: Step, controllers: readonly Controller[]): void {
    const command = this.#commandOf(step, controllers[0]);
    const what = step.do === 'steer' ? step.how : step.do;
    if (command) this.#ask(what, command, controllers.slice(0, 'isTwice' in step && step.isTwice ? 2 : 1));
  }

  #commandOf(step: Step, seenAt: Controller | undefined): Command | undefined {
    switch (step.do) {
      case 'propose': {
        const config = CONFIGS[step.config % CONFIGS.length] ?? CONFIGS[0];
        const value = 2 + this.#asked.length;
        return (on, context) => proposeOn(on.runner, config, value, context);
      }
      case 'start': {
        const { config } = CONFIGS[step.config % CONFIGS.length] ?? CONFIGS[0];
        const plan = step.plan === 7 ? 'emergency' : planName(step.plan % this.run.plans.length);
        return startOf({ config, plan, back: step.back });
      }
      case 'supersede': {
        const watched = openRollouts(seenAt).find(({ status }) => status === 'watching');
        return watched && startOf({ config: watched.config, plan: watched.plan.plan, back: step.back });
      }
      case 'steer': {
        const rollout = one(openRollouts(seenAt), step.rollout);
        return rollout && steerOf(rollout.id, step.how, step.ms);
      }
      case 'undo': {
        const config = CONFIGS[step.config % CONFIGS.length]?.config ?? '';
        const undo = step.isNamed ? { revision: 2, to: 1 } : {};
        return (on, context) => on.undo.execute(new UndoRevisionCommand(config, undo, REASON, context));
      }
      case 'abandon': {
        const rollout = one(
          openRollouts(seenAt).filter(({ targets }) => Object.values(targets).some(isLeaving)),
          step.rollout,
        );
        const target = TARGETS[step.target % TARGETS.length]?.target ?? '';
        return (
          rollout &&
          ((on, context) => on.abandon.execute(new AbandonTargetCommand(rollout.id, target, REASON, context)))
        );
      }
      default:
        return undefined;
    }
  }

  /** Ends a rollout for good. */
  abort(rollout: string, controllers: readonly Controller[]): void {
    this.#ask('abort', steerOf(rollout, 'abort', 0), controllers.slice(0, 1));
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

  /**
   * Of copies of one command one may be refused, and another one be accepted whose controller died before it could say so:
   * what it did is in the log then, and nobody was told.
   */
  learnFromTheLog(): void {
    for (const asked of this.#asked) {
      const { context, what } = asked;
      if (asked.isAccepted || !STARTS.has(what)) continue;
      const isOf = ({ type, metadata }: RecordedEvent): boolean =>
        type === 'RolloutPlanned' && metadata.commandId === context.commandId;
      const planned = this.witness.events.find(isOf);
      if (planned === undefined) continue;
      asked.isAccepted = true;
      this.witness.comes('command: accepted by one who died');
      this.witness.answers.push({ rollout: planned.streamId.slice(rolloutStream('').length), isStart: true });
    }
  }

  /** What nobody has answered. */
  get unanswered(): readonly string[] {
    return this.#asked.flatMap(({ isAnswered, context }) => (isAnswered ? [] : [context.commandId]));
  }

  #ask(what: string, command: Command, controllers: readonly Controller[]): void {
    const context = byAda(`person-${this.#asked.length + 1}`, REASON);
    const asked: Asked = { what, context, command, asked: new Set(), isAnswered: false, isAccepted: false };
    this.#asked.push(asked);
    for (const controller of controllers) this.#askAt(asked, controller);
  }

  #askAt(asked: Asked, controller: Controller): void {
    const { life } = controller;
    asked.asked.add(life);
    const answered = (outcome: Outcome): void => {
      asked.asked.delete(life);
      // Of two copies of one command one may be refused while the other is on its way, and is accepted later.
      const isNews = !asked.isAnswered || (outcome.accepted && !asked.isAccepted);
      if (!isNews) return;
      this.witness.comes(
        asked.isAnswered ? 'command: refused and then accepted' : `${asked.what}: ${wordFor(outcome)}`,
      );
      asked.isAnswered = true;
      if (!outcome.accepted) return;
      asked.isAccepted = true;
      const rollout = outcome.outcome['rollout'];
      const named = typeof rollout === 'string' ? rollout : undefined;
      this.witness.answers.push({ rollout: named, isStart: STARTS.has(asked.what) });
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
