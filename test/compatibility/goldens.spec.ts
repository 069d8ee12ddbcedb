import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  accessEvents,
  hookEvents,
  asHeadgateEvent,
  configDecider,
  configEvents,
  eventCodec,
  eventVersions,
  Fleet,
  rolloutDecider,
  rolloutEvents,
  summarise,
  targetDecider,
  targetEvents,
  type ConfigEvent,
  type HeadgateEvent,
  type Recorded,
  type RolloutEvent,
  type TargetEvent,
} from '#libs/domain';
import { EVENT_TYPES } from '#libs/contracts';
import type { RecordedEvent } from '#libs/kernel';
import { EXAMPLES } from './examples.js';

const folder = join(import.meta.dirname, 'events');
const files = readdirSync(folder).toSorted();
const load = (name: string): RecordedEvent => JSON.parse(readFileSync(join(folder, name), 'utf8')) as RecordedEvent;
const goldens = files.map((name) => ({ name, stored: load(name) }));
const read = (type: string): Recorded<HeadgateEvent> => {
  const golden = goldens.find(({ stored }) => stored.type === type);
  if (!golden) throw new Error(`There is no golden file of ${type}.`);
  return asHeadgateEvent(eventCodec.decode(golden.stored));
};

describe('golden events', () => {
  it('are of the types by which a history can be filtered', () => {
    expect(EVENT_TYPES).toEqual(Object.keys(eventVersions));
  });

  it('exist for every version of every event type, and for nothing else', () => {
    const schemas = { ...configEvents, ...targetEvents, ...rolloutEvents, ...accessEvents, ...hookEvents };
    const wanted = Object.entries(schemas).flatMap(([type, versions]) =>
      Object.keys(versions).map((version) => `${type}.v${version}.json`),
    );
    expect(files).toEqual(wanted.toSorted());
  });

  it.each(goldens)('$name, which an earlier build wrote, can still be read, and fits the newest schema', ({ name, stored }) => {
    expect(name).toBe(`${stored.type}.v${stored.schemaVersion}.json`);
    const decoded = eventCodec.decode(stored);
    expect(decoded.schemaVersion).toBe(eventVersions[stored.type]);
    expect(() => eventCodec.check(decoded)).not.toThrow();
  });

  it.each(goldens)('$name still reads as a sentence', ({ stored }) => {
    const sentence = summarise(asHeadgateEvent(eventCodec.decode(stored)));
    expect(sentence.length).toBeGreaterThan(8);
    expect(sentence).not.toMatch(/undefined|NaN|\[object/);
  });

  it.each(goldens)('$name can be folded by whoever folds it, from whatever state', ({ stored }) => {
    const event = asHeadgateEvent(eventCodec.decode(stored));
    const { type } = event;
    if (type in configEvents) configDecider.evolve(configDecider.evolve(configDecider.initial, read('ConfigRegistered') as ConfigEvent), event as ConfigEvent);
    if (type in targetEvents) targetDecider.evolve(targetDecider.evolve(targetDecider.initial, read('TargetRegistered') as TargetEvent), event as TargetEvent);
    if (type in rolloutEvents) {
      const planned = rolloutDecider.evolve(rolloutDecider.initial, read('RolloutPlanned') as Recorded<RolloutEvent>);
      expect(rolloutDecider.evolve(planned, event as Recorded<RolloutEvent>)).toMatchObject({ id: expect.any(String) });
    }
    expect(new Fleet().apply(event)).toBeInstanceOf(Array);
  });

  it('are what this build writes today, where the version is still the newest', () => {
    for (const { name, stored } of goldens) {
      if (stored.schemaVersion !== eventVersions[stored.type]) continue;
      expect(stored.data, `${name} may not change: give the event a new version`).toEqual(EXAMPLES[stored.type as keyof typeof EXAMPLES]);
    }
  });

  it('still mean the same: a rollout of golden events settles, and its config is last known good', () => {
    const story = ['RolloutPlanned', 'RolloutStarted', 'StageEntered', 'ExposureRequested', 'ExposureChanged', 'TargetConverged', 'VerdictRecorded', 'StagePassed', 'FullyExposed', 'RolloutSettled'];
    const state = story.map((type) => read(type) as Recorded<RolloutEvent>).reduce(rolloutDecider.evolve, rolloutDecider.initial);
    expect(state).toMatchObject({
      status: 'settled',
      config: 'router.context',
      revision: 2,
      targets: { 'api-us': { control: 1, delivered: 1_204, converged: 1_204, wanted: { shareBp: 100, generation: 1_204 } } },
      tracks: { api: { stage: 0, passed: [{ name: '1%', bakedMs: 903_500, skipped: false }] } },
      verdicts: { 'api/script-errors': { verdict: 'pass' } },
    });
    const config = ['ConfigRegistered', 'RevisionProposed', 'TargetsClaimed', 'TargetsReleased'].map((type) => read(type) as ConfigEvent);
    expect(config.reduce(configDecider.evolve, configDecider.initial)).toMatchObject({ settled: { 'api-us': [1, 2] }, claims: {} });
  });

  it('still mean the same: a rollout of golden events is taken back, held and drained', () => {
    const story = ['RolloutPlanned', 'ExposureRequested', 'RolloutHeld', 'DegradationDetected', 'RollbackStarted', 'TargetReadBack', 'TargetDrained', 'RolledBack'];
    const states = story.map((type) => read(type) as Recorded<RolloutEvent>).map((_, index, all) => all.slice(0, index + 1).reduce(rolloutDecider.evolve, rolloutDecider.initial));
    expect(states[2]).toMatchObject({ held: { by: 'person', until: 1_767_614_400_000 } });
    expect(states.at(-1)).toMatchObject({ status: 'rolled-back', held: null, cause: 'script errors on api-us', targets: { 'api-us': { readBack: true, ended: 'drained' } } });
  });
});
