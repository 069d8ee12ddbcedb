import { describe, expect, it } from 'vitest';
import type { JsonObject, Precision, RecordedEvent } from '#libs/kernel';
import { LiveView } from '../queries/live-view.js';
import { pastOf } from './past-rows.js';

const RECORDED = '2025-09-01T12:00:00.000Z';

type When = { readonly occurredAt?: string; readonly precision?: Precision };

/** Events in the order in which they are given, of which the last one's news are wanted. */
const newsOf = (...events: readonly (readonly [stream: string, type: string, data: JsonObject, when?: When])[]) => {
  const view = new LiveView();
  const recorded = events.map(
    (
      [streamId, type, data, { occurredAt = RECORDED, precision = 'instant' as Precision } = {}],
      index,
    ): RecordedEvent => ({
      eventId: `e-${index}`,
      type,
      schemaVersion: 1,
      data,
      metadata: {
        actor: { kind: 'person', name: 'alice' },
        reason: 'what runs today',
        commandId: 'c',
        correlationId: 'c',
        occurredAt,
        precision,
      },
      streamId,
      streamVersion: 1,
      position: index + 1,
      recordedAt: RECORDED,
    }),
  );
  for (const event of recorded) view.apply(event);
  const last = recorded.at(-1);
  if (last === undefined) throw new Error('There is no event.');
  return pastOf(view, last);
};

const target = [
  'target-api',
  'TargetRegistered',
  { target: 'api', platform: 'api', labels: {}, models: [], driver: 'pull', settings: {} },
] as const;
const config = [
  'config-tone',
  'ConfigRegistered',
  { key: 'tone', kind: 'quality', assignment: 'unit', description: null, schema: null },
] as const;
const baseline = (when?: When) =>
  [
    'config-tone',
    'RevisionProposed',
    { key: 'tone', revision: 1, digest: 'd', value: {}, links: [], baseline: true },
    when,
  ] as const;
const ofConfig = (when?: When) =>
  newsOf(target, config, baseline(when)).rows.find(({ aspect }) => aspect === 'config/tone');

describe('what an event adds to the past', () => {
  it('holds from when it was recorded, whatever the clock of the controller said', () => {
    expect(ofConfig({ occurredAt: '2025-09-01T11:59:58.000Z' })).toMatchObject({
      subject: 'target/api',
      at: Date.parse(RECORDED),
      precision: 'instant',
      stands: { control: 1, candidate: null },
      actor: 'alice',
      reason: 'what runs today',
    });
  });

  it('holds from the time that an import names, as exactly as that is known, and was recorded later', () => {
    expect(ofConfig({ occurredAt: '2025-08-05T00:00:00.000Z', precision: 'day' })).toMatchObject({
      at: Date.parse('2025-08-05T00:00:00.000Z'),
      recordedAt: Date.parse(RECORDED),
      precision: 'day',
    });
  });

  it('was so when it happened, where it tells what was seen of a target', () => {
    const seen = { target: 'api', generation: 3, instances: 2 };
    const late = newsOf(target, [
      'target-api',
      'GenerationAcknowledged',
      seen,
      { occurredAt: '2025-09-01T11:00:00.000Z' },
    ]);
    expect(late.rows).toMatchObject([
      { aspect: 'acknowledged', at: Date.parse('2025-09-01T11:00:00.000Z'), recordedAt: Date.parse(RECORDED) },
    ]);
  });

  it('tells of the config and the person by which it is found', () => {
    expect(newsOf(target, config, baseline()).mentions.map(({ subject }) => subject)).toEqual([
      'config/tone',
      'actor/alice',
    ]);
  });
});
