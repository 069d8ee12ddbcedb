import { z } from 'zod';
import type { EventView } from '#libs/contracts';

const data = z.looseObject({ rollout: z.string() });
const exposure = z.object({ target: z.string(), shareBp: z.number(), purpose: z.string() });
const found = z.object({ signal: z.string(), sentence: z.string() });
const verdict = z.object({ verdict: z.object({ signal: z.string(), verdict: z.string(), logBound: z.number() }) });

export type Ask = z.output<typeof exposure> & { readonly position: number };

/** What the log says of one rollout. */
export type Course = {
  readonly asks: Ask[];
  /** The signal that took it back. */
  failed?: { readonly signal: string; readonly sentence: string; readonly at: number; readonly logBound: number };
  end?: 'settled' | 'rolled-back';
};

/** Follows all rollouts by their events. */
export class Courses {
  readonly #courses = new Map<string, Course>();
  readonly #bounds = new Map<string, number>();
  #taken = 0;

  /** Takes in what is new in a list that only grows. */
  take(events: readonly EventView[]): void {
    for (; this.#taken < events.length; this.#taken += 1) {
      const event = events[this.#taken];
      if (event?.stream.startsWith('rollout-')) this.#take(event);
    }
  }

  of(rollout: string): Course {
    const course = this.#courses.get(rollout) ?? { asks: [] };
    this.#courses.set(rollout, course);
    return course;
  }

  #take(event: EventView): void {
    const { rollout } = data.parse(event.data);
    const course = this.of(rollout);
    switch (event.type) {
      case 'ExposureRequested':
        course.asks.push({ ...exposure.parse(event.data), position: event.position });
        return;
      case 'VerdictRecorded': {
        const { signal, verdict: kind, logBound } = verdict.parse(event.data).verdict;
        if (kind === 'fail') this.#bounds.set(`${rollout} ${signal}`, logBound);
        return;
      }
      case 'DegradationDetected': {
        const { signal, sentence } = found.parse(event.data);
        const logBound = this.#bounds.get(`${rollout} ${signal}`) ?? Number.NaN;
        course.failed ??= { signal, sentence, at: Date.parse(event.recordedAt), logBound };
        return;
      }
      case 'RolloutSettled':
        course.end = 'settled';
        return;
      case 'RolledBack':
        course.end = 'rolled-back';
        return;
      default:
    }
  }
}
