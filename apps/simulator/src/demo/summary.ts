import { paintFor, table, type Look } from '../../../cli/src/look.js';
import type { GroundTruth } from '../fleet/ground-truth.js';
import type { StoryEvent } from './events.js';
import { solid } from '../../../cli/src/wrap.js';
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
  return ms === null ? 'never' : solid(seconds(ms));
};

const harmOf = (fault: string | undefined, truth: GroundTruth): string => {
  if (fault === undefined) return '';
  const targets = Object.values(truth.faults[fault] ?? {});
  const onCandidate = targets.reduce((sum, { badOnCandidate }) => sum + badOnCandidate, 0);
  const after = targets.reduce((sum, { badAfterRollback }) => sum + badAfterRollback, 0);
  return `${onCandidate + after} bad answers${after > 0 ? `, ${after} of them to sticky sessions after the rollback` : ''}`;
};

/** The table at the end, and below it everything that did not come out as expected. */
export const summarise = (
  finished: readonly Finished[],
  truth: GroundTruth,
  elapsedMs: number,
  width: number,
): string => {
  const look: Look = { paint: paintFor({ env: {}, isTty: false, refused: true }), width, zone: 'UTC', now: 0 };
  const rows = finished.flatMap(({ change, events, judgement, predictedMs, fault }) => [
    [''],
    [
      change,
      judgement.expected,
      judgement.came,
      predicted(predictedMs),
      solid(seconds(spanOf(events))),
      harmOf(fault, truth),
      judgement.ok ? 'ok' : 'NO',
    ],
  ]);
  const head = ['CHANGE', 'EXPECTED', 'CAME', 'PLAN SAID', 'TOOK', 'HARM DONE', 'OK?'];
  const problems = finished.flatMap(({ change, judgement }) =>
    judgement.problems.map((problem) => `${change}: ${problem}`),
  );
  const served = truth.totals.requests.toLocaleString('en-US');
  return [
    table(head, rows, look),
    '',
    `${served} requests were served; all of it took ${seconds(elapsedMs)}.`,
    ...problems,
  ].join('\n');
};
