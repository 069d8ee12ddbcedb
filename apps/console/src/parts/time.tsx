import { useSyncExternalStore, type JSX } from 'react';
import { showAge, showTime, showUtc } from '../words/format.js';

const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
};

/** The time, once a second: one clock for the whole page. */
export const useNow = (): number => useSyncExternalStore(subscribe, () => now);

/** A moment in the viewer's zone; in UTC when it is pointed at. */
export const Time = ({ at }: { readonly at: string }): JSX.Element => (
  <time dateTime={at} title={showUtc(at)} className="nowrap">
    {showTime(at)}
  </time>
);

/** How long ago, going on by itself. */
export const Age = ({
  at,
  prefix = '',
  suffix = '',
}: {
  readonly at: string;
  readonly prefix?: string;
  readonly suffix?: string;
}): JSX.Element => {
  const from = Date.parse(at);
  // Drawn again only when its words change, which of old things is seldom.
  const text = useSyncExternalStore(subscribe, () => showAge(Math.max(0, now - from)));
  return (
    <time dateTime={at} title={showUtc(at)} className="nowrap">
      {text === 'now' ? 'just now' : `${prefix}${text}${suffix}`}
    </time>
  );
};
