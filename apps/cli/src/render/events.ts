import { treeOf, type CauseTree, type EventView } from '#libs/contracts';
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

const treeLine = (event: EventView, look: Look): string => {
  const when = look.paint.dim(`#${event.position} ${showTime(event.occurredAt, look.zone)}`);
  return `${when}  ${plain(event.actor.name)}: ${paintSummary(event, look)}${look.paint.dim(because(event))}`;
};

/** Only where one event set off several is there a branch; a chain goes on below itself. */
const treeLines = ({ event, children }: CauseTree, look: Look, first: string, rest: string): readonly string[] => [
  `${first}${treeLine(event, look)}`,
  ...children.flatMap((child, index) => {
    if (children.length === 1) return treeLines(child, look, `${rest}↓ `, rest);
    const isLast = index === children.length - 1;
    return treeLines(child, look, `${rest}${isLast ? '└ ' : '├ '}`, `${rest}${isLast ? '  ' : '│ '}`);
  }),
];

/** What set off what; oldest first. */
export const renderTree = (events: readonly EventView[], look: Look): string =>
  treeOf(events)
    .flatMap((root) => treeLines(root, look, '', ''))
    .join('\n');
