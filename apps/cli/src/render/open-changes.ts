import { showShare } from '#libs/contracts';
import type { OpenChange, OpenChanges } from '#libs/contracts';
import { plain, showTime } from '../format.js';
import { paintStatus, table } from '../look.js';
import type { Look } from '../look.js';
import { solid } from '../wrap.js';

const showExposures = ({ exposures }: OpenChange): string => {
  const byShare = new Map<number, string[]>();
  for (const { target, shareBp } of exposures) byShare.set(shareBp, [...(byShare.get(shareBp) ?? []), target]);
  return (
    [...byShare].map(([shareBp, targets]) => `${showShare(shareBp)} on ${plain(targets.join(', '))}`).join('; ') || '-'
  );
};

const stateOf = ({ status, held, endedAt }: OpenChange, look: Look): string => {
  const state = `${status}${held === null ? '' : `, held by ${held.by}`}`;
  return `${paintStatus(state, look.paint)}${endedAt === null ? '' : ` ${showTime(endedAt, look.zone)}`}`;
};

const why = ({ reason, bypass, reverts }: OpenChange): string =>
  [
    ...(reverts === null ? [] : [`takes back r${reverts}`]),
    ...(bypass === null ? [] : ['without stages']),
    ...(reason === null ? [] : [reason]),
  ].join(': ');

/** Rollouts that were open at a moment, newest first, or a line that says that none was. */
export const renderOpenChanges = ({ at, since, items }: OpenChanges, look: Look): string => {
  const { paint, zone } = look;
  const head = `${paint.bold(`open at ${showTime(at, zone)}`)}, ended since ${showTime(since, zone)} included`;
  if (items.length === 0) return `${head}\n\nno change was open`;
  const rows = items.map((item) => [
    item.rollout,
    `${plain(item.config)} r${item.revision}`,
    stateOf(item, look),
    showExposures(item),
    solid(showTime(item.startedAt, zone)),
    plain(item.actor),
    plain(why(item)),
  ]);
  return `${head}\n\n${table(['ROLLOUT', 'CHANGE', 'STATE THEN', 'EXPOSURE THEN', 'STARTED', 'BY', 'WHY'], rows, look, ['STARTED', 'BY'])}`;
};
