import { rulesetOf } from '#libs/application';
import type { RolloutState } from '#libs/domain';
import { MemoryPlatform } from '#libs/platforms';
import type { PlantedFault } from './fault.js';
import { appending, deciding, drawing, isDown, knowing, LastComes, type Command } from '../planting.js';

/** Of what targets are asked to serve, and serve: rules 1 and 5 to 8. */
export const IN_DELIVERY: readonly PlantedFault[] = [
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
    rule: 5,
    what: 'a deliverer that gives up on a target that does not answer',
    seed: 522,
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
    seed: 522,
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
    seed: 523,
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
    seed: 549,
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
];
