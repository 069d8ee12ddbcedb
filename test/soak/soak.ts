import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Pool } from 'pg';
import { createPool, startEmbeddedPostgres, type EmbeddedPostgres } from '#libs/postgres';
import type { Door } from '#test/kit/http';
import { endOf } from '#test/kit/log';
import { config } from '#test/kit/manifests';
import { until } from '#test/kit/until';
import { startSimulator, type Simulator } from '../../apps/simulator/src/simulator.js';
import { randomOf, seedOf } from '../chaos/points.js';
import { openTasks } from '../chaos/script.js';
import { insist, Supervised } from '../chaos/supervised.js';
import { TcpProxy } from '../chaos/tcp-proxy.js';
import { cpuOfAll } from './cpu.js';
import { Observer } from './observer.js';
import { reportOf, verdictOf, type End, type SoakResult } from './report.js';
import { CONFIGS, faultOf, fleets, manifests, natureOf, sliceOf } from './setting.js';

const HELP = `Usage: npm run soak -- --minutes N [--seed S] [--report FILE]

Runs three controllers on one PostgreSQL under the traffic of simulated fleets, makes good and bad changes, kills
and freezes controllers, kills the database, at random, and reports what was right and wrong. Status 1 when the history is not sound.

  --minutes N      how long changes are made (default 30)
  --seed S         chooses changes, faults and kills (default: by the time)
  --kill SECONDS   mean time between two controllers that are killed or frozen (default 20)
  --logs FILE      all that the controllers wrote goes there
  --report FILE    the report goes there and not to stdout
`;

const CLOCKS_MS = [0, 2_000, -2_000];
const PATIENCE = { timeoutMs: 120_000, everyMs: 100 };
/** A rollout that has not ended after this is called unfinished and aborted. */
const LONGEST_MS = 240_000;
/** A plan is made from the traffic that was seen: give it some. */
const TRAFFIC_S = 12;
/** So long after its start a rollout that is too suspicious to go on is taken for held: a person has to decide. */
const HELD_MS = 90_000;
/** Mean time between two kills of the database. */
const DATABASE_KILL_MS = 150_000;

const say = (line: string): void => void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);

type Settings = {
  readonly minutes: number;
  readonly seed: number;
  readonly killEveryMs: number;
  readonly report: string | undefined;
  readonly logs: string | undefined;
};

/** Everything that runs during a soak. */
class Soak {
  readonly #settings: Settings;
  readonly #folder: string;
  readonly #postgres: EmbeddedPostgres;
  readonly #pool: Pool;
  readonly #controllers: readonly Supervised[];
  readonly #ways: { readonly http: TcpProxy; readonly sync: TcpProxy };
  readonly #observer = new Observer();
  readonly #startedAt = Date.now();
  readonly #notes: string[] = [];
  #adminToken = '';
  #databaseDeaths = 0;
  #over = false;
  #keys = 0;

  private constructor(
    settings: Settings,
    folder: string,
    postgres: EmbeddedPostgres,
    controllers: readonly Supervised[],
    ways: { readonly http: TcpProxy; readonly sync: TcpProxy },
  ) {
    this.#settings = settings;
    this.#folder = folder;
    this.#postgres = postgres;
    this.#pool = createPool(postgres.url, { max: 4, connectTimeoutMs: 5_000 });
    this.#controllers = controllers;
    this.#ways = ways;
  }

  static async open(settings: Settings): Promise<Soak> {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-soak-'));
    const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres'), durable: true, onNotice: say });
    const random = randomOf(settings.seed);
    const controllers = CLOCKS_MS.map((clockMs) =>
      new Supervised({
        databaseUrl: postgres.url,
        env: { CHAOS_CLOCK_MS: String(clockMs) },
        downMs: () => Math.round(random() * 2_000),
      }).start(),
    );
    const anyPort = (port: 'http' | 'sync') => () => {
      const cards = controllers.flatMap(({ card }) => (card ? [card] : []));
      const card = cards[Math.floor(Math.random() * cards.length)];
      if (!card) return undefined;
      return { host: '127.0.0.1', port: port === 'sync' ? card.syncPort : Number(new URL(card.url).port) };
    };
    const ways = { http: await TcpProxy.open(anyPort('http')), sync: await TcpProxy.open(anyPort('sync')) };
    return new Soak(settings, folder, postgres, controllers, ways);
  }

  async run(): Promise<SoakResult> {
    const cpuBefore = cpuOfAll() ?? 0;
    const simulator = await this.#begin();
    const { minutes, seed } = this.#settings;
    const people = CONFIGS.map((name, index) => this.#changeAgainAndAgain(name, simulator, randomOf(seed + index + 1)));
    const killers = [this.#killControllers(randomOf(seed + 101)), this.#killDatabase(randomOf(seed + 102))];
    await Promise.race([sleep(minutes * 60_000), Promise.all(people)]);
    this.#over = true;
    say('No more changes; waiting for what is under way.');
    await Promise.all([...people, ...killers]);
    return this.#finish(simulator, cpuBefore);
  }

  async close(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#controllers.map((controller) => controller.stop()));
    const { logs } = this.#settings;
    if (logs !== undefined) writeFileSync(logs, this.#controllers.map(({ log }) => log).join('\n'));
    await Promise.all([this.#ways.http.close(), this.#ways.sync.close()]);
    await this.#pool.end();
    await this.#postgres.stop({ remove: true });
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #door = (token = this.#adminToken): Door => ({ url: `http://127.0.0.1:${this.#ways.http.port}`, token });

  async #command(path: string, body: unknown): Promise<unknown> {
    const key = `soak-${(this.#keys += 1)}`;
    const answer = await insist(() => this.#door(), 'POST', path, { body, key, timeoutMs: 120_000 });
    if (answer.status >= 400) throw new Error(`${path} was refused: ${answer.text}`);
    return answer.json;
  }

  async #begin(): Promise<Simulator> {
    const token = (): string | undefined =>
      this.#controllers.map((controller) => controller.adminToken()).find((each) => each !== undefined);
    this.#adminToken = await until('there is an admin', token, PATIENCE);
    await this.#command('/v1/manifests', { manifests: manifests(), reason: 'the soak begins' });
    const { secret } = (await this.#command('/v1/tokens', { subject: 'fleets', role: 'service' })) as {
      readonly secret: string;
    };
    const simulator = await startSimulator({
      scenario: fleets(this.#settings.seed),
      url: this.#door().url,
      syncPort: this.#ways.sync.port,
      token: secret,
      dataDir: join(this.#folder, 'fleets'),
    });
    simulator.onEvent((event) => this.#observer.take(event));
    const isFlowing = (): boolean => simulator.stats().batches.sent > 10 && simulator.stats().seconds > TRAFFIC_S;
    await until('there is traffic', isFlowing, PATIENCE);
    say(`Three controllers, ${simulator.stats().instances} instances; seed ${this.#settings.seed}.`);
    return simulator;
  }

  async #changeAgainAndAgain(name: string, simulator: Simulator, random: () => number): Promise<void> {
    for (let revision = 2; !this.#over; revision += 1) {
      const nature = natureOf(random);
      const label = `${name.replace('.', '-')}-r${revision}`;
      const fault = faultOf(nature, label, { config: name, revision }, random);
      if (fault) simulator.addFault(fault);
      await this.#command('/v1/manifests', { manifests: [config(name, { value: revision })], reason: nature });
      const body = { config: name, plan: 'platform-by-platform', reason: `a change that is ${nature}` };
      const { id } = (await this.#command('/v1/rollouts', body)) as { readonly id: string };
      const startedAt = Date.now();
      const end = await this.#endOf(id);
      const slice = sliceOf(fault);
      this.#observer.ended({
        config: name,
        revision,
        rollout: id,
        nature,
        slice,
        end,
        startedAt,
        endedAt: Date.now(),
        fault: fault?.name,
      });
      say(
        `${name} r${revision} (${nature}${slice === '' ? '' : `, ${slice}`}): ${end} after ${Math.round((Date.now() - startedAt) / 1_000)} s, ${verdictOf({ nature, end })}`,
      );
      if (end === 'held' || end === 'unfinished')
        await this.#command(`/v1/rollouts/${id}/abort`, { reason: 'it does not end' });
      if (fault) simulator.clearFault(fault.name);
    }
  }

  async #endOf(id: string): Promise<End> {
    const startedAt = Date.now();
    const read = async (): Promise<End | undefined> => {
      const end = await endOf(this.#pool, id);
      if (end !== undefined || Date.now() - startedAt <= HELD_MS) return end;
      const { rows } = await this.#pool.query<{ suspicious: boolean }>(
        `select progress::text like '%too suspicious%' as suspicious from read_models.rollout_progress where rollout = $1`,
        [id],
      );
      return rows[0]?.suspicious === true ? 'held' : undefined;
    };
    return until(`rollout ${id} ends`, read, { timeoutMs: LONGEST_MS, everyMs: 500 }).catch(() => 'unfinished');
  }

  async #killControllers(random: () => number): Promise<void> {
    while (!this.#over) {
      await this.#wait(this.#settings.killEveryMs * (0.5 + random()));
      if (!this.#over) this.#controllers[Math.floor(random() * this.#controllers.length)]?.strike(random);
    }
  }

  async #killDatabase(random: () => number): Promise<void> {
    while (!this.#over) {
      await this.#wait(DATABASE_KILL_MS * (0.5 + random()));
      if (this.#over) return;
      const file = join(this.#folder, 'postgres', 'server.json');
      const { postmaster } = JSON.parse(readFileSync(file, 'utf8')) as { readonly postmaster: number };
      process.kill(postmaster, 'SIGKILL');
      this.#databaseDeaths += 1;
    }
  }

  async #wait(ms: number): Promise<void> {
    const end = Date.now() + ms;
    while (!this.#over && Date.now() < end) await sleep(250);
  }

  async #finish(simulator: Simulator, cpuBefore: number): Promise<SoakResult> {
    const left = async () => (await openTasks(this.#pool)).length === 0;
    await until('no task is left', left, PATIENCE).catch((error: unknown) => this.#notes.push(String(error)));
    const sent = (): boolean => simulator.stats().batches.waiting === 0;
    await until('all outcomes are sent', sent, PATIENCE).catch((error: unknown) => this.#notes.push(String(error)));
    const seconds = (Date.now() - this.#startedAt) / 1_000;
    const cores = ((cpuOfAll() ?? 0) - cpuBefore) / seconds;
    const stats = simulator.stats();
    const truth = simulator.groundTruth();
    await simulator.stop();
    await sleep(1_000);
    if (stats.batches.dropped + stats.batches.refused > 0)
      this.#notes.push(`${stats.batches.dropped} batches were dropped, ${stats.batches.refused} refused.`);
    const rejected = `${stats.batches.rejectedItems} items of outcomes were refused by themselves`;
    if (stats.batches.rejectedItems > 0) this.#notes.push(`${rejected}; last problem: ${stats.batches.lastProblem}`);
    this.#notes.push(...complaintsIn(this.#controllers.map(({ log }) => log).join('\n')));
    const seen = await this.#observer.conclude(this.#pool, truth);
    return {
      seed: this.#settings.seed,
      startedAt: this.#startedAt,
      minutes: seconds / 60,
      ...seen,
      controllerDeaths: this.#controllers.reduce((sum, { deaths }) => sum + deaths, 0),
      controllerFreezes: this.#controllers.reduce((sum, { freezes }) => sum + freezes, 0),
      databaseDeaths: this.#databaseDeaths,
      requests: stats.requests,
      notes: this.#notes,
      cores,
    };
  }
}

/** What controllers said at level error, and how often; names and numbers in it are left out. */
const complaintsIn = (log: string): readonly string[] => {
  const counts = new Map<string, number>();
  for (const line of log.split('\n').filter((each) => each.startsWith('{'))) {
    const { level, message, error } = JSON.parse(line) as Record<'level' | 'message' | 'error', string | undefined>;
    if (level !== 'error') continue;
    const said = `${message ?? ''} ${(error ?? '').split('\n')[0] ?? ''}`.replaceAll(/[0-9a-f-]{36}|\d+/g, '…');
    counts.set(said, (counts.get(said) ?? 0) + 1);
  }
  return [...counts].map(([said, count]) => `controllers said ${count} times: ${said}`);
};

const readSettings = (): Settings | undefined => {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { minutes: text, seed: text, kill: text, report: text, logs: text, help: { type: 'boolean' } },
  });
  if (values.help === true) return undefined;
  const minutes = Number(values.minutes ?? 30);
  if (!(minutes > 0)) throw new Error('--minutes: give a number above 0.');
  const seed = values.seed === undefined ? seedOf({}) : Number(values.seed);
  return { minutes, seed, killEveryMs: Number(values.kill ?? 20) * 1_000, report: values.report, logs: values.logs };
};

const interrupted = (): Promise<never> =>
  new Promise((_resolve, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => reject(new Error(`Ended by ${signal}; there is no report.`)));
  });

const main = async (): Promise<void> => {
  const settings = readSettings();
  if (!settings) {
    process.stdout.write(HELP);
    return;
  }
  const soak = await Soak.open(settings);
  try {
    const result = await Promise.race([soak.run(), interrupted()]);
    const page = reportOf(result);
    if (settings.report === undefined) process.stdout.write(page);
    else writeFileSync(settings.report, page);
    const isSound = result.violations.length === 0 && result.changes.every(({ end }) => end !== 'unfinished');
    process.exitCode = isSound ? 0 : 1;
  } finally {
    await soak.close();
  }
};

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
// The flagd provider goes on trying to connect after it was closed, which would keep the process alive.
process.exit();
