import type { ReplayReport } from '#libs/domain';
import type { Script } from './script.js';

const MOMENTS = new Set(['at', 'from', 'until', 'startedAt', 'endedAt']);

const withTimes = (value: unknown, key = ''): unknown => {
  if (typeof value === 'number') return MOMENTS.has(key) ? new Date(value).toISOString() : value;
  if (Array.isArray(value))
    return key === 'span' ? value.map((at) => withTimes(at, 'at')) : value.map((each) => withTimes(each));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withTimes(inner, name)]));
};

/** The report as data: times in UTC as ISO 8601, the course of each signal as objects. */
export const replayData = (report: ReplayReport, sources: Script['sources']): unknown =>
  withTimes({
    ...report,
    sources,
    changes: report.changes.map((change) => ({
      ...change,
      signals: change.signals.map((signal) => ({
        ...signal,
        points: signal.points.map(([at, logE, candidateBad, controlBad]) => ({ at, logE, candidateBad, controlBad })),
      })),
    })),
  });
