import { existsSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureDatabase } from '../databases.js';
import type { Account } from './account.js';
import { serverAccount } from './account.js';
import { locateBinaries } from './binaries.js';
import type { DataFolder } from './cluster.js';
import { ensureCluster, folderPassword, openDataFolder, OWNER, removeDataFolder } from './cluster.js';
import { errorCode } from './errors.js';
import { freePort, isAlive } from './processes.js';
import type { Guard } from './server.js';
import { adopt, launch, shutDown, tryConnect } from './server.js';
import { withStartLock } from './start-lock.js';

const WATCH_MS = 500;
const JOIN_MS = 45_000;

export type EmbeddedPostgresOptions = {
  /** Everything lies in here; made when it is missing. */
  readonly dataDir: string;
  /** False only for throw-away data: no fsync, no crash safety. */
  readonly durable: boolean;
  /** The database in the returned url. Default `headgate`. */
  readonly database?: string;
  /** Server settings beyond the built-in ones, e.g. `{ shared_buffers: '1GB' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Root only: where binaries and cluster go when the server's user cannot reach them. Default /var/lib/headgate. */
  readonly stateFolder?: string;
  /** Folder of the PostgreSQL package, instead of the one that npm installed. */
  readonly packageRoot?: string;
  /** What a person should know: joined, adopted, restarted, lost. */
  readonly onNotice?: (message: string) => void;
};

export type EmbeddedPostgres = {
  readonly url: string;
  /** `owner` when this process keeps the server running, `joined` when another one does; may change to owner later. */
  readonly role: () => 'owner' | 'joined';
  /** Leaves the server; its owner shuts it down. `remove` deletes the data as well. Calling it twice is harmless. */
  readonly stop: (options?: { readonly remove?: boolean }) => Promise<void>;
};

/** What the owner tells others through `server.json`. */
type ServerState = {
  readonly port: number;
  readonly postmaster: number;
  readonly owner: number;
  readonly guard: number;
};

type Attached = { readonly state: ServerState; readonly guard: Guard | undefined };

const readState = (folder: DataFolder): ServerState | undefined =>
  existsSync(folder.state) ? (JSON.parse(readFileSync(folder.state, 'utf8')) as ServerState) : undefined;

const writeState = (folder: DataFolder, guard: Guard, port: number): ServerState => {
  const state = { port, postmaster: guard.postmaster, owner: process.pid, guard: guard.child.pid ?? guard.postmaster };
  const partial = `${folder.state}.${process.pid}`;
  writeFileSync(partial, JSON.stringify(state), { mode: 0o600 });
  renameSync(partial, folder.state);
  return state;
};

const defaultStateFolder = (): string => (process.platform === 'darwin' ? '/var/db/headgate' : '/var/lib/headgate');

/** Waits for a server that may be starting, stopping or recovering; undefined when there is none any more. */
const settle = async (state: ServerState, password: string): Promise<'join' | 'adopt' | undefined> => {
  const deadline = Date.now() + JOIN_MS;
  let refused = 0;
  while (isAlive(state.postmaster)) {
    const answer = await tryConnect(state.port, password);
    const guarded = isAlive(state.guard);
    if (answer.ok && guarded && isAlive(state.owner)) return 'join';
    if (answer.ok && !guarded) return 'adopt';
    refused = !answer.ok && errorCode(answer.error) === 'ECONNREFUSED' ? refused + 1 : 0;
    // The number belongs to another process by now; PostgreSQL itself refuses if we are wrong.
    if (refused > 50) return undefined;
    if (Date.now() > deadline)
      throw new Error(
        `The PostgreSQL server (process ${state.postmaster}, port ${state.port}) does not answer: end it and start again.`,
      );
    await sleep(60);
  }
  return undefined;
};

/** The data folder is the user's choice: that its data lies elsewhere must not go unsaid. */
const sayWhereDataLies = (folder: DataFolder, account: Account | undefined, options: EmbeddedPostgresOptions): void => {
  const place = realpathSync(folder.cluster);
  if (place === join(realpathSync(folder.root), 'cluster')) return;
  const reason =
    account === undefined ? '' : `, because ${account.name} could not enter ${folder.root} when it was made`;
  options.onNotice?.(`The data of ${folder.root} lies in ${place}${reason}: keep both.`);
};

/** Joins, adopts or starts the server. `knownPort` is where this process' connections expect it. */
const attachLocked = async (
  folder: DataFolder,
  options: EmbeddedPostgresOptions,
  knownPort?: number,
): Promise<Attached> => {
  const password = folderPassword(folder);
  const account = serverAccount(join(folder.cluster, '.'));
  const before = readState(folder);
  const found = before === undefined ? undefined : await settle(before, password);
  if (before !== undefined && found === 'join') return { state: before, guard: undefined };
  if (before !== undefined && found === 'adopt') {
    const guard = adopt(folder, before.postmaster, account);
    options.onNotice?.(`Adopted the PostgreSQL server that an earlier run left in ${folder.root}.`);
    return { state: writeState(folder, guard, before.port), guard };
  }
  const stateFolder = options.stateFolder ?? defaultStateFolder();
  const binaries = locateBinaries(account, stateFolder, options.packageRoot);
  await ensureCluster(folder, binaries, account, { durable: options.durable, stateFolder });
  sayWhereDataLies(folder, account, options);
  // An owner that stops in order takes server.json with it; those who go on know the port themselves.
  const port = await freePort(knownPort ?? before?.port);
  const guard = await launch(folder, {
    binaries,
    account,
    port,
    password,
    durable: options.durable,
    settings: options.settings ?? {},
  });
  return { state: writeState(folder, guard, port), guard };
};

/** One process' hold on the server of a data folder: it notices when the server is gone and brings it back. */
class Hold {
  #attached: Attached;
  #stopped = false;
  #watching: Promise<void>;
  readonly #wake = new AbortController();

  constructor(
    private readonly folder: DataFolder,
    private readonly options: EmbeddedPostgresOptions,
    attached: Attached,
  ) {
    this.#attached = attached;
    this.#watching = this.#watch();
  }

  get state(): ServerState {
    return this.#attached.state;
  }

  get role(): 'owner' | 'joined' {
    return this.#attached.guard === undefined ? 'joined' : 'owner';
  }

  async #watch(): Promise<void> {
    while (!this.#stopped) {
      await sleep(WATCH_MS, undefined, { ref: false, signal: this.#wake.signal }).catch(() => undefined);
      if (this.#stopped || isAlive(this.state.postmaster)) continue;
      try {
        await this.#bringBack();
      } catch (error) {
        this.options.onNotice?.(`PostgreSQL in ${this.folder.root} cannot be brought back: ${String(error)}`);
      }
    }
  }

  async #bringBack(): Promise<void> {
    const { port } = this.state;
    this.#attached = await withStartLock(this.folder.lock, () => attachLocked(this.folder, this.options, port));
    const how = this.role === 'owner' ? 'started again by this process' : 'started again by another process';
    this.options.onNotice?.(`The PostgreSQL server in ${this.folder.root} ended and was ${how}.`);
    if (this.state.port !== port)
      this.options.onNotice?.(
        `It listens on port ${this.state.port} now, because another program took ${port}: restart this controller.`,
      );
  }

  async stop(remove: boolean): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#wake.abort();
    await this.#watching;
    const { guard } = this.#attached;
    if (guard === undefined) return;
    const account = serverAccount(this.folder.cluster);
    const binaries = locateBinaries(
      account,
      this.options.stateFolder ?? defaultStateFolder(),
      this.options.packageRoot,
    );
    await shutDown(this.folder, guard, binaries);
    // Another process may have started it again already, and says so in there.
    if (readState(this.folder)?.postmaster === guard.postmaster) rmSync(this.folder.state, { force: true });
    if (remove) removeDataFolder(this.folder);
  }
}

/**
 * Runs a real PostgreSQL from npm in a data folder, for the processes of one machine. The first process starts and
 * owns the server; the next ones on the same folder join it, and one of them starts it again on the same port when the
 * owner has ended, in order or not. The server ends with its owner, even after kill -9. Works as root (the server then runs as
 * `postgres` or `nobody`) and as an ordinary user. Rejects with the end of the server's log when it cannot start.
 */
export const startEmbeddedPostgres = async (options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> => {
  const folder = openDataFolder(resolve(options.dataDir));
  const attached = await withStartLock(folder.lock, () => attachLocked(folder, options));
  const hold = new Hold(folder, options, attached);
  if (hold.role === 'joined') options.onNotice?.(`Joined the PostgreSQL server that runs in ${folder.root}.`);
  const base = `postgres://${OWNER}:${folderPassword(folder)}@127.0.0.1:${hold.state.port}`;
  const database = options.database ?? OWNER;
  await ensureDatabase(`${base}/postgres`, database);
  return { url: `${base}/${database}`, role: () => hold.role, stop: (stop) => hold.stop(stop?.remove ?? false) };
};
