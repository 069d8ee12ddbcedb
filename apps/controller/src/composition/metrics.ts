import { metrics } from '@opentelemetry/api';
import type { LiveView } from '#libs/application';
import type { ReaderHealth } from '#libs/event-store';

type Sources = {
  readonly view: LiveView;
  readonly head: () => Promise<number>;
  readonly readers: () => readonly ReaderHealth[];
  readonly streams: () => number;
};

/** What Headgate says of itself: lag of each reader, rollouts by state, streaming clients. */
export const registerMetrics = ({ view, head, readers, streams }: Sources): void => {
  const meter = metrics.getMeter('headgate');
  meter
    .createObservableGauge('headgate.reader.lag', { unit: '{event}', description: 'Events a reader has still to read' })
    .addCallback(async (result) => {
      const newest = await head();
      for (const { name, position } of readers()) result.observe(newest - position, { reader: name });
    });
  meter
    .createObservableGauge('headgate.rollouts', { unit: '{rollout}', description: 'Rollouts by status' })
    .addCallback((result) => {
      const counts = new Map<string, number>();
      for (const { rollout } of view.rollouts.values())
        counts.set(rollout.status, (counts.get(rollout.status) ?? 0) + 1);
      for (const [status, count] of counts) result.observe(count, { status });
    });
  meter
    .createObservableGauge('headgate.sync.streams', {
      unit: '{stream}',
      description: 'Fleet instances that stream rulesets',
    })
    .addCallback((result) => result.observe(streams()));
};
