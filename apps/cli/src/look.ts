import pc from 'picocolors';
import { plain } from './format.js';
import { longestWord, visible, wrap } from './wrap.js';

export type Paint = ReturnType<typeof pc.createColors>;

/** How text is shown: colours, width in characters, time zone, and now (ms since 1970). */
export interface Look {
  readonly paint: Paint;
  readonly width: number;
  readonly zone: string;
  readonly now: number;
}

interface ColourWish {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isTty: boolean;
  /** `--no-color`. */
  readonly refused: boolean;
}

/** `--no-color`, then NO_COLOR, then FORCE_COLOR, then TERM=dumb, then whether it is a terminal. */
export const wantsColour = ({ env, isTty, refused }: ColourWish): boolean => {
  if (refused || env['NO_COLOR']) return false;
  const forced = env['FORCE_COLOR'];
  if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false';
  return isTty && env['TERM'] !== 'dumb';
};

export const paintFor = (wish: ColourWish): Paint => pc.createColors(wantsColour(wish));

const GAP = 2;
/** Text in the last column is not pressed below this while another column can go. */
const COMFORT = 24;

type Column = { readonly title: string; readonly cells: readonly string[]; width: number; readonly least: number };

const columnOf = (title: string, cells: readonly string[], isLast: boolean): Column => {
  const all = [title, ...cells];
  const width = Math.max(...all.map(visible));
  return {
    title,
    cells,
    width,
    least: Math.max(...all.map(longestWord), isLast ? Math.min(width, COMFORT) : 0),
  };
};

const total = (widths: readonly number[]): number => widths.reduce((sum, width) => sum + width + GAP, -GAP);

/** Takes from the widest columns, from words only when there is no other way. */
const shrink = (columns: readonly Column[], room: number): void => {
  for (const least of [(column: Column) => column.least, () => 4]) {
    while (total(columns.map(({ width }) => width)) > room) {
      const widest = columns.filter((one) => one.width > least(one)).toSorted((a, b) => b.width - a.width)[0];
      if (!widest) break;
      widest.width -= 1;
    }
  }
};

const rowLines = (cells: readonly (readonly [string, number])[]): string[] => {
  const wrapped = cells.map(([cell, width]) => wrap(cell, width));
  const height = Math.max(...wrapped.map((lines) => lines.length));
  return Array.from({ length: height }, (_, index) =>
    wrapped
      .map((lines, column) => {
        const text = lines[index] ?? '';
        return text + ' '.repeat(Math.max(0, (cells[column]?.[1] ?? 0) - visible(text)));
      })
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
};

/**
 * Rows in columns without borders, within the width: cells wrap at word ends, and columns named in `spare` go, the first
 * first, when words would have to be cut without. Empty rows give an empty text.
 */
export const table = (
  head: readonly string[],
  rows: readonly (readonly string[])[],
  look: Look,
  spare: readonly string[] = [],
): string => {
  if (rows.length === 0) return '';
  let columns = head.map((title, index) =>
    columnOf(
      title,
      rows.map((row) => row[index] ?? ''),
      index === head.length - 1,
    ),
  );
  for (const title of spare) {
    if (total(columns.map(({ least }) => least)) <= look.width) break;
    columns = columns.filter((column) => column.title !== title);
  }
  shrink(columns, look.width);
  const titles = rowLines(columns.map(({ title, width }) => [title, width] as const)).map((line) =>
    line.replace(/\S+(?: \S+)*/g, (title) => look.paint.dim(title)),
  );
  const body = rows.flatMap((_, index) =>
    rowLines(columns.map(({ cells, width }) => [cells[index] ?? '', width] as const)),
  );
  return [...titles, ...body].join('\n');
};

/** A word for a verdict or a status, coloured by whether it is good, bad, or to be waited for. */
export const paintStatus = (word: string, paint: Paint): string => {
  if (['pass', 'passed', 'settled', 'yes', 'created'].includes(word)) return paint.green(word);
  if (['fail', 'rolled-back', 'rolling-back', 'cancelled', 'not-reached', 'not reached', 'taken back'].includes(word))
    return paint.red(word);
  if (['inconclusive', 'not-measured', 'held', 'no', 'revised', 'updated'].includes(word)) return paint.yellow(word);
  if (['staging', 'in-stage', 'watching', 'settling'].includes(word)) return paint.cyan(word);
  return plain(word);
};
