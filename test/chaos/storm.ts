import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { ask, type Door } from '#test/kit/http';
import { endOf, faultsOfLog, readLog } from '#test/kit/log';
import { config, plan, signal, stage, target, track } from '#test/kit/manifests';
import { TinyFleet, type Fault } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { readEvidenceOf, violationsOf } from './history-checker.js';
import { randomOf } from './points.js';
import { openTasks } from './script.js';
import { Sightings } from './sightings.js';
import { insist, Supervised } from './supervised.js';

const TARGETS = ['api-tpu', 'bedrock-gpu', 'vertex-tpu'] as const;
const CONFIGS = ['router.context', 'sampler', 'tpu.runtime'] as const;
const PATIENCE = { timeoutMs: 90_000, everyMs: 50 };

const WORLD = [
  target('api-tpu', 'api', 'tpu'),
  target('bedrock-gpu', 'bedrock', 'gpu'),
  target('vertex-tpu', 'vertex', 'tpu'),
  signal('script-errors', 'rate'),
  signal('wrong-pool', 'invariant'),
  ...CONFIGS.map((name) => config(name, { value: 0 })),
  plan('three-platforms', [
    track('api', { platform: 'api' }, { stages: [stage('10%'), stage('50%'), stage('100%')] }),
    track('bedrock', { platform: 'bedrock' }, { after: 'api/10%' }),
    track('vertex', { platform: 'vertex' }, { after: 'bedrock/10%' }),
  ]),
  plan('all-at-once', [track('all', ['api-tpu', 'bedrock-gpu', 'vertex-tpu'])]),
];

export type StormOptions = {
  readonly databaseUrl: string;
  readonly pool: Pool;
  readonly seed: number;
  readonly seconds: number;
  /** How far the clock of each controller is ahead, in milliseconds; one controller each. */
  readonly clocksMs: readonly number[];
  /** Mean time between two that are killed or made to stand still. */
  readonly killEveryMs: number;
};

export type StormReport = {
  readonly violations: readonly string[];
  readonly rollouts: { readonly settled: number; readonly rolledBack: number };
  /** Good changes that were taken back and bad ones that settled. */
  readonly wrongEnds: readonly string[];
  readonly deaths: number;
  readonly freezes: number;
  readonly events: number;
};

type Change = { readonly id: string; readonly config: string; readonly expected: 'settles' | 'goes back' | 'either' };

/** Several controllers on one database, a fleet, people who start changes, and somebody who kills controllers. */
class Storm {
  readonly #options: StormOptions;
  readonly #random: () => number;
  readonly #controllers: readonly Supervised[];
  readonly #sightings = new Sightings();
  readonly #changes: Change[] = [];
  readonly #faults: Fault[] = [];
  #adminToken = '';
  #serviceToken = '';
  #over = false;
  #keys = 0;

  constructor(options: StormOptions) {
    this.#options = options;
    this.#random = randomOf(options.seed);
    this.#controllers = options.clocksMs.map(
      (clockMs) =>
        new Supervised({
          databaseUrl: options.databaseUrl,
          env: { CHAOS_CLOCK_MS: String(clockMs) },
          downMs: () => Math.round(this.#random() * 1_000),
        }),
    );
  }

  async run(): Promise<StormReport> {
    const { pool, seed, seconds } = this.#options;
    const fleet = new TinyFleet(
      this.#sightings.watch(() => this.#anyDoor(this.#serviceToken)),
      TARGETS,
    );
    this.#sightings.of(fleet);
    try {
      for (const controller of this.#controllers) controller.start();
      await this.#prepare();
      fleet.start(40);
      await until('every controller knows of traffic', () => this.#everyClockSawTraffic(), PATIENCE);
      const people = CONFIGS.map((name, index) => this.#changeAgainAndAgain(name, fleet, randomOf(seed + index + 1)));
      const killer = this.#kill();
      const all = Promise.all([...people, killer]);
      await Promise.race([sleep(seconds * 1_000), all]);
      this.#over = true;
      await all;
      await until('no task is left', async () => (await openTasks(pool)).length === 0, PATIENCE);
      await until('the fleets have the newest ruleset', () => this.#hasNewest(fleet), PATIENCE);
      await fleet.stop();
      return await this.#report(fleet);
    } catch (error) {
      const logs = this.#controllers.map(({ log }) => log.split('\n').slice(-8).join('\n')).join('\n---\n');
      throw new Error(`${String(error)} (seed ${seed}); the ends of the logs:\n${logs}`, { cause: error });
    } finally {
      this.#over = true;
      await fleet.stop();
      await Promise.all(this.#controllers.map((controller) => controller.stop()));
    }
  }

  #anyDoor(token: string): Door {
    const up = this.#controllers.filter(({ card }) => card !== undefined);
    const chosen = up[Math.floor(Math.random() * up.length)];
    if (!chosen) throw new Error('No controller is up.');
    return chosen.door(token);
  }

  async #command(path: string, body: unknown): Promise<unknown> {
    const key = `storm-${(this.#keys += 1)}`;
    const answer = await insist(() => this.#anyDoor(this.#adminToken), 'POST', path, { body, key });
    if (answer.status >= 400) throw new Error(`${path} was refused: ${answer.text}`);
    return answer.json;
  }

  async #prepare(): Promise<void> {
    const adminToken = (): string | undefined =>
      this.#controllers.map((controller) => controller.adminToken()).find((token) => token !== undefined);
    this.#adminToken = await until('there is an admin', adminToken, PATIENCE);
    await this.#command('/v1/manifests', { manifests: WORLD, reason: 'the storm begins' });
    const token = async (): Promise<string | undefined> => {
      const body = { subject: 'fleets', role: 'service' };
      const answer = await ask(this.#anyDoor(this.#adminToken), 'POST', '/v1/tokens', { body });
      return (answer.json as { readonly secret?: string }).secret;
    };
    this.#serviceToken = await until('there is a token for the fleets', token, PATIENCE);
  }

  async #kill(): Promise<void> {
    while (!this.#over) {
      await sleep(this.#options.killEveryMs * (0.5 + this.#random()));
      const victim = this.#controllers[Math.floor(this.#random() * this.#controllers.length)];
      if (!this.#over) victim?.strike(this.#random);
    }
  }

  async #changeAgainAndAgain(name: string, fleet: TinyFleet, random: () => number): Promise<void> {
    for (let revision = 2; !this.#over; revision += 1) {
      const draw = random();
      const expected = draw < 0.5 ? 'settles' : draw < 0.8 ? 'goes back' : 'either';
      if (expected === 'goes back') {
        this.#faults.push({ config: name, revision, signal: 'script-errors', perWindow: 30 });
        fleet.faults = [...this.#faults];
      }
      await this.#command('/v1/manifests', { manifests: [config(name, { value: revision })], reason: 'a change' });
      const body = { config: name, plan: random() < 0.5 ? 'three-platforms' : 'all-at-once', reason: 'a change' };
      const { id } = (await this.#command('/v1/rollouts', body)) as { readonly id: string };
      this.#changes.push({ id, config: name, expected });
      if (expected === 'either') await this.#interfere(id, random);
      await until(`rollout ${id} ends`, () => endOf(this.#options.pool, id), PATIENCE);
    }
  }

  /** A person who pauses, resumes or aborts; too late is no harm. */
  async #interfere(id: string, random: () => number): Promise<void> {
    const steps = random() < 0.5 ? ['pause', 'resume'] : ['abort'];
    for (const step of steps) {
      await sleep(random() * 1_500);
      const key = `storm-${(this.#keys += 1)}`;
      const body = { reason: 'a person acts' };
      const path = `/v1/rollouts/${id}/${step}`;
      const answer = await insist(() => this.#anyDoor(this.#adminToken), 'POST', path, { body, key });
      if (answer.status >= 400 && answer.status !== 409) throw new Error(`${step} was refused: ${answer.text}`);
    }
  }

  /** To a controller whose clock is slow, traffic that has just begun lies in the future. */
  async #everyClockSawTraffic(): Promise<boolean> {
    const slowest = Math.min(...this.#options.clocksMs);
    const { rows } = await this.#options.pool.query<{ targets: number }>(
      'select count(distinct target)::int as targets from evidence.traffic where first_at < $1',
      [Date.now() + slowest - 500],
    );
    return rows[0]?.targets === TARGETS.length;
  }

  async #hasNewest(fleet: TinyFleet): Promise<boolean> {
    const { rows } = await this.#options.pool.query<{ target: string; generation: number }>(
      'select target, generation from delivery.rulesets',
    );
    return rows.every(
      ({ target: name, generation }) => Number(fleet.rulesets.get(name)?.metadata.version) === Number(generation),
    );
  }

  async #report(fleet: TinyFleet): Promise<StormReport> {
    const { pool } = this.#options;
    const events = await readLog(pool);
    const { tasks, counted } = await readEvidenceOf(pool);
    const accepted = this.#changes.map(({ id }) => id);
    const history = { events, tasks, sightings: this.#sightings.all, accepted };
    const ends = await Promise.all(this.#changes.map(({ id }) => endOf(pool, id)));
    const wrongEnds = this.#changes.flatMap(({ id, config: name, expected }, index) => {
      const wrong = expected === 'settles' ? ends[index] !== 'settled' : ends[index] !== 'rolled-back';
      return expected !== 'either' && wrong ? [`${name} ${id}: ${expected}, but ${String(ends[index])}`] : [];
    });
    return {
      violations: [
        ...(await faultsOfLog(pool)),
        ...violationsOf({ ...history, outcomes: { told: fleet.counted, counted } }),
        ...fleet.rejected.map((rejected) => `outcomes refused: ${JSON.stringify(rejected)}`),
      ],
      rollouts: {
        settled: ends.filter((end) => end === 'settled').length,
        rolledBack: ends.filter((end) => end === 'rolled-back').length,
      },
      wrongEnds,
      deaths: this.#controllers.reduce((sum, { deaths }) => sum + deaths, 0),
      freezes: this.#controllers.reduce((sum, { freezes }) => sum + freezes, 0),
      events: events.length,
    };
  }
}

/** Plays one storm on an empty database. Throws when something does not end in good time. */
export const runStorm = (options: StormOptions): Promise<StormReport> => new Storm(options).run();
