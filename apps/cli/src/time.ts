import { parseDuration } from '#libs/contracts';
import { usageError } from './errors.js';

/** A moment as the user named it: a global position, or a time (ISO, UTC). */
export type Moment = { readonly position: number } | { readonly time: string };

const HELP =
  'write 2025-08-29T14:00, a time with its zone such as 2025-08-29T12:00Z, 10m (ago), now, or a position such as #1042';

/** Whether the calendar has this day: dates that it has not would be read as later ones. */
const isDay = (text: string): boolean => {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})/.exec(text)?.map(Number) ?? [];
  if (year === undefined || month === undefined || day === undefined) return false;
  return new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day;
};

const dateOf = (text: string): number => {
  if (!isDay(text)) return Number.NaN;
  // A date alone would be read as midnight in UTC; the user means midnight here.
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return Date.parse(`${text}T00:00`);
  return Date.parse(text.replace(' ', 'T'));
};

/** Reads `now`, `10m` or `10m ago`, `#1042`, and dates with or without a zone (local by default). Throws a usage error. */
export const parseMoment = (text: string, now: number): Moment => {
  const trimmed = text.trim();
  const position = /^[#@](\d+)$/.exec(trimmed)?.[1];
  if (position !== undefined) return { position: Number(position) };
  if (trimmed === 'now') return { time: new Date(now).toISOString() };
  const ago = parseDuration(trimmed.replace(/^-/, '').replace(/\s+ago$/, ''));
  const ms = ago === undefined ? dateOf(trimmed) : now - ago;
  // Neither is what no calendar reaches.
  if (Number.isNaN(new Date(ms).getTime())) throw usageError(`"${text}" is not a time`, { next: HELP });
  return { time: new Date(ms).toISOString() };
};
