import { randomUUID } from 'node:crypto';
import type { PostgresEventStore } from '#libs/event-store';
import type { JsonObject, NewEvent } from '#libs/kernel';

/** What a large team does in a year: configs change one after the other, on targets of three platforms. */
export const PLATFORMS = ['api', 'bedrock', 'vertex'] as const;
const PEOPLE = 40;
const STAGES = [100, 500, 2_500, 10_000];
/** Verdicts of a stage, which are by far the most events. */
const VERDICTS = 6;
/** Requests that wait for the log at once. */
const AT_ONCE = 400;

export type Setting = { readonly targets: readonly string[]; readonly configs: readonly string[] };

/** As many targets and configs as a year of so many events has: both grow with the team, up to what one team has. */
export const settingOf = (events: number): Setting => ({
  targets: Array.from({ length: 30 }, (_, n) => `${PLATFORMS[n % 3]}-${n}`),
  configs: Array.from({ length: Math.min(400, Math.max(40, Math.round(events / 5_000))) }, (_, n) => `config.${n}`),
});

type Step = { readonly stream: string; readonly type: string; readonly data: JsonObject; readonly version?: number };

const eventOf = ({ type, data, version = 1 }: Step, actor: string, kind: 'person' | 'automation'): NewEvent => ({
  eventId: randomUUID(),
  type,
  schemaVersion: version,
  data,
  metadata: {
    actor: { kind, name: actor },
    reason: 'a change like any other of that day',
    commandId: 'bench',
    correlationId: 'bench',
    occurredAt: '2026-01-05T12:00:00.000Z',
    precision: 'instant',
  },
});

const verdictOf = (track: string, n: number): JsonObject => ({
  signal: `signal-${n}`,
  track,
  stage: '1%',
  verdict: 'pass',
  shadow: false,
  sentence: 'errors on the candidate: 41 of 9,120, on control: 409 of 91,700; not shown harmful',
  method: 'mixture/1',
  counts: { candidateBad: 41, candidateRequests: 9_120, controlBad: 409, controlRequests: 91_700 },
  values: null,
  ratio: 1.01,
  interval: [0.7, 1.4],
  logE: 0.2,
  logBound: 6.9,
  look: n,
  digest: 'ab'.repeat(32),
});

const planOf = (targets: readonly string[]): JsonObject => ({
  plan: 'usual',
  planRevision: 1,
  alpha: 0.001,
  holdbackBp: 100,
  watchMs: 3_600_000,
  drainMs: 1_000,
  graceMs: 60_000,
  rollbackScope: 'rollout',
  acceptBlind: null,
  signals: [],
  tracks: [
    {
      name: 'all',
      after: null,
      targets: targets.map((target) => ({ target, models: ['haiku'], hardware: 'tpu' })),
      stages: STAGES.map((exposureBp) => ({
        name: `${exposureBp / 100}%`,
        exposureBp,
        bakeMs: 0,
        activation: 0,
        samples: 0,
        tolerate: {},
      })),
      parity: [],
    },
  ],
});

/** All events of one rollout from its revision to its end, as the controller writes them. */
const rolloutSteps = (config: string, revision: number, targets: readonly string[], settles: boolean): Step[] => {
  const rollout = randomUUID();
  const own = `rollout-${rollout}`;
  const ofConfig = `config-${config}`;
  const control = settles ? revision - 1 : 1;
  const say = (type: string, data: JsonObject, version?: number): Step => ({
    stream: own,
    type,
    data: { rollout, ...data },
    ...(version === undefined ? {} : { version }),
  });
  const expose = (target: string, shareBp: number, purpose: string): Step =>
    say('ExposureRequested', { target, config, candidate: revision, control, shareBp, purpose, instances: null }, 2);
  const stages = STAGES.flatMap((shareBp) => [
    say('StageEntered', { track: 'all', stage: `${shareBp / 100}%`, exposureBp: shareBp }),
    ...targets.map((target) => expose(target, shareBp, 'stage')),
    ...targets.map((target) => say('ExposureChanged', { target, generation: 1, shareBp })),
    ...targets.map((target) => say('TargetConverged', { target, generation: 1, instances: 10 })),
    ...targets.map((target): Step => ({
      stream: `target-${target}`,
      type: 'GenerationAcknowledged',
      data: { target, generation: 1, instances: 10 },
    })),
    ...Array.from({ length: VERDICTS }, (_, n) => say('VerdictRecorded', { verdict: verdictOf('all', n) }, 2)),
    say('StagePassed', { track: 'all', stage: `${shareBp / 100}%`, bakedMs: 1_000, sentences: [] }),
  ]);
  const live = Object.fromEntries(targets.map((target) => [target, settles ? revision : control]));
  const outcome = settles ? 'settled' : 'rolled-back';
  const end = settles
    ? [
        say('FullyExposed', { holdbackBp: 100 }),
        ...targets.map((target) => expose(target, 10_000, 'settle')),
        say('RolloutSettled', { config, revision, targets: [...targets] }),
      ]
    : [
        say('RollbackStarted', { cause: 'abort', reason: 'not today', targets: [...targets], track: null }, 2),
        ...targets.map((target) => expose(target, 0, 'rollback')),
        ...targets.map((target) =>
          say('TargetDrained', { target, outcome: 'drained', lastSeenAt: null, detail: 'nothing was seen' }, 2),
        ),
        say(
          'RolledBack',
          { targets: Object.fromEntries(targets.map((target) => [target, 'drained'])), tookMs: 1_000 },
          2,
        ),
      ];
  const value = { n: revision };
  return [
    {
      stream: ofConfig,
      type: 'RevisionProposed',
      data: { key: config, revision, digest: 'd', value, links: [], baseline: false },
    },
    { stream: ofConfig, type: 'TargetsClaimed', data: { key: config, rollout, revision, targets: [...targets] } },
    say(
      'RolloutPlanned',
      {
        config,
        revision,
        assignment: 'unit',
        plan: planOf(targets),
        controls: Object.fromEntries(targets.map((target) => [target, control])),
        vetoReason: null,
        bypass: null,
        reverts: null,
      },
      4,
    ),
    say('RolloutStarted', {}),
    ...(settles ? stages : stages.slice(0, stages.length / 2)),
    ...end,
    {
      stream: ofConfig,
      type: 'TargetsReleased',
      data: { key: config, rollout, revision, targets: [...targets], outcome, live },
    },
  ];
};

const baselineSteps = ({ targets, configs }: Setting): Step[] => [
  ...targets.map((target, n): Step => ({
    stream: `target-${target}`,
    type: 'TargetRegistered',
    version: 2,
    data: { target, platform: PLATFORMS[n % 3] ?? 'api', labels: {}, models: ['haiku'], driver: 'pull', settings: {} },
  })),
  ...configs.flatMap((key): Step[] => [
    {
      stream: `config-${key}`,
      type: 'ConfigRegistered',
      data: { key, kind: 'quality', assignment: 'unit', description: null, schema: null },
    },
    {
      stream: `config-${key}`,
      type: 'RevisionProposed',
      data: { key, revision: 1, digest: 'd', value: { n: 1 }, links: [], baseline: true },
    },
  ]),
];

/** Steps of one stream after the other, in one request each, so that many go into one flush. */
const append = async (store: PostgresEventStore, steps: readonly Step[], actor: string): Promise<number> => {
  const streams = new Map<string, NewEvent[]>();
  for (const step of steps) {
    const kind = step.type === 'RolloutStarted' || step.stream.startsWith('config-') ? 'person' : 'automation';
    const event = eventOf(step, kind === 'person' ? actor : 'headgate', kind);
    const events = streams.get(step.stream);
    if (events) events.push(event);
    else streams.set(step.stream, [event]);
  }
  await store.append({
    streams: [...streams].map(([streamId, events]) => ({ streamId, expectedVersion: 'any' as const, events })),
  });
  return steps.length;
};

/** Writes a log of at least so many events through the store. Gives how many there are. */
export const fillLog = async (
  store: PostgresEventStore,
  events: number,
  say: (done: number) => void,
): Promise<number> => {
  const setting = settingOf(events);
  const { targets, configs } = setting;
  let written = await append(store, baselineSteps(setting), 'person-0');
  const revisions = new Map(configs.map((config) => [config, 1]));
  for (let round = 0; written < events;) {
    const batch: Promise<number>[] = [];
    let size = 0;
    for (; batch.length < AT_ONCE && written + size < events; round += 1) {
      const config = configs[round % configs.length] ?? 'config.0';
      const revision = (revisions.get(config) ?? 1) + 1;
      revisions.set(config, revision);
      // One target of each platform, another three each time.
      const first = (round * 3) % targets.length;
      const steps = rolloutSteps(config, revision, targets.slice(first, first + 3), round % 4 !== 0);
      size += steps.length;
      batch.push(append(store, steps, `person-${round % PEOPLE}`));
    }
    written += (await Promise.all(batch)).reduce((sum, count) => sum + count, 0);
    say(written);
  }
  return written;
};
