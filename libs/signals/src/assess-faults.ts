import type { OutcomeWindow, SignalType } from '#libs/contracts';
import type { Fault } from './place-faults.js';

export const unknownSignal = (signal: string): Fault => ({
  code: 'unknown-signal',
  detail: `The signal ${signal} is not registered: apply its manifest first or correct the name.`,
});

/** Where items of each type of signal stand in a window. */
export const SENT_IN: Readonly<Record<SignalType, string>> = {
  invariant: 'bad',
  rate: 'bad',
  mean: 'values',
  distribution: 'values',
  paired: 'pairs',
};

export const wrongKind = (signal: string, type: SignalType): Fault => ({
  code: 'wrong-kind-of-signal',
  detail: `${signal} is of type ${type}: send it in "${SENT_IN[type]}".`,
});

export const countedBySource = (signal: string, source: string): Fault => ({
  code: 'counted-by-source',
  detail: `${signal} is counted by its source (${source}), which its manifest names: leave it out of what instances send.`,
});

/** A window without requests may tell of earlier ones, which came out late. */
export const moreBadThanRequests = ({
  requests,
  bad,
}: OutcomeWindow): (Fault & { readonly pointer: string }) | undefined => {
  if (requests === 0 || bad.length <= requests) return undefined;
  const counts = new Map<string, number>();
  for (const { signal } of bad) counts.set(signal, (counts.get(signal) ?? 0) + 1);
  const most = [...counts].find(([, count]) => count > requests);
  return (
    most && {
      pointer: '/bad',
      code: 'more-bad-than-requests',
      detail: `${most[1]} requests are bad in ${most[0]}, and there were ${requests}: count each once, and send late outcomes in a window with no requests.`,
    }
  );
};
