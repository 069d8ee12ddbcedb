import pc from 'picocolors';
import Table from 'cli-table3';
import { plain } from './format.js';

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

const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

// oxlint-disable-next-line no-control-regex -- colours are escape sequences
const COLOURS = /\u001b\[\d+m/g;
const visible = (text: string): number => text.replace(COLOURS, '').length;

const GAP = 2;
const NARROWEST_LAST = 20;

/** Rows in columns without borders; the last column wraps when the terminal is narrow. Empty rows give an empty text. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[], look: Look): string => {
  if (rows.length === 0) return '';
  const widths = head.map((title, column) =>
    Math.max(visible(title), ...rows.map((row) => visible(row[column] ?? ''))),
  );
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP, 0);
  const lastWidth = Math.max(NARROWEST_LAST, look.width - before);
  const wraps = (widths.at(-1) ?? 0) > lastWidth;
  const grid = new Table({
    chars: NO_BORDERS,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    colWidths: wraps ? widths.map((width, column) => (column === widths.length - 1 ? lastWidth : width)) : widths,
    wordWrap: wraps,
  });
  grid.push(head.map((title) => look.paint.dim(title)));
  for (const row of rows) grid.push([...row]);
  return grid
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
};

/** A word for a verdict or a status, coloured by whether it is good, bad, or to be waited for. */
export const paintStatus = (word: string, paint: Paint): string => {
  if (['pass', 'passed', 'settled', 'yes', 'created'].includes(word)) return paint.green(word);
  if (['fail', 'rolled-back', 'rolling-back', 'cancelled', 'not-reached'].includes(word)) return paint.red(word);
  if (['inconclusive', 'not-measured', 'held', 'no', 'revised', 'updated'].includes(word)) return paint.yellow(word);
  if (['staging', 'in-stage', 'watching', 'settling'].includes(word)) return paint.cyan(word);
  return plain(word);
};
