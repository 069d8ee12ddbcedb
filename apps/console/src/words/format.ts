const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `420 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`: two units at most. */
export const showDuration = (ms: number): string => {
  if (ms < 0) return '0 s';
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${Number((ms / SECOND).toFixed(1))} s`;
  if (ms < MINUTE) return `${Math.round(ms / SECOND)} s`;
  const [unit, name, below, belowName] =
    ms < HOUR
      ? ([MINUTE, 'min', SECOND, 's'] as const)
      : ms < DAY
        ? ([HOUR, 'h', MINUTE, 'min'] as const)
        : ([DAY, 'd', HOUR, 'h'] as const);
  const whole = Math.floor(ms / unit);
  const rest = Math.floor((ms - whole * unit) / below);
  return rest === 0 ? `${whole} ${name}` : `${whole} ${name} ${rest} ${belowName}`;
};

/** How old something is, in one unit: `now`, `40 s`, `3 min`, `5 h`, `12 d`. */
export const showAge = (ms: number): string => {
  if (ms < 2 * SECOND) return 'now';
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  return ms < 2 * DAY ? `${Math.floor(ms / HOUR)} h` : `${Math.floor(ms / DAY)} d`;
};

/** `0.01%` to `100%`, from basis points. */
export const showShare = (bp: number): string => `${Number((bp / 100).toFixed(2))}%`;

export const showCount = (count: number): string => Math.round(count).toLocaleString('en-US');

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${showCount(count)} ${count === 1 ? one : many}`;

/** `1.4×`; more digits near 1, where they matter. */
export const showRatio = (ratio: number): string => {
  if (ratio >= 100) return `${showCount(ratio)}×`;
  if (ratio >= 10) return `${ratio.toFixed(0)}×`;
  return `${Number(ratio.toFixed(2))}×`;
};

type Units = {
  readonly count: number | null;
  readonly below: number | null;
  readonly error: number;
  readonly atLeast: boolean;
};

/** How many distinct units, with what is not known of it: `fewer than 5`, `at least 512`, `about 12,300 (±3.1%)`. */
export const showUnits = ({ count, below, error, atLeast }: Units): string => {
  if (count === null) return `fewer than ${below ?? 1}`;
  const words =
    error === 0 ? showCount(count) : `about ${showCount(count)} (±${Number((error * 100).toPrecision(2))}%)`;
  return atLeast ? `at least ${words}` : words;
};

/** A share of bad ones: `0.45%`, `12 per million`. */
export const showRate = (bad: number, of: number): string => {
  if (of === 0) return 'nothing measured';
  const rate = bad / of;
  if (rate === 0) return '0%';
  if (rate < 0.000_1) return `${Number((rate * 1e6).toPrecision(2))} per million`;
  return `${Number((rate * 100).toPrecision(2))}%`;
};

/** An e-value from its natural logarithm: `1.2`, `3,400`, `10^12`. */
export const showE = (logE: number): string => {
  const log10 = logE / Math.LN10;
  if (log10 >= 6) return `10^${Math.floor(log10)}`;
  const value = Math.exp(logE);
  if (value < 0.001) return 'below 0.001';
  return value >= 100 ? showCount(value) : String(Number(value.toPrecision(2)));
};

/** An interval of ratios, in words where a side is open. */
export const showInterval = (interval: readonly [number | null, number | null] | null): string => {
  if (interval === null) return 'no interval';
  const [low, high] = interval;
  if (low === null && high === null) return 'not bounded yet';
  if (high === null) return `at least ${showRatio(low ?? 0)}`;
  return low === null ? `at most ${showRatio(high)}` : `${showRatio(low)} to ${showRatio(high)}`;
};

const two = (number: number): string => String(number).padStart(2, '0');

/** `14:03:07` in the viewer's zone. */
export const showClock = (iso: string): string => {
  const at = new Date(iso);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
};

/** `2025-08-29 14:03:07` in the viewer's zone. Always with its day: a page stays open past midnight, and is sent to others. */
export const showTime = (iso: string): string => `${showDay(iso)} ${showClock(iso)}`;

/** `2025-08-29` in the viewer's zone. */
export const showDay = (iso: string): string => {
  const at = new Date(iso);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
};

/** `2025-08-29 12:03:07 UTC`. */
export const showUtc = (iso: string): string => `${new Date(iso).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** `Europe/Berlin, UTC+02:00`: the zone that all times here are in. */
export const showZone = (now: Date = new Date()): string => {
  const minutes = -now.getTimezoneOffset();
  const size = Math.abs(minutes);
  const offset = `UTC${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  return timeZone === 'UTC' ? 'UTC' : `${timeZone}, ${offset}`;
};

/** Any value of JSON on one line. */
export const showValue = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  return typeof value === 'string' ? value : JSON.stringify(value);
};

/** `Rollback started` of `RollbackStarted`. */
export const showType = (type: string): string => {
  const words = type.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
};
