const UNITS = [
  { short: 'd', long: 'd', ms: 86_400_000 },
  { short: 'h', long: 'h', ms: 3_600_000 },
  { short: 'm', long: 'min', ms: 60_000 },
  { short: 's', long: 's', ms: 1_000 },
] as const;

type Part = { readonly count: number; readonly unit: (typeof UNITS)[number] };

/** Whole units, at most two of them, rounded down; none below a second. */
const partsOf = (ms: number): readonly Part[] => {
  const first = UNITS.findIndex((unit) => ms >= unit.ms);
  const [unit, below] = first < 0 ? [] : UNITS.slice(first);
  if (unit === undefined) return [];
  const whole = { count: Math.floor(ms / unit.ms), unit };
  const rest = below === undefined ? 0 : Math.floor((ms % unit.ms) / below.ms);
  return rest === 0 || below === undefined ? [whole] : [whole, { count: rest, unit: below }];
};

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** `2h`, `1h 30m`, `12m`, `0s`, as durations are written in plans. */
export const roughly = (ms: number): string =>
  partsOf(ms)
    .map(({ count, unit }) => `${count}${unit.short}`)
    .join(' ') || '0s';

/** `50.2 s`, `1 min 15 s`, `30 min`, `2 h 5 min`. */
export const lasting = (ms: number): string =>
  ms < 60_000
    ? seconds(ms)
    : partsOf(ms)
        .map(({ count, unit }) => `${count} ${unit.long}`)
        .join(' ');
