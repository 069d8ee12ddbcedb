import { conductTaskId } from '#libs/application';
import type { Controller } from './controller.js';
import type { OpenTasks } from './tasks.js';
import type { Export, Instance } from './traffic.js';
import type { Witness } from './witness.js';

type Surroundings = {
  readonly witness: Witness;
  readonly tasks: OpenTasks;
  readonly chance: () => number;
};

/** An exporter that is late sends when so many bodies have gathered. */
const LATE = 3;
const LOST = 0.03;
const TWICE = 0.1;

/** Exports what the meters of all instances counted, to whichever controller is reached, late, twice or not at all. */
export class Exporters {
  /** Target → what is wrong with the exporters of its instances. */
  readonly fates = new Map<string, 'silent' | 'late'>();

  constructor(private readonly world: Surroundings) {}

  /** What an instance has counted goes into its queue, and what is in that to a controller, if one is reached. */
  pass(instance: Instance, now: number, told: Controller | undefined): void {
    const fate = this.fates.get(instance.target);
    if (fate === 'silent') return;
    const body = instance.meter?.export(now);
    if (body) {
      instance.exports.push({ body, generation: instance.held?.generation ?? 0, arms: [...instance.arms] });
      instance.arms.clear();
    }
    if (!told || (fate === 'late' && instance.exports.length < LATE)) return;
    const waiting: Export[] = [];
    for (const each of instance.exports)
      // A controller that has not read so far yet lets the exporter wait.
      if (each.generation > told.view.position) waiting.push(each);
      else this.#send(each, instance, told);
    instance.exports = waiting;
  }

  #send({ body, arms }: Export, { target }: Instance, to: Controller): void {
    const { chance, witness, tasks } = this.world;
    if (chance() < LOST) return witness.comes('metrics: lost');
    for (let times = chance() < TWICE ? 2 : 1; times > 0; times -= 1)
      to.receiver.metrics(body, 'json', { token: 'fleet' }, to.clock.now()).then(
        ({ rejected }) => witness.comes(rejected > 0 ? 'metrics: some points refused' : 'metrics: taken'),
        (error: unknown) => witness.faults.push(`an export was answered with an error: ${String(error)}`),
      );
    witness.metered(target, arms);
    const touched = to.view.fleet.desired(target).flatMap(({ rollout }) => (rollout === null ? [] : [rollout]));
    if (!to.isDeaf) void tasks.hasten([...new Set(touched)].map(conductTaskId));
  }
}
