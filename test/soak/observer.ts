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
    const changes = this.#ended.map((ended) => changeOf(ended, events, truth));
    return { changes: changes.map((change) => withBlame(change, changes)), violations, events: events.length };
  }
}

/** Titles of the signals that faults touch, as sentences begin with them. */
const TITLES: Readonly<Record<Nature, string | undefined>> = {
  good: undefined,
  misroutes: 'wrong pool',
  'much worse': 'syntax errors',
  'a little worse': 'syntax errors',
};

const sentencesOf = (events: readonly RecordedEvent[], rollout: string, title: string | undefined): readonly string[] =>
  events
    .filter(({ type, data }) => type === 'StagePassed' && data['rollout'] === rollout)
    .flatMap(({ data }) =>
      (data['sentences'] as readonly string[])
        .filter((sentence) => title !== undefined && sentence.startsWith(title))
        .map((sentence) => `${String(data['track'])}/${String(data['stage'])}: ${sentence}`),
    );

const SIGNALS: Readonly<Record<Nature, string | undefined>> = {
  good: undefined,
  misroutes: 'wrong-pool',
  'much worse': 'syntax-errors',
  'a little worse': 'syntax-errors',
};

/** Who served a unit badly cannot be told from a single event when several changes were live for it. */
const withBlame = (change: Change, all: readonly Change[]): Change => {
  if (change.nature !== 'good' || !change.caught) return change;
  const culprit = all.find(
    (other) =>
      SIGNALS[other.nature] === change.caught?.signal &&
      other.config !== change.config &&
      other.startedAt < change.startedAt + change.tookMs &&
      other.startedAt + other.tookMs > change.startedAt,
  );
  return culprit ? { ...change, blamedFor: `${culprit.config} r${culprit.revision}` } : change;
};

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
    startedAt,
    tookMs: endedAt - startedAt,
    blamedFor: undefined,
    caught: caught && { signal: String(caught.data['signal']), stages: (caught.data['stages'] as string[]).join(', ') },
    foundAfterMs: caught && Number.isFinite(firstBad) ? Date.parse(caught.recordedAt) - firstBad : undefined,
    said: sentencesOf(events, rollout, TITLES[nature]),
    truth:
      fault === undefined
        ? undefined
        : { exposed: sum('exposed'), badOnCandidate: sum('badOnCandidate'), badAfterRollback: sum('badAfterRollback') },
  };
};
