import type { SourceView } from '#libs/contracts';
import { plain, showDuration, showTime } from '../format.js';
import { table } from '../look.js';
import type { Look } from '../look.js';
import { solid } from '../wrap.js';

const stateOf = ({ state }: SourceView, { paint }: Look): string => (state === 'failing' ? paint.red(state) : state);

/** What is wrong, and what was given up: both are what somebody who looks here wants to know. */
const wordsOf = ({ error, signals }: SourceView): string => {
  const skipped = signals.filter(({ skippedMs }) => skippedMs > 0);
  const lost = skipped.map(({ signal, skippedMs }) => `${signal}: ${showDuration(skippedMs)} are not known`);
  return plain([...(error === null ? [] : [error]), ...lost].join('; '));
};

/** One line per source. */
export const renderSources = (sources: readonly SourceView[], look: Look): string =>
  table(
    ['SOURCE', 'TYPE', 'STATE', 'COUNTED UNTIL', 'BEHIND BY', 'SIGNALS', 'WHAT IS WRONG'],
    sources.map((source) => [
      source.source,
      source.type,
      stateOf(source, look),
      source.countedUntil === null ? '-' : solid(showTime(source.countedUntil, look.zone)),
      source.behindMs === null ? '-' : showDuration(source.behindMs),
      String(source.signals.length),
      wordsOf(source),
    ]),
    look,
    ['TYPE', 'SIGNALS'],
  );
