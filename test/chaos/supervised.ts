import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { entryOf } from '#test/kit/entry';
import { ask, type Answer, type Door } from '#test/kit/http';
import { until } from '#test/kit/until';

const rootOf = (folder: string): string =>
  existsSync(join(folder, 'package.json')) ? folder : rootOf(dirname(folder));

const ROOT = rootOf(dirname(fileURLToPath(import.meta.url)));
const ENTRY = entryOf('test/chaos/crashing-controller.js', ROOT);
const READY_MS = 60_000;

/** What a controller that is ready says of itself. */
type Card = { readonly url: string; readonly syncPort: number; readonly pid: number };

export type SupervisedOptions = {
  /** None: it brings its own. */
  readonly databaseUrl: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Points (`point#n`) at which a life of the controller ends; each ends one, the first that is come by. */
  readonly killAt?: readonly string[];
  /** How long it stays down. Default: not at all. */
  readonly downMs?: () => number;
};

/** How those who talk to a controller find it. */
export type Reached = Pick<Supervised, 'door' | 'adminToken'>;

/** One controller that is started again whenever it dies, always in the same data folder, as a service manager would. */
export class Supervised {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'headgate-supervised-'));
  readonly #options: SupervisedOptions;
  #child: ChildProcess | undefined;
  #card: Card | undefined;
  #ended = false;
  #isFrozen = false;
  #deaths = 0;
  #freezes = 0;
  #log = '';
  #running: Promise<void> | undefined;

  constructor(options: SupervisedOptions) {
    this.#options = options;
  }

  start(): this {
    this.#running ??= this.#run();
    return this;
  }

  /** Where it listens; undefined while it is down, not ready or made to stand still. */
  get card(): Card | undefined {
    return this.#isFrozen ? undefined : this.#card;
  }

  get deaths(): number {
    return this.#deaths;
  }

  /** How often it stood still. */
  get freezes(): number {
    return this.#freezes;
  }

  /** What all of its lives wrote on stderr. */
  get log(): string {
    return this.#log;
  }

  /** Throws while it is down. */
  door(token: string | undefined): Door {
    if (!this.card) throw new Error('The controller is down.');
    return { url: this.card.url, token };
  }

  /** The first admin's token once it is on disk. */
  adminToken(): string | undefined {
    const file = join(this.dataDir, 'admin.token');
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
  }

  /** Ends it at once, whatever it is doing. */
  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Ends it at once, or, one time of three, lets it stand still for 2 s to 10 s. */
  strike(random: () => number): void {
    if (random() < 2 / 3) this.kill();
    else this.#freeze(2_000 + random() * 8_000);
  }

  #freeze(ms: number): void {
    if (this.#isFrozen || this.#child?.kill('SIGSTOP') !== true) return;
    this.#isFrozen = true;
    this.#freezes += 1;
    setTimeout(() => this.goOn(), ms);
  }

  /** Lets it go on from where it stands still. */
  goOn(): void {
    this.#isFrozen = false;
    this.#child?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    this.#ended = true;
    this.goOn();
    this.#child?.kill(this.#card ? 'SIGTERM' : 'SIGKILL');
    const late = setTimeout(() => this.#child?.kill('SIGKILL'), 10_000);
    await this.#running;
    clearTimeout(late);
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      await this.#live();
      if (this.#ended) return;
      this.#deaths += 1;
      const backAt = performance.now() + (this.#options.downMs?.() ?? 0);
      while (!this.#ended && performance.now() < backAt) await sleep(20);
    }
  }

  /** Points at which it was killed, or stood still, so far, in this order. */
  get met(): readonly string[] {
    const file = join(this.dataDir, 'met');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  }

  #stillWanted(): readonly string[] {
    const met = new Set(this.met);
    return (this.#options.killAt ?? []).filter((point) => !met.has(point));
  }

  async #live(): Promise<void> {
    if (!existsSync(ENTRY)) throw new Error('There is no build: run `npm run build` first.');
    const child = spawn(process.execPath, ['--enable-source-maps', ENTRY], {
      cwd: ROOT,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HEADGATE_DATA_DIR: this.dataDir,
        ...(this.#options.databaseUrl === undefined ? {} : { DATABASE_URL: this.#options.databaseUrl }),
        HEADGATE_PORT: '0',
        HEADGATE_SYNC_PORT: '0',
        HEADGATE_ADMIN_TOKEN_FILE: join(this.dataDir, 'admin.token'),
        ...this.#options.env,
        CHAOS_KILL_AT: this.#stillWanted().join('\n'),
        CHAOS_MET: join(this.dataDir, 'met'),
      },
    });
    this.#child = child;
    this.#isFrozen = false;
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
    let gone = false;
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve())).then(() => {
      gone = true;
    });
    const file = join(this.dataDir, 'controller.json');
    const deadline = performance.now() + READY_MS;
    while (!gone && !this.#card && performance.now() < deadline) {
      const card = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Card) : undefined;
      if (card?.pid === child.pid) this.#card = card;
      else await sleep(20);
    }
    if (!gone && !this.#card) child.kill('SIGKILL');
    await ended;
    this.#card = undefined;
  }
}

export type Insisting = {
  readonly body?: unknown;
  /** One key for all attempts. */
  readonly key: string;
  readonly timeoutMs?: number;
};

/** Sends a command, under one key, until a controller has answered it; 5xx and silence are no answers. */
export const insist = (
  door: () => Door,
  method: string,
  path: string,
  { body, key, timeoutMs = 60_000 }: Insisting,
): Promise<Answer> =>
  until(
    `${method} ${path} is answered`,
    async () => {
      const answer = await ask(door(), method, path, { body, headers: { 'idempotency-key': key } });
      return answer.status < 500 ? answer : undefined;
    },
    { timeoutMs, everyMs: 50 },
  );
