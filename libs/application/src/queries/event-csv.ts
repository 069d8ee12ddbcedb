import type { EventView } from '#libs/contracts';

/** Columns of an export as a table, in order: the envelope, its words, and the data as JSON. */
const COLUMNS: Readonly<Record<string, (event: EventView) => string | number>> = {
  position: ({ position }) => position,
  recordedAt: ({ recordedAt }) => recordedAt,
  occurredAt: ({ occurredAt }) => occurredAt,
  stream: ({ stream }) => stream,
  version: ({ version }) => version,
  type: ({ type }) => type,
  words: ({ summary }) => summary,
  actorKind: ({ actor }) => actor.kind,
  actor: ({ actor }) => actor.name,
  reason: ({ reason }) => reason ?? '',
  eventId: ({ eventId }) => eventId,
  correlationId: ({ correlationId }) => correlationId,
  causationId: ({ causationId }) => causationId ?? '',
  data: ({ data }) => JSON.stringify(data),
};

const END = '\r\n';

/**
 * Where a spreadsheet would begin a formula: at the start of a cell, and behind what separates cells in some countries
 * even within quotes.
 */
const FORMULA = /(^ *|; *)(?=[=+\-@＝＋－＠])/g;

/** One field (RFC 4180, section 2): in quotes, on one line, and never a formula. */
const field = (value: string | number): string =>
  typeof value === 'number'
    ? String(value)
    : `"${value
        .replace(/[\r\n\t]+/g, ' ')
        .replace(FORMULA, "$1'")
        .replaceAll('"', '""')}"`;

/** The line that names the columns. */
export const csvHead = `${Object.keys(COLUMNS).join(',')}${END}`;

/** An event as one line of CSV (RFC 4180). Line breaks and tabs in text become spaces; what a spreadsheet would compute is led by an apostrophe. */
export const csvLine = (event: EventView): string =>
  `${Object.values(COLUMNS)
    .map((of) => field(of(event)))
    .join(',')}${END}`;
