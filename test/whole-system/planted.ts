import { conductor, CONDUCT, DELIVER, Evaluator, react, rulesetOf } from '#libs/application';
import type { RolloutState } from '#libs/domain';
import { CountedIntake, MemoryCountedIntake, type SourceState } from '#libs/signals';
import { MemoryPlatform } from '#libs/platforms';
import type { Planted } from './play.js';
import {
  appending,
  Chatty,
  deciding,
  drawing,
  isDown,
  knowing,
  LastComes,
  parityAs,
  seeing,
  verdictsAs,
  withSignals,
  type Command,
} from './planting.js';

/** Faults that might have been made, and the rule that each of them breaks. */
export const PLANTED: readonly {
  readonly rule: number;
  readonly what: string;
  readonly planted: Planted;
  /** Of a run that shows it, unless the first one does. */
  readonly seed?: number;
  /** What is found, where another rule of the same number may find it too. */
  readonly says?: RegExp;
}[] = [
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
    seed: 577,
    planted: seeing(verdictsAs('fail', 'inconclusive', ({ held, status }) => held !== null || status === 'watching')),
  },
  {
    rule: 2,
    what: 'an evaluator that takes violations on the candidate for violations on control',
    seed: 529,
    planted: {
      evaluator: (evidence, onTrial) => {
        const violations: typeof evidence.violations = async (...which) => {
          const report = await evidence.violations(...which);
          const moved = report.candidate.map((group) => ({ ...group, revisions: {} }));
          return { ...report, candidate: [], elsewhere: [...report.elsewhere, ...moved] };
        };
        return new Evaluator(Object.assign({}, evidence, { violations }), onTrial);
      },
    },
  },
  {
    rule: 2,
    what: 'a decider that lets metrics take back what they may only hold',
    seed: 513,
    says: /which may (hold|warn)/,
    planted: knowing(withSignals({ onFail: 'roll-back' })),
  },
  {
    rule: 2,
    what: 'a decider that only holds for metrics that may take back',
    seed: 687,
    says: /although (timeouts|overloads|first-token) fails/,
    planted: knowing(withSignals({ onFail: 'hold' })),
  },
  {
    rule: 3,
    what: 'a decider that takes what was seen before and since for a proof',
    says: /nobody knows of its arms/,
    planted: seeing(verdictsAs('inconclusive', 'pass', (_, { method }) => method === 'before-after-v1')),
  },
  {
    rule: 3,
    what: 'an evaluator that takes metrics of which nothing has come of control yet for such as have no arms',
    seed: 1466,
    planted: {
      evaluator: (evidence, onTrial) =>
        new Evaluator(Object.assign({}, evidence, { toldArms: async () => [] }), onTrial),
    },
  },
  {
    rule: 3,
    what: 'a decider that believes in metrics that do not come',
    says: /exported/,
    planted: seeing((facts, rollout) => ({
      ...verdictsAs('not-measured', 'pass')(facts, rollout),
      unmeasured: [],
      silentMs: {},
    })),
  },
  {
    rule: 3,
    what: 'a decider that begins a track although no parity is shown',
    seed: 509,
    planted: seeing(parityAs('pass')),
  },
  {
    rule: 3,
    what: 'a decider that goes on while platforms are shown to differ',
    seed: 528,
    planted: seeing(parityAs('inconclusive', 'fail')),
  },
  {
    rule: 3,
    what: 'a decider that takes what was not measured for a pass',
    planted: seeing(verdictsAs('not-measured', 'pass')),
  },
  {
    rule: 3,
    what: 'a decider that does not see that a signal is not measured any more',
    seed: 546,
    says: /was not measured on/,
    planted: seeing((facts) => ({ ...facts, unmeasured: [] })),
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
    seed: 513,
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
    rule: 4,
    what: 'a decider that does not wait for what becomes known late',
    says: /is known after/,
    planted: knowing(withSignals({ delayMs: null })),
  },
  {
    rule: 4,
    what: 'a decider that settles before what becomes known late is known',
    says: /of delay/,
    planted: knowing((rollout) => (rollout.status === 'watching' ? withSignals({ delayMs: null })(rollout) : rollout)),
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
    seed: 513,
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
    rule: 5,
    what: 'a rollback that forgets one of the targets',
    planted: appending((request, store) => {
      const streams = request.streams.map(({ events, ...stream }) => {
        const back = events.filter(({ data }) => data['purpose'] === 'rollback');
        return { ...stream, events: events.filter((event) => back.length < 2 || event !== back.at(-1)) };
      });
      return store.append({ ...request, streams });
    }),
  },
  {
    rule: 6,
    what: 'a target that takes whatever arrives last',
    seed: 510,
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
    rule: 8,
    what: 'a draw that forgets whom it has chosen',
    seed: 533,
    says: /lets \S+ go/,
    planted: knowing((rollout) => ({
      ...rollout,
      targets: Object.fromEntries(
        Object.entries(rollout.targets).map(([target, { wanted, ...known }]) => {
          return [target, { ...known, wanted: wanted && { ...wanted, instances: null } }];
        }),
      ),
    })),
  },
  {
    rule: 8,
    what: 'a draw of one instance more than the share says',
    says: /chooses/,
    planted: drawing(({ candidate, control: [first, ...control] }) => ({
      candidate: first === undefined ? candidate : [...candidate, first],
      control,
    })),
  },
  {
    rule: 10,
    what: 'a way in for metrics that counts each export twice',
    says: /requests at .* served were/,
    planted: {
      counted: (...over) =>
        new (class extends CountedIntake {
          readonly #sound = new MemoryCountedIntake(...over);
          override async advance<R>(...[source, step, now]: Parameters<typeof CountedIntake.prototype.advance<R>>) {
            let before: SourceState | undefined;
            const noted: typeof step = (state) => {
              before = structuredClone(state);
              return step(state);
            };
            await this.#sound.advance(source, noted, now);
            return this.#sound.advance(source, () => step(before), now);
          }
        })(),
    },
  },
  {
    rule: 10,
    what: 'a log that forgets which commands it has taken',
    seed: 506,
    planted: appending(({ streams }, store) => store.append({ streams })),
  },
  {
    rule: 10,
    what: 'a log that does not look whether a stream has moved on',
    seed: 508,
    planted: appending((request, store) => {
      const streams = request.streams.map((stream) => ({ ...stream, expectedVersion: 'any' as const }));
      return store.append({ ...request, streams });
    }),
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
  {
    rule: 10,
    what: 'a log that says it has taken a rollout, and has not',
    planted: appending(async (request, store) => {
      const isLost = request.streams.some(({ events }) => events.some(({ type }) => type === 'RolloutPlanned'));
      return isLost ? { kind: 'appended', events: [] } : store.append(request);
    }),
  },
  {
    rule: 10,
    what: 'a reaction that makes two tasks of one delivery',
    planted: {
      process: {
        ...conductor,
        react: (event) =>
          react(event).flatMap((task) => (task.kind === DELIVER ? [task, { ...task, id: `${task.id}/2` }] : [task])),
      },
    },
  },
  {
    rule: 10,
    what: 'a reaction that misses what is asked of the last target',
    planted: {
      process: { ...conductor, react: (event) => (event.data['target'] === 'vertex-eu' ? [] : react(event)) },
    },
  },
  {
    rule: 11,
    what: 'a sentence that names the request',
    seed: 510,
    planted: { evaluator: (...given) => new Chatty(...given) },
  },
  {
    rule: 12,
    what: 'an evaluator that does not read the looks it has missed',
    planted: {
      evaluator: (evidence, onTrial) =>
        new Evaluator(Object.assign({}, evidence, { readLooks: async () => [] }), onTrial),
    },
  },
  {
    rule: 12,
    what: 'an evaluator that counts everything twice',
    planted: {
      evaluator: (evidence, onTrial) => {
        const takeLook: typeof evidence.takeLook = async (rollout, at) => {
          const { look, requests } = await evidence.takeLook(rollout, at);
          return { look: { ...look, cells: [...look.cells, ...look.cells] }, requests };
        };
        return new Evaluator(Object.assign({}, evidence, { takeLook }), onTrial);
      },
    },
  },
  {
    rule: 12,
    what: 'an evaluator that takes requests for measured in which a signal was not',
    seed: 506,
    planted: {
      evaluator: (evidence, onTrial) => {
        const takeLook: typeof evidence.takeLook = async (rollout, at) => {
          const { look, requests } = await evidence.takeLook(rollout, at);
          return { look, requests: { ...requests, unmeasured: [] } };
        };
        return new Evaluator(Object.assign({}, evidence, { takeLook }), onTrial);
      },
    },
  },
];
