import type { Pool } from 'pg';
import type { RecordedEvent } from '#libs/kernel';
import { faultsOfLog, readLog } from '#test/kit/log';
import type { FleetEvent, GroundTruth } from '../../apps/simulator/src/simulator.js';
import { readEvidenceOf, violationsOf } from '../chaos/history-checker.js';
import type { Evaluation, Sighting } from '../chaos/sightings.js';
import type { Change } from './report.js';
import type { Nature } from './setting.js';

type Ended = Pick<Change, 'config' | 'revision' | 'rollout' | 'slice' | 'end'> & {
  readonly nature: Nature;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly fault: string | undefined;
};

/** Keeps what fleets and people saw, and compares it with the log at the end. */
export class Observer {
  readonly #sightings: Sighting[] = [];
  readonly #evaluations = new Map<string, Evaluation>();
  readonly #told = new Map<string, number>();
  readonly #ended: Ended[] = [];

  take(event: FleetEvent): void {
    const { target, instance, at } = event;
    if (event.type === 'generation') {
      this.#sightings.push({ target, instance, generation: event.generation, at, arms: {} });
    }
    if (event.type !== 'sent') return;
    for (const { generation, requests, arms } of event.windows) {
      this.#told.set(target, (this.#told.get(target) ?? 0) + requests);
      for (const { config, revision, requests: served } of arms) {
        if (served === 0) continue;
        const evaluation = { target, generation, config, revision };
        this.#evaluations.set(JSON.stringify(evaluation), evaluation);
      }
    }
  }

  ended(change: Ended): void {
    this.#ended.push(change);
  }

  async conclude(
    pool: Pool,
    truth: GroundTruth,
  ): Promise<{ readonly changes: Change[]; readonly violations: string[]; readonly events: number }> {
    const events = await readLog(pool);
    const { tasks, counted } = await readEvidenceOf(pool);
    const history = {
      events,
      tasks,
      sightings: this.#sightings,
      evaluations: [...this.#evaluations.values()],
      accepted: this.#ended.map(({ rollout }) => rollout),
      outcomes: { told: this.#told, counted },
    };
    const violations = [...(await faultsOfLog(pool)), ...violationsOf(history)];
    return { changes: this.#ended.map((ended) => changeOf(ended, events, truth)), violations, events: events.length };
  }
}

const changeOf = (ended: Ended, events: readonly RecordedEvent[], truth: GroundTruth): Change => {
  const { config, revision, rollout, nature, slice, end, startedAt, endedAt, fault } = ended;
  const caught = events.find(({ type, data }) => type === 'DegradationDetected' && data['rollout'] === rollout);
  const byTarget = Object.values((fault === undefined ? undefined : truth.faults[fault]) ?? {});
  const firstBad = Math.min(...byTarget.flatMap(({ firstBadAt }) => (firstBadAt === null ? [] : [firstBadAt])));
  const sum = (field: 'exposed' | 'badOnCandidate' | 'badAfterRollback'): number =>
    byTarget.reduce((total, each) => total + each[field], 0);
  return {
    config,
    revision,
    rollout,
    nature,
    slice,
    end,
    tookMs: endedAt - startedAt,
    caught: caught && { signal: String(caught.data['signal']), stages: (caught.data['stages'] as string[]).join(', ') },
    foundAfterMs: caught && Number.isFinite(firstBad) ? Date.parse(caught.recordedAt) - firstBad : undefined,
    truth:
      fault === undefined
        ? undefined
        : { exposed: sum('exposed'), badOnCandidate: sum('badOnCandidate'), badAfterRollback: sum('badAfterRollback') },
  };
};
