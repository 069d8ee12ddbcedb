import { CommandRunner, CONDUCT, Evaluator, rulesetOf, type Session } from '#libs/application';
import type { AppendRequest } from '#libs/kernel';
import type { Facts, Rollout, RolloutCommand, RolloutState } from '#libs/domain';
import { MemoryPlatform, RulesetCache, type RulesetSnapshot } from '#libs/platforms';
import type { Parts } from './controller.js';
import type { Planted } from './play.js';

type Command = { readonly type: string };
type Change = (command: Command, state: unknown) => Command;

/** A runner that lets something else be decided than it was told to. */
const deciding = (change: Change): Pick<Parts, 'runner'> => ({
  runner: (store, clock, ids) =>
    new (class extends CommandRunner {
      override run(...[name, context, attempt]: Parameters<CommandRunner['run']>): ReturnType<CommandRunner['run']> {
        return super.run(name, context, (session) => {
          const decide = session.decide.bind(session) as (...given: readonly unknown[]) => never;
          session.decide = ((decider: unknown, stream: string, state: unknown, command: Command) =>
            decide(decider, stream, state, change(command, state))) as Session['decide'];
          return attempt(session);
        });
      }
    })(store, clock, ids),
});

type Assess = Extract<RolloutCommand, { type: 'AssessRollout' }>;

/** A runner that sees other facts of a rollout than there are. */
const seeing = (other: (facts: Facts, rollout: Rollout) => Facts): Pick<Parts, 'runner'> =>
  deciding((command, state) => {
    const rollout = state as RolloutState;
    if (command.type !== 'AssessRollout' || rollout.status === 'none') return command;
    const assess = command as Assess;
    return { ...assess, facts: other(assess.facts, rollout) } as Command;
  });

const verdictsAs =
  (from: string, to: 'pass' | 'inconclusive', when: (rollout: Rollout) => boolean = () => true) =>
  (facts: Facts, rollout: Rollout): Facts => ({
    ...facts,
    verdicts: facts.verdicts.map((verdict) =>
      verdict.verdict === from && when(rollout) ? { ...verdict, verdict: to } : verdict,
    ),
  });

/** A place that takes whatever comes last. */
class LastComes extends RulesetCache {
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
class Chatty extends Evaluator {
  readonly #evidence: ConstructorParameters<typeof Evaluator>[0];

  constructor(evidence: ConstructorParameters<typeof Evaluator>[0]) {
    super(evidence);
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

const isDown = async (check: () => Promise<unknown>): Promise<boolean> =>
  check().then(
    () => false,
    () => true,
  );

/** Faults that might have been made, and the rule that each of them breaks. */
export const PLANTED: readonly { readonly rule: number; readonly what: string; readonly planted: Planted }[] = [
  {
    rule: 1,
    what: 'a deliverer that numbers its rulesets itself, ahead of the log',
    planted: {
      deliver: (deliverer, view, delivery) => async (task) => {
        for (const target of view.fleet.targets.values()) {
          const generation = view.position + 1;
          await delivery
            .apply(target.target, rulesetOf(view, { ...target, generation }), generation)
            .catch(() => undefined);
        }
        return deliverer.run(task);
      },
    },
  },
  {
    rule: 2,
    what: 'a conductor that leaves a rollout alone while a person has paused it',
    planted: {
      conduct: (run, view) => async (task) => {
        const disposition = await run(task);
        const held = view.rollouts.get(String(task.payload['rollout']))?.rollout.held;
        return held?.by === 'person' ? { kind: 'done' } : disposition;
      },
    },
  },
  {
    rule: 2,
    what: 'a conductor that does not look at a rollout while it is held',
    planted: {
      conduct: (run, view) => async (task) => {
        const held = view.rollouts.get(String(task.payload['rollout']))?.rollout.held;
        return held?.by === 'person' ? { kind: 'again', atMs: task.leaseUntil, fresh: true } : run(task);
      },
    },
  },
  {
    rule: 2,
    what: 'a decider that passes over a failed signal in the watch and while it is held',
    planted: seeing(verdictsAs('fail', 'inconclusive', ({ held, status }) => held !== null || status === 'watching')),
  },
  {
    rule: 3,
    what: 'a decider that takes what was not measured for a pass',
    planted: seeing(verdictsAs('not-measured', 'pass')),
  },
  {
    rule: 4,
    what: 'a decider that takes every stage for baked',
    planted: seeing((facts) => ({
      ...facts,
      stages: Object.fromEntries(
        Object.entries(facts.stages).map(([track, known]) => [track, { ...known, bakedMs: 3_600_000 }]),
      ),
    })),
  },
  {
    rule: 4,
    what: 'a decider that believes in instances that have not spoken',
    planted: seeing((facts, rollout) => ({
      ...facts,
      targets: Object.fromEntries(
        Object.entries(facts.targets).map(([target, known]) => {
          const acknowledgedGeneration = rollout.targets[target]?.wanted?.generation ?? 0;
          return [target, { ...known, acknowledged: known.instances, acknowledgedGeneration }];
        }),
      ),
    })),
  },
  {
    rule: 5,
    what: 'a deliverer that gives up on a target that does not answer',
    planted: {
      deliver: (deliverer) => async (task) => {
        await deliverer.run(task);
        return { kind: 'done' };
      },
    },
  },
  {
    rule: 5,
    what: 'a rollback that waits until every target answers',
    planted: {
      deliver: (deliverer, view, delivery) => async (task) => {
        const targets = [...view.fleet.targets.keys()];
        const down = await Promise.all(targets.map((target) => isDown(() => delivery.observe(target))));
        const atMs = Date.parse('2026-01-05T12:00:00Z') + task.attempts;
        return down.includes(true)
          ? { kind: 'again', atMs: Math.max(atMs, task.leaseUntil), fresh: false }
          : deliverer.run(task);
      },
    },
  },
  {
    rule: 5,
    what: 'a controller that gives up on targets by itself',
    planted: deciding((command, state) => {
      const rollout = state as RolloutState;
      if (command.type !== 'AssessRollout' || rollout.status !== 'rolling-back') return command;
      const left = Object.entries(rollout.targets).find(([, { wanted, ended }]) => wanted !== null && ended === null);
      return left ? ({ type: 'AbandonTarget', target: left[0], reason: 'it takes too long' } as Command) : command;
    }),
  },
  {
    rule: 6,
    what: 'a target that takes whatever arrives last',
    planted: {
      platform: () => Object.assign(new MemoryPlatform(), { feed: new LastComes() }),
    },
  },
  {
    rule: 7,
    what: 'a config that takes a rolled back revision for settled',
    planted: deciding((command) =>
      command.type === 'ReleaseTargets' ? ({ ...command, outcome: 'settled' } as Command) : command,
    ),
  },
  {
    rule: 10,
    what: 'a log that forgets which commands it has taken',
    planted: {
      store: (store) => Object.assign({}, store, { append: ({ streams }: AppendRequest) => store.append({ streams }) }),
    },
  },
  {
    rule: 10,
    what: 'a log that does not look whether a stream has moved on',
    planted: {
      store: (store) => {
        const append = async (request: AppendRequest): ReturnType<typeof store.append> => {
          const streams = request.streams.map((stream) => ({ ...stream, expectedVersion: 'any' as const }));
          return store.append({ ...request, streams });
        };
        return Object.assign({}, store, { append });
      },
    },
  },
  {
    rule: 10,
    what: 'a conductor that leaves a rollout alone once it is rolled back on some targets',
    planted: {
      conduct: (run, view) => async (task) => {
        const disposition = await run(task);
        const rollout = view.rollouts.get(String(task.payload['rollout']))?.rollout;
        const isBegun = Object.values(rollout?.targets ?? {}).some(({ ended }) => ended !== null);
        return isBegun && task.kind === CONDUCT ? { kind: 'done' } : disposition;
      },
    },
  },
  { rule: 11, what: 'a sentence that names the request', planted: { evaluator: (evidence) => new Chatty(evidence) } },
  {
    rule: 12,
    what: 'an evaluator that does not read the looks it has missed',
    planted: { evaluator: (evidence) => new Evaluator(Object.assign({}, evidence, { readLooks: async () => [] })) },
  },
  {
    rule: 12,
    what: 'an evaluator that counts everything twice',
    planted: {
      evaluator: (evidence) => {
        const foldLook: typeof evidence.foldLook = async (rollout, at) => {
          const look = await evidence.foldLook(rollout, at);
          return { ...look, cells: [...look.cells, ...look.cells] };
        };
        return new Evaluator(Object.assign({}, evidence, { foldLook }));
      },
    },
  },
];
