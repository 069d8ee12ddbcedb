import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#libs/kernel';
import { LiveView } from './live-view.js';
import { newTargetWarnings } from './target-warnings.js';

const viewOf = (...told: readonly (readonly [type: string, streamId: string, data: JsonObject])[]): LiveView => {
  const view = new LiveView();
  const occurredAt = '2026-01-05T12:00:00.000Z';
  const metadata = { actor: { kind: 'person' as const, name: 'ada' }, commandId: 'c', correlationId: 'c' };
  for (const [index, [type, streamId, data]] of told.entries())
    view.apply({
      type,
      data,
      streamId,
      eventId: `e${index}`,
      schemaVersion: 2,
      streamVersion: index + 1,
      position: index + 1,
      recordedAt: occurredAt,
      metadata: { ...metadata, occurredAt, precision: 'instant' },
    });
  return view;
};

const target = (name: string) =>
  [
    'TargetRegistered',
    `target-${name}`,
    { target: name, platform: 'api', labels: {}, models: [], driver: 'pull', settings: {} },
  ] as const;
const about = { key: 'pool', kind: 'quality', assignment: 'unit', description: null, schema: null };
const pool = ['ConfigRegistered', 'config-pool', about] as const;
const revision = (number: number) =>
  [
    'RevisionProposed',
    'config-pool',
    { key: 'pool', revision: number, digest: `d${number}`, value: {}, links: [], baseline: number === 1 },
  ] as const;
const settled = (number: number, ...targets: readonly string[]) =>
  [
    'TargetsReleased',
    'config-pool',
    { key: 'pool', rollout: 'x', revision: number, targets: [...targets], outcome: 'settled', live: {} },
  ] as const;

const before = [pool, revision(1), revision(2), target('us')] as const;

describe('a target that is registered later than the others', () => {
  it('is warned of what it serves that is older than elsewhere, with the way to bring it up', () => {
    const [warning, ...more] = newTargetWarnings(viewOf(...before, settled(2, 'us'), target('eu')), 'eu');
    expect(more).toEqual([]);
    expect(warning).toMatchObject({ field: '/metadata/name' });
    for (const words of ['eu serves r1 of pool', 'r2 is last known good on us', '--revision 2'])
      expect(warning?.message).toContain(words);
  });

  it('is none where the baseline is what runs elsewhere too, or nothing runs elsewhere', () => {
    expect(newTargetWarnings(viewOf(...before, target('eu')), 'eu')).toEqual([]);
    expect(newTargetWarnings(viewOf(pool, revision(1), revision(2), target('eu')), 'eu')).toEqual([]);
  });
});
