import { conductor, CONDUCT, DELIVER, Evaluator, react } from '#libs/application';
import { CountedIntake, MemoryCountedIntake, type SourceState } from '#libs/signals';
import type { PlantedFault } from './fault.js';
import { appending, Chatty } from '../planting.js';

/** Of what is written down: rules 10 to 12. */
export const IN_RECORDS: readonly PlantedFault[] = [
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
    what: 'a way in for metrics that goes on counting the whole for the candidate once arms are told',
    seed: 570,
    says: /requests at .* served were/,
    planted: {
      counted: (rows, exposures) =>
        new (class extends MemoryCountedIntake {
          override counts(): boolean {
            return true;
          }
        })(rows, exposures),
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
    seed: 513,
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
