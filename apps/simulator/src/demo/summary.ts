import Table from 'cli-table3';
import type { GroundTruth } from '../fleet/ground-truth.js';
import type { StoryEvent } from './events.js';
import { seconds } from './story.js';
import type { Judgement } from './verdict.js';

/** One change of the demo, when it is over. */
export type Finished = {
  readonly change: string;
  readonly rollout: string;
  readonly events: readonly StoryEvent[];
  readonly judgement: Judgement;
  /** Time from start to end as the plan predicted it; null: never. Undefined: not meant to get that far. */
  readonly predictedMs: number | null | undefined;
  /** The fault behind it, where there is one. */
  readonly fault: string | undefined;
};

const spanOf = (events: readonly StoryEvent[]): number => (events.at(-1)?.at ?? 0) - (events[0]?.at ?? 0);

const predicted = (ms: number | null | undefined): string => {
  if (ms === undefined) return '';
  return ms === null ? 'never' : seconds(ms);
};

const harmOf = (fault: string | undefined, truth: GroundTruth): string => {
  if (fault === undefined) return '';
  const targets = Object.values(truth.faults[fault] ?? {});
  const onCandidate = targets.reduce((sum, { badOnCandidate }) => sum + badOnCandidate, 0);
  const after = targets.reduce((sum, { badAfterRollback }) => sum + badAfterRollback, 0);
  return `${onCandidate + after} bad answers${after > 0 ? `, ${after} of them to sticky sessions after the rollback` : ''}`;
};

/** The table at the end, and below it everything that did not come out as expected. */
export const summarise = (finished: readonly Finished[], truth: GroundTruth, elapsedMs: number): string => {
  const table = new Table({
    head: ['change', 'expected', 'came', 'plan said', 'took', 'harm done', ''],
    style: { head: [], border: [] },
    colWidths: [20, 26, 26, 11, 9, 24, 5],
    wordWrap: true,
  });
  for (const { change, events, judgement, predictedMs, fault } of finished) {
    const mark = judgement.ok ? 'ok' : 'NO';
    table.push([
      change,
      judgement.expected,
      judgement.came,
      predicted(predictedMs),
      seconds(spanOf(events)),
      harmOf(fault, truth),
      mark,
    ]);
  }
  const problems = finished.flatMap(({ change, judgement }) =>
    judgement.problems.map((problem) => `${change}: ${problem}`),
  );
  const served = truth.totals.requests.toLocaleString('en-US');
  return [table.toString(), `${served} requests were served; all of it took ${seconds(elapsedMs)}.`, ...problems].join(
    '\n',
  );
};
