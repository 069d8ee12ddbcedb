import type { Traffic } from '../evidence-store.js';
import { LEAST_SPAN_MS } from '../reads.js';
import { byPlace, bySignal, placeOf, type Place } from './order.js';
import type { EvidenceRows } from './rows.js';

const MINUTE_MS = 60_000;

/** Rates over the last `spanMs`, or since a slice was first seen if that is later. */
export const trafficOf = (
  rows: Pick<EvidenceRows, 'traffic' | 'trafficBad'>,
  { now, spanMs }: { readonly now: number; readonly spanMs: number },
): Traffic => {
  const since = now - spanMs;
  const recent = [...rows.traffic.values()].filter(
    ({ minute, lastAt, firstAt }) => minute > since - MINUTE_MS && lastAt > since && firstAt < now,
  );
  const newest = [...rows.traffic.values()].filter(
    ({ minute, firstAt }) => minute > since - MINUTE_MS && firstAt < now,
  );
  // Reports trail what they report: the span ends with the newest of them.
  const end = newest.length > 0 ? Math.max(...newest.map(({ lastAt }) => lastAt)) : now;
  const slices = new Map<string, Place & { requests: number; firstAt: number }>();
  for (const { target, model, requests, firstAt } of recent) {
    const place = placeOf({ target, model });
    const slice = slices.get(place) ?? { target, model, requests: 0, firstAt };
    slices.set(place, {
      ...slice,
      requests: slice.requests + requests,
      firstAt: Math.min(slice.firstAt, firstAt),
    });
  }
  const seconds = (place: Place): number =>
    Math.max(end - (slices.get(placeOf(place))?.firstAt ?? end), LEAST_SPAN_MS) / 1_000;
  const minutes = new Set(recent.map((row) => `${placeOf(row)} ${row.minute}`));
  const bad = new Map<string, Place & { signal: string; bad: number }>();
  for (const { signal, target, model, minute, bad: count } of rows.trafficBad.values()) {
    if (!minutes.has(`${placeOf({ target, model })} ${minute}`)) continue;
    const place = `${signal} ${placeOf({ target, model })}`;
    bad.set(place, { signal, target, model, bad: (bad.get(place)?.bad ?? 0) + count });
  }
  return {
    requests: [...slices.values()].toSorted(byPlace).map(({ target, model, requests }) => ({
      target,
      model,
      requestsPerSecond: requests / seconds({ target, model }),
    })),
    bad: [...bad.values()].toSorted(bySignal).map(({ signal, target, model, bad: count }) => ({
      signal,
      target,
      model,
      badPerSecond: count / seconds({ target, model }),
    })),
  };
};
