import { describe, expect, it } from 'vitest';
import { UnknownEventError, type NewEvent, type RecordedEvent } from '#libs/kernel';
import { recorded, T0 } from '#libs/testing';
import { asHeadgateEvent, eventCodec, eventVersions, newestVersion } from './index.js';

const event = (change: Partial<RecordedEvent> = {}): RecordedEvent =>
  recorded({ type: 'TargetRetired', data: { target: 'api-us' }, position: 41 }, change);
const write =
  (data: NewEvent['data'], type = 'TargetRetired', schemaVersion = 1) =>
  (): void =>
    eventCodec.check(event({ type, data, schemaVersion }));

describe('reading an event', () => {
  it('gives a known one as it is', () => {
    expect(eventCodec.decode(event())).toEqual(event());
  });

  it('ignores fields that a friendlier build added', () => {
    const known = event({ data: { target: 'api-us', note: 'kept' } });
    expect(eventCodec.decode(known).data).toMatchObject({ target: 'api-us' });
  });

  it('stops at a type that this build does not know, and names event and position', () => {
    const decode = (): RecordedEvent => eventCodec.decode(event({ type: 'RolloutBlessed' }));
    expect(decode).toThrow(UnknownEventError);
    expect(decode).toThrow(/RolloutBlessed v1 at position 41 is unknown to this build: upgrade/);
  });

  it('stops at a version that is newer than this build, and names both versions', () => {
    const decode = (): RecordedEvent => eventCodec.decode(event({ schemaVersion: 2 }));
    expect(decode).toThrow(UnknownEventError);
    expect(decode).toThrow(/TargetRetired v2 at position 41 is newer than this build \(v1\): upgrade/);
  });

  it('carries when and where it was recorded', () => {
    expect(asHeadgateEvent(event())).toEqual({
      type: 'TargetRetired',
      data: { target: 'api-us' },
      position: 41,
      at: T0,
    });
  });
});

describe('writing an event', () => {
  it('takes what fits its schema', () => {
    expect(write({ target: 'api-us' })).not.toThrow();
  });

  it('refuses a missing or wrong field, and names it', () => {
    expect(write({})).toThrow(/TargetRetired.*target/s);
    expect(write({ target: 7 })).toThrow(/target/);
  });

  it('refuses a field that the schema does not know, however deep', () => {
    expect(write({ target: 'api-us', prompt: 'what a user wrote' })).toThrow(/TargetRetired v1 has no field \/prompt/);
    const drained = {
      rollout: 'r',
      config: 'c',
      revision: 2,
      assignment: 'unit',
      controls: {},
      vetoReason: null,
      bypass: null,
      reverts: null,
    };
    const signal = {
      signal: 's',
      title: 's',
      type: 'rate',
      harm: 1,
      weight: 1,
      shadow: false,
      settleTolerate: null,
      sample: 'x',
    };
    const plan = {
      plan: 'p',
      planRevision: 1,
      alpha: 0.1,
      holdbackBp: 0,
      watchMs: 1,
      drainMs: 1,
      graceMs: 1,
      signals: [signal],
      tracks: [],
    };
    expect(write({ ...drained, plan }, 'RolloutPlanned')).toThrow(/no field \/plan\/signals\/0\/sample/);
  });

  it('leaves the value of a config free, because its own schema judges that', () => {
    const value = { pools: [{ name: 'a', weights: { big: [1, 2, { x: null }] } }] };
    expect(
      write({ key: 'k', revision: 1, digest: 'd', value, links: [], baseline: true }, 'RevisionProposed'),
    ).not.toThrow();
  });

  it('refuses a type or version that is not declared', () => {
    expect(write({}, 'RolloutBlessed')).toThrow(/RolloutBlessed v1 is not declared/);
    expect(write({ target: 'api-us' }, 'TargetRetired', 2)).toThrow(/TargetRetired v2 is not declared/);
    expect(() => newestVersion('RolloutBlessed')).toThrow(/not declared/);
  });

  it('uses the newest version of every type', () => {
    for (const [type, version] of Object.entries(eventVersions)) expect(newestVersion(type)).toBe(version);
  });
});
