import { describe, expect, it } from 'vitest';
import { Manifest } from '#libs/contracts';
import type { JsonObject } from '#libs/kernel';
import { aPlan, aTrack } from '#libs/testing';
import { LiveView } from '../queries/live-view.js';
import { driverLimits } from './driver-limits.js';
import { appliedRoomLimits } from './ruleset-room.js';

const PARAMETER = { project: 'my-project', parameter: 'eu' };
const place = { platform: 'vertex', labels: {}, models: ['sonnet'] };
const text = (kilobytes: number): JsonObject => ({ prompt: 'x'.repeat(kilobytes * 1024) });

type Told = { readonly type: string; readonly data: JsonObject; readonly streamId: string };

const registered = (target: string, driver: string, settings: JsonObject): Told => ({
  type: 'TargetRegistered',
  data: { target, ...place, driver, settings },
  streamId: `target-${target}`,
});
const configured = (key: string, ...values: readonly JsonObject[]): readonly Told[] => {
  const streamId = `config-${key}`;
  const about = { key, kind: 'quality', assignment: 'unit', description: null, schema: null };
  return [
    { type: 'ConfigRegistered', data: about, streamId },
    ...values.map((value, index) => ({
      type: 'RevisionProposed',
      data: { key, revision: index + 1, digest: `d${index}`, value, links: [], baseline: index === 0 },
      streamId,
    })),
  ];
};
const viewOf = (...told: readonly (Told | readonly Told[])[]): LiveView => {
  const view = new LiveView();
  const occurredAt = '2026-01-05T12:00:00.000Z';
  const metadata = { actor: { kind: 'person' as const, name: 'ada' }, commandId: 'c', correlationId: 'c' };
  for (const [index, event] of told.flat().entries())
    view.apply({
      ...event,
      eventId: `e${index}`,
      schemaVersion: 2,
      streamVersion: index + 1,
      position: index + 1,
      recordedAt: occurredAt,
      metadata: { ...metadata, occurredAt, precision: 'instant' },
    });
  return view;
};
const manifest = (kind: string, name: string, spec: object): Manifest =>
  Manifest.parse({ apiVersion: 'headgate.dev/v1', kind, metadata: { name }, spec });
const value = (name: string, given: JsonObject): Manifest =>
  manifest('Config', name, { kind: 'quality', assignment: 'unit', value: given });
const parameter = manifest('Target', 'eu', { ...place, driver: 'gcp-parameter-manager', settings: PARAMETER });
const eu = registered('eu', 'gcp-parameter-manager', PARAMETER);

describe('the room for a ruleset', () => {
  it('takes a value that fits beside the others, control and candidate at once', () => {
    const view = viewOf(eu, configured('prompt', text(400)), configured('pool', text(1)));
    expect(appliedRoomLimits(view, [value('prompt', text(500))])).toBeUndefined();
  });

  it('refuses one with which they do not fit, with target, numbers, field and remedy', () => {
    const view = viewOf(eu, configured('prompt', text(400)), configured('pool', text(200)));
    const fault = appliedRoomLimits(view, [value('pool', text(1)), value('prompt', text(500))]);
    expect(fault).toMatchObject({ code: 'ruleset-too-large', field: '/manifests/1/spec/value' });
    for (const words of ['config prompt (512013 bytes)', 'target eu', 'gcp-parameter-manager', '1048576', 'spec.value'])
      expect(fault?.message).toContain(words);
    expect(appliedRoomLimits(viewOf(configured('prompt', text(400))), [value('prompt', text(900))])).toBeUndefined();
  });

  it('is for all that comes with one apply', () => {
    const both = [value('a', text(600)), value('b', text(600))];
    expect(appliedRoomLimits(viewOf(eu), both)).toMatchObject({ code: 'ruleset-too-large' });
    expect(appliedRoomLimits(viewOf(eu), both.slice(0, 1))).toBeUndefined();
  });

  it('refuses a target on which what there is does not fit, and names the largest config', () => {
    const view = viewOf(registered('us', 'pull', {}), configured('prompt', text(900)), configured('pool', text(300)));
    const fault = appliedRoomLimits(view, [parameter]);
    expect(fault).toMatchObject({ code: 'ruleset-too-large', field: '/manifests/0/spec/driver' });
    expect(fault?.message).toContain('prompt (921613 bytes)');
  });

  it('lets a smaller value, and what changes nothing, pass where it is too small already', () => {
    const view = viewOf(eu, configured('prompt', text(3_000)));
    expect(appliedRoomLimits(view, [value('prompt', text(1))])).toBeUndefined();
    expect(appliedRoomLimits(view, [value('prompt', text(3_000)), parameter])).toBeUndefined();
    expect(appliedRoomLimits(view, [value('prompt', text(3_001))])).toMatchObject({ code: 'ruleset-too-large' });
  });

  it('is seen at a start as well, of whichever revision; an emergency goes wherever it can', () => {
    const view = viewOf(eu, configured('prompt', text(500), text(600), text(1)));
    const config = view.fleet.configs.get('prompt')!;
    const started = (revision: number, name = 'quick') => {
      const plan = { ...aPlan({ tracks: [aTrack('vertex')] }, { targets: [{ target: 'eu', ...place }] }), plan: name };
      return driverLimits(view, { config, revision, plan, controls: { eu: 1 } });
    };
    expect(started(2)).toMatchObject({ code: 'driver-cannot', field: '/revision' });
    expect(started(2)?.message).toContain('prompt (512013 and 614413 bytes)');
    expect(started(3)).toBeUndefined();
    expect(started(2, 'emergency')).toBeUndefined();
  });
});
