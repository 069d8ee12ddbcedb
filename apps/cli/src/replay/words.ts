import type { ChangeReport, ReplayReport } from '#libs/domain';
import { showDuration } from '../format.js';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const TIME = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'UTC',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
});
const COUNT = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `29 Aug`. All times of a replay are in UTC. */
export const showDay = (at: number): string => {
  const date = new Date(at);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()] ?? ''}`;
};

/** `29 Aug 16:00`. */
export const showMoment = (at: number): string => `${showDay(at)} ${TIME.format(at)}`;

/** `5 Aug to 19 Sep 2025`. */
export const showSpan = (from: number, until: number): string =>
  `${showDay(from)} to ${showDay(until)} ${new Date(until).getUTCFullYear()}`;

export const whole = (count: number): string => COUNT.format(Math.round(count));

const STEPS: readonly (readonly [size: number, name: string])[] = [
  [1e9, 'billion'],
  [1e6, 'million'],
];

/** `419`, `35,103`, `7.5 million`. */
export const showAmount = (count: number): string => {
  for (const [size, name] of STEPS) {
    if (count >= size) return `${Number((count / size).toPrecision(count >= size * 100 ? 3 : 2))} ${name}`;
  }
  return whole(count);
};

/** `0.8%`, `0.0004%`. */
export const showRate = (share: number): string => `${Number((share * 100).toPrecision(3))}%`;

/** A chance to two digits; one that is nearly sure is not called certain. */
export const showChance = (chance: number): string =>
  chance > 0.999 ? 'over 99.9%' : showRate(Number(chance.toPrecision(2)));

/** Whether a change that really did harm did none with Headgate, because another one was not live. */
export const isAloneHarmless = (report: ChangeReport): boolean =>
  report.outcome === 'settled' && wasHarmful(report) && report.withHeadgate.affected === 0;

export const ALONE_HARMLESS = 'It is harmful only together with another change, which was not live here any more.';

/** What a replay does with a change that had settled before it begins. */
export const LIVE_ALREADY =
  'It had settled before this replay begins: no rollout guards it any more, and it goes on as it really did. Counted from the start of the replay.';

/** Whether a change did harm in the real course. */
export const wasHarmful = ({ really }: ChangeReport): boolean => really.affected > 0;

/** Whether a change that did harm went through to the end with Headgate and did harm there too. */
export const wasMissed = (report: ChangeReport): boolean =>
  report.outcome === 'settled' && wasHarmful(report) && report.withHeadgate.affected > 0;

/** Why a harmful change was not stopped. */
export const whyMissed = ({ outlook }: ChangeReport): string => {
  const [first] = outlook;
  return first === undefined
    ? 'It did harm, and no signal of this plan shows it.'
    : `It did harm, too rarely for these stages: a first violation is expected once in ${whole(first.requests)} candidate requests.`;
};

/** Where and how a change ended with Headgate, in a few words. */
export const showEnd = (report: ChangeReport): string => {
  const { outcome, stop } = report;
  if (stop) return `stopped in ${stop.stages.join(', ')}`;
  if (outcome === 'settled') return 'settled';
  if (outcome === 'imported') return 'was live already';
  if (outcome === 'refused') return 'refused';
  return outcome === 'open' ? 'still going on' : 'taken back';
};

/** How long it took to stop or to settle. */
export const showAfter = ({ stop, endedAt, startedAt }: ChangeReport): string => {
  if (stop) return showDuration(stop.afterMs);
  return endedAt === null ? '' : showDuration(endedAt - startedAt);
};

/** What the gate is expected to need where an invariant decides, for the first stage. */
export const outlookLines = (report: ChangeReport): readonly string[] =>
  report.outlook.map(
    ({ track, stage, expectedMs, withinBake, requests }) =>
      `${track}/${stage}: first violation expected after ${whole(requests)} candidate requests, ${showDuration(expectedMs)}; ` +
      `seen within the stage with a chance of ${showChance(withinBake)}`,
  );

/** Changes that were live beside a stopped one, in words. */
export const alongsideLines = (report: ChangeReport, all: ReplayReport['changes']): readonly string[] =>
  (report.stop?.alongside ?? []).map(({ change, share }) => {
    const other = all.find((each) => each.change === change && !each.isComparison);
    const since = other ? `, ${other.outcome === 'imported' ? 'live' : 'out'} since ${showDay(other.startedAt)}` : '';
    return `${change}${since}, at ${showRate(share)} of the same slices`;
  });
