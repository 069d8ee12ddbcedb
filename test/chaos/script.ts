import type { Pool } from 'pg';
import type { Door } from '#test/kit/http';
import { ask } from '#test/kit/http';
import { config, plan, signal, stage, target, track } from '#test/kit/manifests';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import type { RecordedEvent } from '#libs/kernel';
import { endOf, readLog } from '#test/kit/log';
import { Sightings } from './sightings.js';
import { insist, type Reached } from './supervised.js';

export const TARGETS = ['api-tpu', 'bedrock-gpu'] as const;
const PATIENCE = { timeoutMs: 90_000, everyMs: 50 };

const WORLD = [
  target('api-tpu', 'api', 'tpu'),
  target('bedrock-gpu', 'bedrock', 'gpu'),
  signal('script-errors', 'rate'),
  signal('wrong-pool', 'invariant'),
  config('router.context', { window: 200_000 }),
  config('sampler', { top_k: 40 }),
  plan('two-platforms', [
    track('api', { platform: 'api' }),
    track('bedrock', { platform: 'bedrock' }, { after: 'api/10%' }),
  ]),
  plan('takes-its-time', [
    track('api', { platform: 'api' }, { stages: [stage('10%', { bake: '2s' }), stage('100%', { bake: '1s' })] }),
  ]),
];
export const CHANGES = [config('router.context', { window: 1_000_000 }), config('sampler', { top_k: 50 })];
const FAULTS = [
  { config: 'router.context', revision: 2, signal: 'script-errors', perWindow: 30 },
  { config: 'router.context', revision: 1, signal: 'script-errors', perWindow: 5 },
] as const;

/** What was played and what the fleets saw of it. */
export type Played = {
  readonly good: string;
  readonly bad: string;
  readonly events: readonly RecordedEvent[];
  readonly sightings: Sightings;
  readonly fleet: TinyFleet;
};

const idIn = (json: unknown): string => String((json as { readonly id?: unknown }).id);

const startedUnder = async (door: () => Door, subject: string, name: string): Promise<string> => {
  const answer = await insist(door, 'POST', '/v1/rollouts', {
    key: `start-${subject}`,
    body: { config: subject, plan: name, reason: 'as scripted' },
  });
  if (answer.status !== 201) throw new Error(`${subject} was not started: ${answer.text}`);
  return idIn(answer.json);
};

const applied = async (door: () => Door, key: string, manifests: readonly unknown[]): Promise<void> => {
  const answer = await insist(door, 'POST', '/v1/manifests', { key, body: { manifests, reason: 'as scripted' } });
  if (answer.status !== 200) throw new Error(`${key} was not applied: ${answer.text}`);
};

/** A secret is shown once: one that was lost on its way is asked for anew. */
const serviceToken = (door: () => Door): Promise<string> =>
  until(
    'there is a token for the fleets',
    async () => {
      const answer = await ask(door(), 'POST', '/v1/tokens', { body: { subject: 'fleets', role: 'service' } });
      return answer.status === 201 ? (answer.json as { readonly secret: string }).secret : undefined;
    },
    PATIENCE,
  );

/** A world to change things in, with fleets at work, behind one controller. */
export type Scene = {
  readonly admin: () => Door;
  readonly fleet: TinyFleet;
  readonly sightings: Sightings;
  readonly apply: (key: string, manifests: readonly unknown[]) => Promise<void>;
  /** Gives the id of the new rollout. */
  readonly start: (config: string, plan?: string) => Promise<string>;
  readonly ends: (rollout: string) => Promise<void>;
  readonly nothingLeft: () => Promise<void>;
};

/** Registers everything and waits for the first outcomes, over whatever happens to the controller. */
export const setScene = async (controller: Reached, database: Pool): Promise<Scene> => {
  const token = await until('there is an admin', () => controller.adminToken(), PATIENCE);
  const admin = (): Door => controller.door(token);
  const apply = (key: string, manifests: readonly unknown[]): Promise<void> => applied(admin, key, manifests);
  await apply('world', WORLD);
  const service = await serviceToken(admin);
  const sightings = new Sightings();
  const fleet = new TinyFleet(
    sightings.watch(() => controller.door(service)),
    TARGETS,
  );
  sightings.of(fleet);
  fleet.start(40);
  await until('there is traffic', () => TARGETS.every((name) => (fleet.counted.get(name) ?? 0) > 0), PATIENCE);
  return {
    admin,
    fleet,
    sightings,
    apply,
    start: (subject, plan = 'two-platforms') => startedUnder(admin, subject, plan),
    ends: async (id) => {
      await until(`rollout ${id} ends`, () => endOf(database, id), PATIENCE);
    },
    nothingLeft: async () => {
      await until('no task is left', async () => (await openTasks(database)).length === 0, PATIENCE);
    },
  };
};

/** Plays one good change that settles and one bad one that is taken back, over whatever happens to the controller. */
export const playScript = async (controller: Reached, database: Pool): Promise<Played> => {
  const scene = await setScene(controller, database);
  const { fleet, sightings } = scene;
  try {
    await scene.apply('changes', CHANGES);
    const good = await scene.start('sampler');
    await scene.ends(good);
    fleet.faults = FAULTS;
    const bad = await scene.start('router.context');
    await scene.ends(bad);
    await scene.nothingLeft();
    return { good, bad, events: await readLog(database), sightings, fleet };
  } finally {
    await fleet.stop();
  }
};

export const openTasks = async (database: Pool): Promise<readonly string[]> => {
  const { rows } = await database.query<{ id: string }>('select id from process.tasks where done_at is null');
  return rows.map(({ id }) => id);
};

/** What a rollout came to, without what differs from run to run. */
export const outcomeOf = (events: readonly RecordedEvent[], id: string): unknown => {
  const mine = events.filter(({ streamId }) => streamId === `rollout-${id}`);
  const of = (type: string, ...fields: readonly string[]) =>
    mine
      .filter((event) => event.type === type)
      .map(({ data }) => fields.map((field) => String(data[field])).join(' '))
      .toSorted();
  return {
    config: of('RolloutPlanned', 'config', 'revision'),
    entered: of('StageEntered', 'track', 'stage'),
    passed: of('StagePassed', 'track', 'stage'),
    requested: of('ExposureRequested', 'target', 'shareBp', 'purpose'),
    changed: of('ExposureChanged', 'target', 'shareBp'),
    degraded: of('DegradationDetected', 'signal'),
    back: of('RollbackStarted', 'cause'),
    readBack: of('TargetReadBack', 'target'),
    drained: of('TargetDrained', 'target', 'outcome'),
    rolledBack: of('RolledBack'),
    full: of('FullyExposed', 'holdbackBp'),
    settled: of('RolloutSettled', 'revision'),
    claims: events
      .filter(({ type, data }) => data['rollout'] === id && type.startsWith('Targets'))
      .map(({ type, data }) => `${type} ${String(data['outcome'] ?? '')}`),
  };
};
