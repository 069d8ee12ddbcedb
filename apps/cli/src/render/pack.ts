import { plain, showTime } from '../format.js';
import type { Look } from '../look.js';
import type { PackReport } from '../verify/index.js';
import { hang } from '../wrap.js';

const INDENT = 10;
const MOST_FAULTS = 20;

const verdictText = ({ verdict }: PackReport, { paint }: Look): string => {
  if (verdict === 'altered') return paint.red('altered');
  if (verdict === 'proved') return paint.green('not altered, proved by the key that you hold');
  return paint.yellow(
    'consistent, not anchored: the key came with the pack; give one that you have from elsewhere with --key',
  );
};

/** What was found in a pack, in words. */
export const renderPack = (report: PackReport, look: Look): string => {
  const { rollout, origin, madeAt, head, faults, proved, unproved, notes } = report;
  const rows: readonly (readonly [string, string])[] = [
    ['rollout', rollout ?? 'unknown'],
    ['log', origin ?? 'unknown'],
    ...(madeAt === null ? [] : [['made', showTime(madeAt, look.zone)] as const]),
    ...(head === null
      ? []
      : [
          [
            'head',
            `of ${head.size} events${head.signedAt === null ? '' : `, signed ${showTime(head.signedAt, look.zone)}`}`,
          ] as const,
        ]),
    ['result', verdictText(report, look)],
    ...faults.slice(0, MOST_FAULTS).map((fault) => ['altered', fault] as const),
    ...(faults.length > MOST_FAULTS ? [['altered', `${faults.length - MOST_FAULTS} more`] as const] : []),
    ...proved.map((what) => ['proved', what] as const),
    ...unproved.map((what) => ['unproved', what] as const),
    ...notes.map((note) => ['note', note] as const),
  ];
  return rows.map(([name, text]) => hang(`${name.padEnd(INDENT - 1)} ${plain(text)}`, look.width, INDENT)).join('\n');
};
