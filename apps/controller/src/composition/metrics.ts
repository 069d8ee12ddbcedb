import { metrics } from '@opentelemetry/api';
import { openFailures, openWaysBack, type LiveView } from '#libs/application';
import { RolloutStatus } from '#libs/contracts';
import type { ReaderHealth } from '#libs/event-store';

type Sources = {
  readonly view: Pick<LiveView, 'rollouts'> & { readonly fleet: Pick<LiveView['fleet'], 'targets'> };
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
      const counts = new Map<string, number>(RolloutStatus.options.map((status) => [status, 0]));
      for (const { rollout } of view.rollouts.values())
        counts.set(rollout.status, (counts.get(rollout.status) ?? 0) + 1);
      for (const [status, count] of counts) result.observe(count, { status });
    });
  const seconds = (since: number): number => Math.max(0, now() - since) / 1_000;
  /** Of each target, the oldest; a gauge goes on telling what it told last, so nothing is told as 0. */
  const perTarget = (open: readonly { readonly target: string; readonly since: number }[]) => {
    const oldest = new Map([...view.fleet.targets.keys()].map((target) => [target, 0]));
    for (const { target, since } of open) oldest.set(target, Math.max(oldest.get(target) ?? 0, seconds(since)));
    return oldest;
  };
  meter
    .createObservableGauge('headgate.rollback.open', {
      unit: 's',
      description: 'How long ago a target was asked back that is not read back, or not drained; 0: none is',
    })
    .addCallback((result) => {
      const open = openWaysBack(view);
      for (const step of ['reading-back', 'draining'] as const)
        for (const [target, age] of perTarget(open.filter((way) => way.step === step)))
          result.observe(age, { target, step });
    });
  meter
    .createObservableGauge('headgate.delivery.failing', {
      unit: 's',
      description: 'For how long deliveries of a rollout to a target have failed; 0: they do not',
    })
    .addCallback((result) => {
      for (const [target, age] of perTarget(openFailures(view))) result.observe(age, { target });
    });
  meter
    .createObservableGauge('headgate.sync.streams', {
      unit: '{stream}',
      description: 'Fleet instances that stream rulesets',
    })
    .addCallback((result) => result.observe(streams()));
};
