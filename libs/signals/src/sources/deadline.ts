/**
 * Does work that has to end when `stop` is aborted, or after so many milliseconds: its signal is aborted then, with a
 * `TimeoutError` as its reason where the time was over. A timer and a controller of its own hold it, since signals that
 * are joined by `AbortSignal.any` may be collected in Node 20 before they fire.
 */
export const withDeadline = async <T>(
  stop: AbortSignal,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const controller = new AbortController();
  const give = (): void => controller.abort(stop.reason);
  const timer = setTimeout(() => controller.abort(new DOMException('The time is over.', 'TimeoutError')), ms);
  if (stop.aborted) give();
  else stop.addEventListener('abort', give, { once: true });
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', give);
  }
};
