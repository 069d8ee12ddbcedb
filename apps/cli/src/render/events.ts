import type { EventView } from '#libs/contracts';
import { plain, showClock, showTime } from '../format.js';
import { table } from '../look.js';
import type { Look } from '../look.js';
import { solid } from '../wrap.js';

const BAD = new Set([
  'RollbackStarted',
  'RolledBack',
  'ExposureFailed',
  'DegradationDetected',
  'RolloutCancelled',
  'DriftFound',
]);
const GOOD = new Set(['StagePassed', 'FullyExposed', 'RolloutSettled']);
const ATTENTION = new Set(['RolloutHeld', 'BakeSkipped', 'EvidenceMissing', 'OverrideApplied']);

const paintSummary = (event: EventView, { paint }: Look): string => {
  const summary = plain(event.summary);
  if (BAD.has(event.type)) return paint.red(summary);
  if (GOOD.has(event.type)) return paint.green(summary);
  return ATTENTION.has(event.type) ? paint.yellow(summary) : summary;
};

const because = (event: EventView): string =>
  event.reason === null || event.summary.includes(event.reason) ? '' : ` (${plain(event.reason)})`;

/** One event as it passes by: `14:03:12  api enters 5%`. */
export const renderEventLine = (event: EventView, look: Look): string =>
  `${look.paint.dim(showClock(event.occurredAt, look.zone))}  ${paintSummary(event, look)}${look.paint.dim(because(event))}`;

/** Who did what, when and why; oldest first. */
export const renderHistory = (events: readonly EventView[], look: Look): string =>
  table(
    ['POSITION', 'TIME', 'WHO', 'EVENT', 'WHAT'],
    events.map((event) => [
      `#${event.position}`,
      solid(showTime(event.occurredAt, look.zone)),
      plain(event.actor.name),
      plain(event.type),
      paintSummary(event, look) + look.paint.dim(because(event)),
    ]),
    look,
    ['EVENT', 'WHO'],
  );
