import { metrics } from '@opentelemetry/api';
import { openFailures, openWaysBack, type LiveView } from '#libs/application';
import type { ReaderHealth } from '#libs/event-store';

type Sources = {
  readonly view: LiveView;
  readonly head: () => Promise<number>;
  readonly readers: () => readonly ReaderHealth[];
  readonly streams: () => number;
  /** Epoch ms. */
  readonly now: () => number;
};

/** What Headgate says of itself: lag of each reader, rollouts by state, what is overdue, streaming clients. */
export const registerMetrics = ({ view, head, readers, streams, now }: Sources): void => {
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
  const seconds = (since: number): number => Math.max(0, now() - since) / 1_000;
  meter
    .createObservableGauge('headgate.rollback.open', {
      unit: 's',
      description: 'How long ago a target was asked back that is not read back, or not drained',
    })
    .addCallback((result) => {
      for (const { since, ...where } of openWaysBack(view)) result.observe(seconds(since), where);
    });
  meter
    .createObservableGauge('headgate.delivery.failing', {
      unit: 's',
      description: 'For how long deliveries of a rollout to a target have failed',
    })
    .addCallback((result) => {
      for (const { since, rollout, target } of openFailures(view)) result.observe(seconds(since), { rollout, target });
    });
  meter
    .createObservableGauge('headgate.sync.streams', {
      unit: '{stream}',
      description: 'Fleet instances that stream rulesets',
    })
    .addCallback((result) => result.observe(streams()));
};
