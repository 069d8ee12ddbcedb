import { describe, expect, it } from 'vitest';
import type { JsonObject, RecordedEvent } from '#libs/kernel';
import { newestVersion } from '#libs/domain';
import { violationsOf, type History } from './history-checker.js';

type Fact = readonly [stream: string, type: string, data: JsonObject];

const ROLLOUT = { rollout: 'a', target: 't', config: 'c' };
const wanted = (shareBp: number, purpose: string): JsonObject => ({
  ...ROLLOUT,
  candidate: 2,
  control: 1,
  shareBp,
  purpose,
});
const claim = { key: 'c', rollout: 'a', revision: 2, targets: ['t'] };
const stageOf = (name: string): JsonObject => ({ rollout: 'a', track: 'x', stage: name });

/** One rollout that goes from 10% to a rollback; positions are 1, 2, 3…, each fact is a command of its own. */
const FACTS: readonly Fact[] = [
  ['config-c', 'TargetsClaimed', claim],
  ['rollout-a', 'RolloutPlanned', { rollout: 'a', config: 'c', revision: 2, controls: { t: 1 } }],
  ['rollout-a', 'RolloutStarted', { rollout: 'a' }],
  ['rollout-a', 'StageEntered', { ...stageOf('10%'), exposureBp: 1_000 }],
  ['rollout-a', 'ExposureRequested', wanted(1_000, 'stage')],
  ['rollout-a', 'ExposureChanged', { ...ROLLOUT, generation: 5, shareBp: 1_000 }],
  ['rollout-a', 'TargetConverged', { ...ROLLOUT, generation: 5, instances: 1 }],
  ['target-t', 'GenerationAcknowledged', { target: 't', generation: 5, instances: 1 }],
  ['rollout-a', 'RollbackStarted', { rollout: 'a', cause: 'degradation', reason: 'harm', targets: ['t'] }],
  ['rollout-a', 'ExposureRequested', wanted(0, 'rollback')],
  ['rollout-a', 'ExposureChanged', { ...ROLLOUT, generation: 10, shareBp: 0 }],
  ['rollout-a', 'TargetConverged', { ...ROLLOUT, generation: 10, instances: 1 }],
  ['target-t', 'GenerationAcknowledged', { target: 't', generation: 10, instances: 1 }],
  ['rollout-a', 'TargetReadBack', { ...ROLLOUT, generation: 10 }],
  ['config-c', 'TargetsReleased', { ...claim, outcome: 'rolled-back' }],
  ['rollout-a', 'TargetDrained', { ...ROLLOUT, outcome: 'drained' }],
  ['rollout-a', 'RolledBack', { rollout: 'a', targets: { t: 'drained' }, tookMs: 1 }],
];

const at = (position: number): string => new Date(1_000_000 + position * 1_000).toISOString();

const record = (facts: readonly Fact[]): RecordedEvent[] => {
  const versions = new Map<string, number>();
  return facts.map(([streamId, type, data], index) => {
    const streamVersion = (versions.get(streamId) ?? 0) + 1;
    versions.set(streamId, streamVersion);
    const metadata = {
      actor: { kind: 'automation', name: 'headgate' },
      commandId: `command-${index}`,
      correlationId: 'k',
      occurredAt: at(index + 1),
      precision: 'instant',
    } as const;
    const place = { streamId, streamVersion, position: index + 1, recordedAt: at(index + 1) };
    return { eventId: `event-${index}`, type, schemaVersion: newestVersion(type), data, metadata, ...place };
  });
};

const control = { c: [{ revision: 1, shareBp: 10_000 }] };
const split = {
  c: [
    { revision: 2, shareBp: 1_000 },
    { revision: 1, shareBp: 9_000 },
  ],
};
const seen = (generation: number, second: number, arms: History['sightings'][number]['arms']) => ({
  target: 't',
  generation,
  at: 1_000_000 + second * 1_000,
  arms,
});

const history = (facts: readonly Fact[] = FACTS, over: Partial<History> = {}): History => ({
  events: record(facts),
  tasks: ['conduct/a', 'deliver/5', 'deliver/10'].map((id) => ({ id, done: true })),
  sightings: [seen(1, 0, control), seen(5, 6, split), seen(10, 11, control)],
  accepted: ['a'],
  outcomes: { told: new Map([['t', 3_000]]), counted: new Map([['t', 3_000]]) },
  ...over,
});

const without = (position: number): readonly Fact[] => FACTS.filter((_fact, index) => index + 1 !== position);
const plus = (position: number, ...facts: readonly Fact[]): readonly Fact[] => FACTS.toSpliced(position, 0, ...facts);
const altered = (change: (events: RecordedEvent[]) => RecordedEvent[]): History => ({
  ...history(),
  events: change([...history().events]),
});

it('finds nothing wrong with a rollout that was taken back in order', () => {
  expect(violationsOf(history())).toEqual([]);
});

it('finds nothing wrong with a rollout that took over from another, and later goes back to what that one left', () => {
  const before: readonly Fact[] = [
    ['config-c', 'TargetsClaimed', { ...claim, rollout: 'z' }],
    ['rollout-z', 'RolloutPlanned', { rollout: 'z', config: 'c', revision: 3, controls: { t: 1 } }],
    ['rollout-z', 'ExposureRequested', { ...wanted(9_900, 'stage'), rollout: 'z', candidate: 3 }],
    ['config-c', 'TargetsReleased', { ...claim, rollout: 'z', outcome: 'superseded' }],
    ['rollout-z', 'RolloutSuperseded', { rollout: 'z', by: 'a' }],
  ];
  const events = record([...before, ...FACTS]);
  const found = (control: number) =>
    violationsOf({
      ...history(),
      events: events.map((event) =>
        event.streamId === 'rollout-a' && event.type === 'RolloutPlanned'
          ? { ...event, data: { ...event.data, controls: { t: control } } }
          : event,
      ),
    }).filter((fault) => /pins|ended/.test(fault));
  expect(found(3)).toEqual([]);
  expect(found(1).join()).toMatch(/pins r1 on t, where r3 was left/);
});

it('finds nothing wrong with a target that a person gave up before it was read back', () => {
  const until = FACTS.slice(0, 10);
  const given: readonly Fact[] = [
    ['rollout-a', 'TargetDrained', { ...ROLLOUT, outcome: 'abandoned' }],
    ['config-c', 'TargetsReleased', { ...claim, outcome: 'rolled-back' }],
    ['rollout-a', 'RolledBack', { rollout: 'a', targets: { t: 'abandoned' }, tookMs: 1 }],
  ];
  expect(violationsOf(history([...until, ...given]))).toEqual([]);
});

describe('The checker finds', () => {
  const planted: readonly (readonly [what: string, history: History, found: RegExp])[] = [
    [
      'a lost event',
      altered((events) => events.filter(({ position }) => position !== 7)),
      /position 8 where 7 belongs/,
    ],
    ['an event that is there twice', altered((events) => [...events, events[3]!]), /event id 2 times/],
    [
      'a command that was written twice',
      altered((events) =>
        events.map((event) =>
          [2, 9].includes(event.position) ? { ...event, metadata: { ...event.metadata, commandId: 'same' } } : event,
        ),
      ),
      /command same was written in parts/,
    ],
    ['a stage that was entered twice', history(plus(4, FACTS[3]!)), /StageEntered 2 times: a x 10%/],
    [
      'a stage that passed before it was entered',
      history(plus(3, ['rollout-a', 'StagePassed', stageOf('10%')])),
      /StagePassed of 10% out of order/,
    ],
    ['a delivery that nobody asked for', history(without(5)), /ExposureChanged at 5 without its request/],
    ['an arrival before the delivery', history(without(6)), /converged on 5 before it was delivered/],
    ['a rollback that never ends', history(FACTS.slice(0, -1)), /rollout-a ended 0 times/],
    ['a target that a rollback forgot to read back', history(without(14)), /t has no TargetReadBack/],
    [
      'exposure that grows while rolling back',
      history(plus(11, ['rollout-a', 'ExposureRequested', wanted(5_000, 'stage')])),
      /exposure grew at 12/,
    ],
    [
      'a stage that passes while rolling back',
      history(plus(11, ['rollout-a', 'StagePassed', stageOf('10%')])),
      /StagePassed at 12 while rolling back/,
    ],
    [
      'a last known good that moved without settling',
      altered((events) =>
        events.map((event) =>
          event.type === 'RolloutPlanned' ? { ...event, data: { ...event.data, controls: { t: 2 } } } : event,
        ),
      ),
      /pins r2 on t, where r1 was left/,
    ],
    [
      'two rollouts on one target',
      history(plus(1, ['config-c', 'TargetsClaimed', { ...claim, rollout: 'b' }])),
      /is held by a and b/,
    ],
    ['a target that is held for ever', history(without(15)), /c t is still held by a/],
    [
      'an acknowledged generation that shrinks',
      history(plus(13, ['target-t', 'GenerationAcknowledged', { target: 't', generation: 4, instances: 1 }])),
      /acknowledged 4 after a newer/,
    ],
    ['a task that was lost', history(FACTS, { tasks: [{ id: 'conduct/a', done: true }] }), /task deliver\/10 was lost/],
    [
      'a task that was left behind',
      history(FACTS, { tasks: history().tasks.map((task) => ({ ...task, done: task.id !== 'deliver/10' })) }),
      /task deliver\/10 was left behind/,
    ],
    [
      'a task out of nothing',
      history(FACTS, { tasks: [...history().tasks, { id: 'deliver/99', done: true }] }),
      /comes from no event/,
    ],
    ['an answered start that was lost', history(FACTS, { accepted: ['a', 'b'] }), /rollout b was answered and is lost/],
    ['a rollout that nobody was told of', history(FACTS, { accepted: [] }), /rollout a was never asked for/],
    [
      'outcomes that were counted twice',
      history(FACTS, { outcomes: { told: new Map([['t', 3_000]]), counted: new Map([['t', 4_000]]) } }),
      /told of 3000 requests, 4000 are counted/,
    ],
    [
      'a fleet that went back to an older ruleset',
      history(FACTS, { sightings: [seen(5, 6, split), seen(1, 7, control), seen(10, 11, control)] }),
      /went back from generation 5 to 1/,
    ],
    [
      'a fleet that served what nobody wanted',
      history(FACTS, { sightings: [seen(5, 6, control), seen(10, 11, control)] }),
      /served r1:10000 of c under generation 5, wanted was r1:9000 r2:1000/,
    ],
    [
      'the candidate after its rollback had arrived',
      history(FACTS, { sightings: [seen(10, 11, control), seen(5, 20, split)] }),
      /took generation 5 after the rollback to 10 had arrived/,
    ],
    [
      'a request that was served the candidate under the generation that withdrew it',
      history(FACTS, { evaluations: [{ target: 't', generation: 10, config: 'c', revision: 2 }] }),
      /served r2 of c under generation 10, wanted was r1:10000/,
    ],
    [
      'a target that was left on the candidate',
      history(FACTS, { sightings: [seen(5, 6, split)] }),
      /t ends on r1:9000 r2:1000 of c, the log wants r1:10000/,
    ],
  ];

  it.each(planted)('%s', (_what, broken, found) => {
    expect(violationsOf(broken).join('\n')).toMatch(found);
  });
});
