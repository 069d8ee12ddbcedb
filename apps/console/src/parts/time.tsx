import { useEffect, useRef, useSyncExternalStore, type JSX } from 'react';
import { showAge, showClock, showDay, showTime, showUtc } from '../words/format.js';

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

/** A moment in the viewer's zone; in UTC when it is pointed at. On the `day` that stands above it, only the time of day. */
export const Time = ({ at, day }: { readonly at: string; readonly day?: string | undefined }): JSX.Element => (
  <time dateTime={at} title={showUtc(at)} className={day === undefined ? 'nowrap' : undefined}>
    {day === showDay(at) ? showClock(at) : showTime(at)}
  </time>
);

/**
 * How long ago, going on by itself. A board has hundreds of these, so the clock writes the words into the page without
 * having anything drawn again.
 */
export const Age = ({
  at,
  prefix = '',
  suffix = '',
}: {
  readonly at: string;
  readonly prefix?: string;
  readonly suffix?: string;
}): JSX.Element => {
  const place = useRef<HTMLTimeElement>(null);
  const wordsAt = (moment: number): string => {
    const text = showAge(Math.max(0, moment - Date.parse(at)));
    return text === 'now' ? 'just now' : `${prefix}${text}${suffix}`;
  };
  useEffect(() => {
    let shown: string | undefined;
    const write = (): void => {
      const words = wordsAt(now);
      if (words !== shown && place.current) place.current.textContent = words;
      shown = words;
    };
    write();
    return subscribe(write);
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [at, prefix, suffix]);
  return (
    <time ref={place} dateTime={at} title={showUtc(at)} className="nowrap">
      {wordsAt(now)}
    </time>
  );
};
