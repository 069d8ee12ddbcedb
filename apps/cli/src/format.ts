const COUNT = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 });

/** A count with thousands separators: `81,700`. */
export const showCount = (count: number): string => COUNT.format(count);

const one = (value: number): string => String(Number(value.toFixed(1)));

/** A duration with its unit: `250 ms`, `4.2 s`, `5 min`, `3.5 h`, `2 d`. */
export const showDuration = (ms: number): string => {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${one(ms / 1_000)} s`;
  if (ms < 3_597_000) return `${one(ms / 60_000)} min`;
  if (ms < 86_220_000) return `${one(ms / 3_600_000)} h`;
  return `${one(ms / 86_400_000)} d`;
};

/** A predicted duration; null means that today's traffic is not enough, however long one waits. */
export const showPrediction = (ms: number | null): string => (ms === null ? 'never' : showDuration(ms));

/** A ratio to control: `1.8 times`. */
export const showRatio = (ratio: number): string => `${Number(ratio.toPrecision(3))} times`;

const formatters = new Map<string, Intl.DateTimeFormat>();

const formatterFor = (zone: string): Intl.DateTimeFormat => {
  const known = formatters.get(zone);
  if (known) return known;
  const made = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
  formatters.set(zone, made);
  return made;
};

/** A moment as `2025-08-29 14:03:12` in the given zone; text that is no time is returned as it is. */
export const showTime = (iso: string, zone: string): string => {
  const time = Date.parse(iso);
  return Number.isNaN(time) ? iso : formatterFor(zone).format(time);
};

/** The time of day alone: `14:03:12`. */
export const showClock = (iso: string, zone: string): string => showTime(iso, zone).slice(-8);

/** `3 min ago`, or `in 3 min`. */
export const showAgo = (iso: string, now: number): string => {
  const ms = now - Date.parse(iso);
  if (Number.isNaN(ms)) return iso;
  return ms >= 0 ? `${showDuration(ms)} ago` : `in ${showDuration(-ms)}`;
};

/** A JSON value on one line, cut after `limit` characters. */
export const showValue = (value: unknown, limit = 120): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
};

/** `1 target`, `3 targets`. */
export const plural = (count: number, noun: string): string => `${showCount(count)} ${noun}${count === 1 ? '' : 's'}`;

/**
 * Text from elsewhere made safe for a terminal: control characters, with them escape sequences, and what turns the direction
 * of text are shown, not obeyed.
 */
export const plain = (text: string): string =>
  text.replace(/[\n\r\t]+/g, ' ').replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
