import { describe, expect, it } from 'vitest';
import { rolloutDecider, targetDecider, targetStream } from '#libs/domain';
import type { RecordedEvent } from '#libs/kernel';
import { StateCache } from './state-cache.js';

const stream = targetStream('api');

const changed = (streamVersion: number, model: string): RecordedEvent => ({
  eventId: `e${streamVersion}`,
  type: 'TargetRegistered',
  schemaVersion: 1,
  data: { target: 'api', platform: 'api', labels: {}, models: [model], driver: 'pull' },
  metadata: {
    actor: { kind: 'person', name: 'ada' },
    commandId: 'c',
    correlationId: 'c',
    occurredAt: '2026-01-05T12:00:00.000Z',
    precision: 'instant',
  },
  streamId: stream,
  streamVersion,
  position: streamVersion,
  recordedAt: '2026-01-05T12:00:00.000Z',
});

const empty = { state: targetDecider.initial, version: 0 };

describe('what a controller knows of a stream without reading it', () => {
  it('moves on with each event that follows it', () => {
    const cache = new StateCache();
    cache.keep(stream, targetDecider, empty);
    cache.apply(changed(1, 'haiku'));
    expect(cache.find(stream, targetDecider)).toMatchObject({ version: 1, state: { models: ['haiku'] } });
  });

  it('stays where it is when an event is missing in between, or comes again', () => {
    const cache = new StateCache();
    cache.keep(stream, targetDecider, empty);
    cache.apply(changed(1, 'haiku'));
    cache.apply(changed(1, 'sonnet'));
    cache.apply(changed(3, 'opus'));
    expect(cache.find(stream, targetDecider)).toMatchObject({ version: 1, state: { models: ['haiku'] } });
  });

  it('never goes back to what a slower read found', () => {
    const cache = new StateCache();
    cache.keep(stream, targetDecider, empty);
    cache.apply(changed(1, 'haiku'));
    cache.keep(stream, targetDecider, empty);
    expect(cache.find(stream, targetDecider)?.version).toBe(1);
  });

  it('is nothing to another way of folding the stream', () => {
    const cache = new StateCache();
    cache.keep(stream, targetDecider, empty);
    expect(cache.find(stream, rolloutDecider)).toBeUndefined();
  });

  it('forgets the streams that were used longest ago, and keeps the one in use', () => {
    const cache = new StateCache();
    cache.keep(stream, targetDecider, empty);
    for (let n = 0; n < 2_000; n += 1) {
      cache.keep(targetStream(`t-${n}`), targetDecider, empty);
      cache.find(stream, targetDecider);
    }
    expect(cache.find(stream, targetDecider)).toBeDefined();
    expect(cache.find(targetStream('t-0'), targetDecider)).toBeUndefined();
  });
});
