import { useEffect } from 'react';

/** A key stroke is meant for the page and not for a field, a dialog or the browser. */
const isForPage = (event: KeyboardEvent): boolean => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return false;
  const { target } = event;
  if (!(target instanceof HTMLElement)) return true;
  return target.closest('input, textarea, select, [contenteditable], [role="dialog"], [role="slider"]') === null;
};

/** Does something for single keys as long as it is on the page. */
export const useKeys = (keys: Readonly<Record<string, () => void>>): void => {
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      const act = isForPage(event) && document.querySelector('[role="dialog"]') === null ? keys[event.key] : undefined;
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener('keydown', listen);
    return () => document.removeEventListener('keydown', listen);
  }, [keys]);
};

/** Moves to the next or the previous of the things that can be opened, in the order of the page. */
export const moveFocus = (by: 1 | -1): void => {
  const all = [...document.querySelectorAll<HTMLElement>('[data-stop]')].filter((each) => each.offsetParent !== null);
  const now = all.findIndex((each) => each === document.activeElement);
  const next = all[now === -1 ? (by === 1 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, now + by))];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
};

/** What the help shows; the pages act on them. */
export const HELP: readonly (readonly [keys: string, what: string])[] = [
  ['/', 'search'],
  ['?', 'this help'],
  ['↑ ↓ or k j', 'move between rollouts and configs'],
  ['Enter', 'open'],
  ['b', 'board'],
  ['h', 'history'],
  ['c', 'configs'],
  ['t', 'time travel'],
  ['p, r, m, a, u', 'on a rollout: pause, resume, promote, abort, undo'],
  ['← →', 'in time travel: one event back or on'],
];
