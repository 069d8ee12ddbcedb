import { Evaluator } from '#libs/application';
import type { PlantedFault } from './fault.js';
import { knowing, parityAs, seeing, verdictsAs, withSignals } from '../planting.js';

/** Of what is decided, and by which evidence: rules 2 to 4. */
export const IN_DECISIONS: readonly PlantedFault[] = [
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
    rule: 12,
    what: 'an evaluator that takes metrics of which nothing has come of control yet for such as have no arms',
    says: /before-after/,
    seed: 663,
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
    seed: 611,
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
];
