/** A word of an address; undefined where there is none. The router reads `12` as a number. */
export const wordOf = (value: unknown): string | undefined => {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** A whole number of an address, not below 0; anything else is none. */
export const wholeOf = (value: unknown): number | undefined => {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
};

const HISTORY = [
  'q',
  'type',
  'config',
  'target',
  'rollout',
  'actor',
  'since',
  'until',
  'correlation',
  'event',
  'as',
] as const;
export type HistorySearch = { readonly [name in (typeof HISTORY)[number]]?: string | undefined };

/** What the history is asked, as an address says it. */
export const historySearch = (search: Record<string, unknown>): HistorySearch =>
  Object.fromEntries(HISTORY.map((name) => [name, wordOf(search[name])]));

/** What the time travel shows, as an address says it. */
export type TimeSearch = {
  readonly at?: number | undefined;
  /** Another position, of which the differences are shown. */
  readonly against?: number | undefined;
  /** As it was known then; else with all that is known today. */
  readonly known?: 'then' | undefined;
  /** Two platforms that are compared at the moment. */
  readonly left?: string | undefined;
  readonly right?: string | undefined;
  /** The slice of which open changes are shown, and how many hours ago they may have ended. */
  readonly platform?: string | undefined;
  readonly target?: string | undefined;
  readonly config?: string | undefined;
  readonly hours?: number | undefined;
};

export const timeSearch = (search: Record<string, unknown>): TimeSearch => ({
  at: wholeOf(search['at']),
  against: wholeOf(search['against']),
  known: search['known'] === 'then' ? 'then' : undefined,
  left: wordOf(search['left']),
  right: wordOf(search['right']),
  platform: wordOf(search['platform']),
  target: wordOf(search['target']),
  config: wordOf(search['config']),
  hours: wholeOf(search['hours']),
});
