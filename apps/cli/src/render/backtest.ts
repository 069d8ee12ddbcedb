import { plain, showCount, showDuration, showTime } from '../format.js';
import { paintStatus, table, type Look } from '../look.js';
import { isNewStop, type Backtested } from '../recompute/index.js';
import { solid } from '../wrap.js';

type Stop = NonNullable<Backtested['stopped']>;

const stopWords = (stop: Stop | null, startedAt: number): string => {
  if (stop === null) return '-';
  const counts = `${showCount(stop.candidate)} / ${showCount(stop.control)}`;
  return plain(
    `after ${showDuration(stop.at - startedAt)} in ${stop.stages.join(', ') || 'no stage'} by ${stop.signal ?? 'nobody'} (${counts})`,
  );
};

const differenceWords = (one: Backtested, look: Look): string => {
  const { stopped, wouldStop } = one;
  if (stopped !== null && wouldStop === null) return look.paint.red('missed');
  if (isNewStop(one)) return look.paint.yellow('stopped, and it went on in fact');
  if (stopped === null || wouldStop === null) return wouldStop === null ? 'the same' : 'stopped';
  const ms = wouldStop.at - stopped.at;
  if (Math.abs(ms) < 1_000) return look.paint.green('the same');
  return ms < 0 ? look.paint.green(`${showDuration(-ms)} earlier`) : `${showDuration(ms)} later`;
};

const LEFT_OUT = {
  limit: 'the limit of',
  before: 'as no arms are known and the time before is not kept:',
} as const;

/** What nothing in the table rests on, and what would have held without stopping. */
const notesOf = (all: readonly Backtested[]): readonly string[] => {
  const held = all.filter(({ wouldHold }) => wouldHold.length > 0);
  const names = [...new Set(held.flatMap(({ wouldHold }) => wouldHold))];
  const left = (what: keyof typeof LEFT_OUT): readonly string[] => [
    ...new Set(all.flatMap(({ leftOut }) => leftOut.filter((each) => each.what === what).map(({ signal }) => signal))),
  ];
  return [
    ...(held.length === 0
      ? []
      : [
          `shown to be bad in ${held.length} of them, where the plan only holds or warns (onFail): ${names.join(', ')}`,
        ]),
    ...(['limit', 'before'] as const)
      .filter((what) => left(what).length > 0)
      .map((what) => `not judged here, ${LEFT_OUT[what]} ${left(what).join(', ')}`),
  ].map(plain);
};

/** Each rollout: what happened, and what the plan would have done. */
export const renderBacktest = (all: readonly Backtested[], look: Look): string => {
  const blind = [...new Set(all.flatMap(({ unmeasured }) => unmeasured))];
  const rows = table(
    ['ROLLOUT', 'CONFIG', 'STARTED', 'ENDED', 'STOPPED (CANDIDATE / CONTROL)', 'THE PLAN STOPS IT', 'DIFFERENCE'],
    all.map((one) => [
      one.rollout.slice(0, 13),
      plain(`${one.config} r${one.revision}`),
      solid(showTime(new Date(one.startedAt).toISOString(), look.zone)),
      paintStatus(one.end, look.paint),
      stopWords(one.stopped, one.startedAt),
      stopWords(one.wouldStop, one.startedAt),
      differenceWords(one, look),
    ]),
    look,
    ['STARTED', 'ENDED'],
  );
  const where = all.filter(({ unmeasured }) => unmeasured.length > 0).length;
  const compacted = all.filter(({ isCompacted }) => isCompacted).length;
  const notes = [
    ...(blind.length === 0 ? [] : [look.paint.yellow(`not measured in ${where} of them: ${plain(blind.join(', '))}`)]),
    ...notesOf(all).map((note) => look.paint.yellow(note)),
    ...(compacted === 0
      ? []
      : [
          `the looks of ${compacted} of them are kept by the hour: the plan may stop those up to an hour sooner than shown`,
        ]),
  ];
  return [rows, ...notes].join('\n\n');
};
