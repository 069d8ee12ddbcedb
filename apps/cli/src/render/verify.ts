import { plain, showCount, showTime } from '../format.js';
import type { Look } from '../look.js';
import type { Fault, FittingHead, VerifyReport } from '../verify/index.js';
import { hang } from '../wrap.js';

const INDENT = 10;

const placeOf = ({ from, to }: Fault): string => (from === to ? `event ${from}` : `one of the events ${from} to ${to}`);

export const faultText = (fault: Fault): string => `${placeOf(fault)}: ${fault.detail}`;

const signedText = ({ signedAt, keyId }: FittingHead, zone: string): string =>
  [
    ...(signedAt === null ? [] : [`signed ${showTime(signedAt, zone)}`]),
    keyId === null ? 'signature not checked' : `by the key ${keyId}`,
  ].join(' ');

const verdictText = ({ verdict }: VerifyReport, { paint }: Look): string => {
  if (verdict === 'altered') return paint.red('altered');
  if (verdict === 'anchored') return paint.green('not altered, anchored');
  return paint.yellow(
    'internally consistent, not anchored: nothing from outside says that it is the log that was, or all of it; give --witness or --head',
  );
};

const lines = (report: VerifyReport, look: Look): readonly (readonly [string, string])[] => {
  const { zone } = look;
  const { origin, events, sealed, anchors, unsealedFrom, first, faults, moreFaults, notes } = report;
  const others = faults.filter(
    (fault) => fault !== first && faultText(fault) !== (first === null ? '' : faultText(first)),
  );
  return [
    ['log', origin ?? 'without a key'],
    ['events', showCount(events)],
    [
      'sealed',
      sealed === null ? 'no head fits' : `up to ${sealed.size}, ${signedText(sealed, zone)}, from ${sealed.from}`,
    ],
    ...anchors.map(
      (anchor) => ['anchored', `up to ${anchor.size} by ${anchor.from}, ${signedText(anchor, zone)}`] as const,
    ),
    ...(unsealedFrom === null ? [] : [['unsealed', `from ${unsealedFrom} on: no head covers these`] as const]),
    ['result', verdictText(report, look)],
    ...(first === null ? [] : [['first', faultText(first)] as const]),
    ...others.map((fault) => ['also', faultText(fault)] as const),
    ...(moreFaults === 0 ? [] : [['also', `${showCount(moreFaults)} more`] as const]),
    ...notes.map((note) => ['note', note] as const),
  ];
};

/** What was found, in words. */
export const renderVerify = (report: VerifyReport, look: Look): string =>
  lines(report, look)
    .map(([name, text]) => hang(`${name.padEnd(INDENT - 1)} ${plain(text)}`, look.width, INDENT))
    .join('\n');
