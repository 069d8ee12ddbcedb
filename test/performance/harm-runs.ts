import { setTimeout as sleep } from 'node:timers/promises';
import { config as configManifest } from '#test/kit/manifests';
import { clientOf, tapEvents, type Door, type EventTap } from '#test/kit/http';
import type { FaultInput } from '../../apps/simulator/src/scenario/schema.js';
import { Courses, type Course } from './harm-courses.js';
import type { Fault } from './harm-faults.js';
import { PLAN } from './harm-setting.js';

/** One change that was rolled out: with its fault, or harmless. */
export type Run = {
  readonly fault: Fault | undefined;
  readonly rollout: string;
  readonly course: Course;
  readonly seconds: number;
  /** Not over in time, so that somebody had to end it. */
  readonly late: boolean;
};

type Fleet = { readonly addFault: (fault: FaultInput) => Promise<void> };

const POLL_MS = 50;
/** After that a rollout is ended by hand. */
const CLEANUP_MS = 30_000;

/** Makes changes to configs, several configs at once and one change of a config after the other. */
export class Changes {
  readonly courses = new Courses();
  readonly #revisions = new Map<string, number>();
  readonly #client;

  private constructor(
    door: Door,
    private readonly tap: EventTap,
    private readonly fleet: Fleet,
    private readonly patienceMs: number,
  ) {
    this.#client = clientOf(door);
  }

  static async open(door: Door, fleet: Fleet, patienceMs: number): Promise<Changes> {
    return new Changes(door, await tapEvents(door), fleet, patienceMs);
  }

  /** Rolls out every one of these, the next as soon as a config is free. Undefined stands for a harmless change. */
  async runAll(
    faults: readonly (Fault | undefined)[],
    configs: readonly string[],
    done: (run: Run) => void,
  ): Promise<void> {
    const waiting = [...faults];
    const work = async (config: string): Promise<void> => {
      while (waiting.length > 0) done(await this.#run(config, waiting.shift()));
    };
    await Promise.all(configs.map(work));
  }

  close(): Promise<void> {
    return this.tap.close();
  }

  async #run(config: string, fault: Fault | undefined): Promise<Run> {
    const revision = (this.#revisions.get(config) ?? 1) + 1;
    this.#revisions.set(config, revision);
    if (fault) {
      const { name, signal, where, how } = fault;
      await this.fleet.addFault({ name, config, revision, where: whereOf(where), signal, ...how });
    }
    const reason = fault ? `brings ${fault.name}` : 'harmless';
    await this.#client.apply({ manifests: [configManifest(config, { value: revision })], reason });
    const begun = performance.now();
    const { id } = await this.#client.start({ config, plan: PLAN, reason });
    const course = this.courses.of(id);
    const inTime = await this.#over(course, this.patienceMs);
    const seconds = (performance.now() - begun) / 1_000;
    if (!inTime) {
      await this.#client.command(id, 'abort', { reason: 'it does not end by itself' });
      if (!(await this.#over(course, CLEANUP_MS))) {
        const { status, waitingFor } = await this.#client.rollout(id);
        throw new Error(`Rollout ${id} of ${config} could not be ended: ${status}, waits for ${waitingFor.join('; ')}`);
      }
    }
    return { fault, rollout: id, course, seconds, late: !inTime };
  }

  async #over(course: Course, patienceMs: number): Promise<boolean> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      this.courses.take(this.tap.events);
      if (course.end !== undefined) return true;
      if (performance.now() > deadline) return false;
      await sleep(POLL_MS);
    }
  }
}

const whereOf = ({ labels, models }: Fault['where']): NonNullable<FaultInput['where']> => ({
  ...(labels === undefined ? {} : { labels: { ...labels } }),
  ...(models === undefined ? {} : { models: [...models] }),
});
