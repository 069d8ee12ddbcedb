import type { ExposedView, UnitCount } from '#libs/contracts';
import { plain, showCount, showTime } from '../format.js';
import { table } from '../look.js';
import type { Look } from '../look.js';
import { solid } from '../wrap.js';

type Counted = ExposedView['total'];

/** `<5`, `41`, `at least 512`, `48,210 ± 3.1%`. */
export const showUnits = ({ count, below, error, atLeast }: UnitCount): string => {
  if (count === null) return `<${below ?? 0}`;
  const spread = error > 0 ? ` ± ${(error * 100).toFixed(1)}%` : '';
  return `${atLeast ? 'at least ' : ''}${showCount(count)}${spread}`;
};

const counts = ({ requests, units }: Counted): readonly string[] => [showCount(requests), showUnits(units)];

/** Who was exposed, from the whole down to the hour, and what the counts do not say. */
export const renderExposed = (view: ExposedView, look: Look): string => {
  const { paint, zone } = look;
  const [requests, units] = counts(view.total);
  const head = `${paint.bold(`${plain(view.config)} r${view.revision}`)} was exposed to ${requests} requests of ${units} units`;
  const notes = view.notes.map((note) => paint.dim(note));
  if (view.total.requests === 0 && view.cells.length === 0) return [head, '', ...notes].join('\n');
  const sums = [
    ...view.platforms.map((row) => [`platform ${plain(row.platform)}`, ...counts(row)]),
    ...view.targets.map((row) => [`target ${plain(row.target)}`, ...counts(row)]),
    ...view.models.map((row) => [`model ${plain(row.model)}`, ...counts(row)]),
  ];
  const cells = view.cells.map((cell) => [
    solid(showTime(cell.hour, zone)),
    plain(cell.target),
    plain(cell.model),
    ...counts(cell),
  ]);
  return [
    head,
    '',
    table(['WHERE', 'REQUESTS', 'UNITS'], sums, look),
    '',
    table(['HOUR', 'TARGET', 'MODEL', 'REQUESTS', 'NEW UNITS'], cells, look),
    '',
    ...notes,
  ].join('\n');
};
