import { CommandRunner, Evaluator, type Session } from '#libs/application';
import type { Facts, InstanceDraw, RecordedVerdict, Rollout, RolloutCommand, RolloutState } from '#libs/domain';
import type { AppendRequest, EventStore } from '#libs/kernel';
import { RulesetCache, type RulesetSnapshot } from '#libs/platforms';
import type { Parts } from './controller.js';

export type Command = { readonly type: string };
type Change = (command: Command, state: unknown) => Command;
type Knowing = (state: unknown) => unknown;

/** A runner that lets something else be decided than it was told to. */
export const deciding = (change: Change, known: Knowing = (state) => state): Pick<Parts, 'runner'> => ({
  runner: (store, clock, ids) =>
    new (class extends CommandRunner {
      override run(...[name, context, attempt]: Parameters<CommandRunner['run']>): ReturnType<CommandRunner['run']> {
        return super.run(name, context, (session) => {
          const decide = session.decide.bind(session) as (...given: readonly unknown[]) => never;
          session.decide = ((decider: unknown, stream: string, state: unknown, command: Command) =>
            decide(decider, stream, known(state), change(command, state))) as Session['decide'];
          return attempt(session);
        });
      }
    })(store, clock, ids),
});

type Assess = Extract<RolloutCommand, { type: 'AssessRollout' }>;

/** A runner that sees other facts of a rollout than there are. */
export const seeing = (other: (facts: Facts, rollout: Rollout) => Facts): Pick<Parts, 'runner'> =>
  deciding((command, state) => {
    const rollout = state as RolloutState;
    if (command.type !== 'AssessRollout' || rollout.status === 'none') return command;
    const assess = command as Assess;
    return { ...assess, facts: other(assess.facts, rollout) } as Command;
  });

/** A runner that takes a rollout for another than it is. */
export const knowing = (other: (rollout: Rollout) => Rollout): Pick<Parts, 'runner'> =>
  deciding(
    (command) => command,
    (state) => {
      const isRollout = typeof state === 'object' && state !== null && 'plan' in state && 'targets' in state;
      return isRollout ? other(state as Rollout) : state;
    },
  );

/** The same with signals of another policy. */
export const withSignals = (other: Partial<Rollout['plan']['signals'][number]>) => (rollout: Rollout) => {
  const signals = rollout.plan.signals.map((signal) => ({ ...signal, ...other }));
  return { ...rollout, plan: { ...rollout.plan, signals } };
};

/** A log in which the lot falls otherwise. */
export const drawing = (other: (draw: InstanceDraw) => InstanceDraw): Pick<Parts, 'store'> =>
  appending((request, store) => {
    const streams = request.streams.map(({ events, ...stream }) => ({
      ...stream,
      events: events.map((event) => {
        const draw = event.data['instances'] as InstanceDraw | null | undefined;
        return draw ? { ...event, data: { ...event.data, instances: { ...other(draw) } } } : event;
      }),
    }));
    return store.append({ ...request, streams });
  });

export const verdictsAs =
  (
    from: string,
    to: 'pass' | 'inconclusive' | 'fail',
    when: (rollout: Rollout, verdict: RecordedVerdict) => boolean = () => true,
  ) =>
  (facts: Facts, rollout: Rollout): Facts => ({
    ...facts,
    verdicts: facts.verdicts.map((verdict) =>
      verdict.verdict === from && when(rollout, verdict) ? { ...verdict, verdict: to } : verdict,
    ),
  });

export const parityAs =
  (to: 'pass' | 'inconclusive', from?: string) =>
  (facts: Facts): Facts => ({
    ...facts,
    parity: (facts.parity ?? []).map((parity) =>
      from === undefined || parity.verdict === from ? { ...parity, verdict: to } : parity,
    ),
  });

/** A log that does something else than it was asked to. */
export const appending = (
  other: (request: AppendRequest, store: EventStore) => ReturnType<EventStore['append']>,
): Pick<Parts, 'store'> => ({
  store: (store) => Object.assign({}, store, { append: (request: AppendRequest) => other(request, store) }),
});

/** A place that takes whatever comes last. */
export class LastComes extends RulesetCache {
  readonly #last = new Map<string, RulesetSnapshot>();

  override offer(snapshot: RulesetSnapshot): boolean {
    this.#last.set(snapshot.target, snapshot);
    return true;
  }

  override current(target: string): RulesetSnapshot | undefined {
    return this.#last.get(target);
  }

  override generation(target: string): number {
    return this.#last.get(target)?.generation ?? 0;
  }
}

/** An evaluator that says whose request was bad. */
export class Chatty extends Evaluator {
  readonly #evidence: ConstructorParameters<typeof Evaluator>[0];

  constructor(...[evidence, onTrial]: ConstructorParameters<typeof Evaluator>) {
    super(evidence, onTrial);
    this.#evidence = evidence;
  }

  override async evaluate(rollout: Rollout, now: number): ReturnType<Evaluator['evaluate']> {
    const verdicts = await super.evaluate(rollout, now);
    const { first } = await this.#evidence.violations(rollout.id, 'wrong-pool', { lookBackMs: 1_000, now });
    return verdicts.map((verdict) =>
      first?.request === undefined
        ? verdict
        : { ...verdict, sentence: `${verdict.sentence}: request ${first.request}` },
    );
  }
}

export const isDown = async (check: () => Promise<unknown>): Promise<boolean> =>
  check().then(
    () => false,
    () => true,
  );
