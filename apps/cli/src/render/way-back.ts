import type { LeftoverView, RolloutView } from '#libs/contracts';
import { plain, plural, showCount, showDuration, showTime } from '../format.js';
import { table, type Look } from '../look.js';

type Target = RolloutView['targets'][number];
type Way = NonNullable<Target['wayBack']>;

/** Counting units stops here. */
const MOST_UNITS = 512;

/** `1,204 requests, 13 units, oldest 2026-01-05 12:00:00, newest …`. */
export const leftoverWords = ({ requests, units, oldestAt, newestAt }: LeftoverView, look: Look): string => {
  const named = units >= MOST_UNITS ? `at least ${MOST_UNITS} units` : plural(units, 'unit');
  const times = `oldest ${showTime(oldestAt, look.zone)}, newest ${showTime(newestAt, look.zone)}`;
  return [plural(requests, 'request'), ...(units === 0 ? [] : [named]), times].join(', ');
};

const since = (from: string, until: string): string => showDuration(Date.parse(until) - Date.parse(from));

const readBackWords = (way: Way, look: Look): string => {
  const nowIso = new Date(look.now).toISOString();
  if (way.readBackAt !== null) return `after ${since(way.askedAt, way.readBackAt)}`;
  if (way.endedAt !== null) return 'never';
  return look.paint.yellow(`not yet, for ${since(way.askedAt, nowIso)}`);
};

const endWords = ({ ended }: Target, way: Way): string =>
  ended === null || way.endedAt === null ? 'open' : `${ended} after ${since(way.askedAt, way.endedAt)}`;

const stillSeen = ({ silent }: Target, { leftover, clearedAt }: Way, look: Look): string =>
  [
    leftover === null ? 'nothing' : leftoverWords(leftover, look),
    ...(clearedAt === null ? [] : [`told to drop stickiness at ${showTime(clearedAt, look.zone)}`]),
    ...(silent.length === 0 ? [] : [look.paint.yellow(`stopped talking: ${plain(silent.join(', '))}`)]),
  ].join('; ');

/** How far each target is on its way back, in the order in which they were asked; empty where none is. */
export const wayBackTable = (targets: readonly Target[], look: Look): string => {
  const ways = targets
    .flatMap((target) => (target.wayBack === null ? [] : [{ target, way: target.wayBack }]))
    .toSorted(
      (a, b) => Date.parse(a.way.askedAt) - Date.parse(b.way.askedAt) || (a.way.place ?? 0) - (b.way.place ?? 0),
    );
  return table(
    ['ORDER', 'TARGET', 'ON CANDIDATE', 'READ BACK', 'END', 'SEEN SINCE IT WAS ASKED BACK'],
    ways.map(({ target, way }, index) => [
      way.place === null ? '-' : String(index + 1),
      plain(target.target),
      way.requestsPerSecond === null ? '-' : `${showCount(way.requestsPerSecond)}/s`,
      readBackWords(way, look),
      endWords(target, way),
      stillSeen(target, way, look),
    ]),
    look,
    ['ORDER', 'ON CANDIDATE'],
  );
};
