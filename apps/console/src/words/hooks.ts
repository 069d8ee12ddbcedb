import type { HookView } from '#libs/contracts';
import { plural } from './format.js';
import type { Look } from './status.js';

const STATES: Readonly<Record<HookView['state'], Look>> = {
  delivering: { tone: 'good', mark: 'check', words: 'delivering' },
  retrying: { tone: 'warn', mark: 'ring', words: 'fails, tried again' },
  dead: { tone: 'bad', mark: 'cross', words: 'events given up' },
  disabled: { tone: 'bad', mark: 'pause', words: 'disabled' },
  stuck: { tone: 'bad', mark: 'cross', words: 'cannot be signed' },
};

export const hookLook = ({ state }: Pick<HookView, 'state'>): Look => STATES[state];

/** `3 events wait, 1 was given up`; undefined where it is up to date. */
export const behindWords = ({ waiting, dead }: Pick<HookView, 'waiting' | 'dead'>): string | undefined =>
  [
    ...(waiting > 0 ? [`${plural(waiting, 'event')} ${waiting === 1 ? 'waits' : 'wait'}`] : []),
    ...(dead > 0 ? [`${plural(dead, 'event')} given up`] : []),
  ].join(', ') || undefined;
