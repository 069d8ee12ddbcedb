import { randomBytes } from 'node:crypto';
import type { SealingState } from '#libs/kernel';
import { Client } from 'pg';
import { Alarm } from '../alarm.js';
import { asError } from '../health.js';
import type { Frontier } from '../tree/frontier.js';
import { checkpointText, parseCheckpoint, signerOfHead, type SignedHead } from './checkpoint.js';
import { newSigner, signNote, type Signer } from './note.js';
import type { SealKey } from './seal-key.js';
import { SealFault } from './seal-fault.js';
import { insertKey, readFrontier, readKeys, readLastHead, readLeaves, TreeDamage } from './tree-store.js';
import type { WitnessFile } from './witness-file.js';
import { LINE_LEAVES, type WitnessLine } from './witness-line.js';

/** One sealer at a time: an advisory lock of its connection. */
const SEALER_LOCK = 0x4847_534c;
/** Held while a head or a key is written, by the sealer and by whoever rotates the key. */
export const SEAL_WRITE_LOCK = 0x4847_5357;

/** Leaves that are read at once. */
const PAGE = 10_000;
const EVERY_MS = 1_000;
const AGAIN_MS = 5_000;
/** Who seals and is silent for so long, in milliseconds, may be frozen or cut off: the server lets another one. */
const MOST_SILENCE_MS = 15_000;

/** Where the signing key comes from. */
export type KeySource = {
  readonly all: () => readonly Signer[];
  /** Keeps a first key and gives the one that is kept; throws where none can be kept. */
  readonly create: (signer: Signer) => Signer;
  /** A prepared key is in use now. */
  readonly adopt: () => void;
};

export type SealerOptions = {
  readonly url: string;
  readonly keys: KeySource;
  readonly file?: WitnessFile | undefined;
  readonly now: () => number;
  /** Rings after commits; may be lost. */
  readonly onCommit: (listener: () => void) => () => void;
  /** Told of each head that is durable and, where there is a witness file, in there. */
  readonly onSealed?: (head: SignedHead) => void;
  /** Told when this process begins to be the one that seals, and when it ends. */
  readonly onDuty?: (isOn: boolean) => void;
  /** Told once of each new reason not to seal. */
  readonly onStopped: (state: SealingState) => void;
  /** Told when the database cannot be used, again and again. */
  readonly onError: (error: Error) => void;
  /** Least time between two heads, in milliseconds. Default 1000. */
  readonly everyMs?: number;
  /** For tests: called at each step. */
  readonly reached?: ((point: string) => void) | undefined;
};

type Open = { readonly signer: Signer; readonly last: SignedHead | undefined; readonly frontier: Frontier };

/**
 * Signs the tree over the log, at most one head a second and only where there are new events, on a connection of its
 * own beside all appends. Of all the sealers on a database one is on duty. It signs nothing that is not the continuation
 * of the last head in the database and of the last one in its witness file.
 */
export class Sealer {
  readonly #alarm = new Alarm();
  readonly #silence: () => void;
  #running: Promise<void> | undefined;
  #ending = false;
  #client: Client | undefined;
  #open: Open | undefined;
  #witnessed: { readonly size: number; readonly frontier: Frontier } | undefined;
  #state: SealingState = { state: 'waiting' };
  #said = '';
  #witnessTrouble: string | undefined;

  constructor(private readonly options: SealerOptions) {
    this.#silence = options.onCommit(() => this.#alarm.ring());
  }

  state(): SealingState {
    if (this.#state.message !== undefined || this.#witnessTrouble === undefined) return this.#state;
    return { ...this.#state, message: this.#witnessTrouble };
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#ending = true;
    this.#silence();
    this.#alarm.ring();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#ending) {
      let isOnDuty = false;
      try {
        const client = await this.#connect();
        if (await this.#takeDuty(client)) {
          isOnDuty = true;
          this.options.onDuty?.(true);
          await this.#seal(client);
        }
      } catch (error) {
        this.#notice(asError(error));
      }
      if (isOnDuty) this.options.onDuty?.(false);
      this.#open = undefined;
      this.#witnessed = undefined;
      await this.#leave();
      const isAtFault = this.#state.state === 'stopped' || this.#state.state === 'no-key';
      await this.#pause(isAtFault ? AGAIN_MS : (this.options.everyMs ?? EVERY_MS));
    }
  }

  /** Rings do not shorten it, an end does. */
  async #pause(ms: number): Promise<void> {
    const until = performance.now() + ms;
    for (let left = ms; left > 0 && !this.#ending; left = until - performance.now()) await this.#alarm.wait(left);
  }

  #notice(error: Error): void {
    if (error instanceof SealFault) {
      this.#state = { state: error.kind, message: error.message };
      if (this.#said !== error.message) this.options.onStopped(this.#state);
      this.#said = error.message;
      return;
    }
    this.#state = { state: 'waiting' };
    if (!this.#ending) this.options.onError(error);
  }

  async #connect(): Promise<Client> {
    const client = new Client({
      connectionString: this.options.url,
      application_name: 'headgate-sealer',
      idle_in_transaction_session_timeout: MOST_SILENCE_MS,
      keepAlive: true,
    });
    client.on('error', () => undefined);
    this.#client = client;
    await client.connect();
    await client.query(`set idle_session_timeout = ${MOST_SILENCE_MS}`);
    return client;
  }

  async #leave(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  /** Waits until this is the sealer on duty; false when it is to end. */
  async #takeDuty(client: Client): Promise<boolean> {
    while (!this.#ending) {
      const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [
        SEALER_LOCK,
      ]);
      if (rows[0]?.taken === true) return true;
      this.#state = { state: 'waiting' };
      await this.#pause(this.options.everyMs ?? EVERY_MS);
    }
    return false;
  }

  async #seal(client: Client): Promise<void> {
    while (!this.#ending) {
      const isNew = await this.#round(client);
      this.#state = { state: 'sealing' };
      this.#said = '';
      if (isNew) await this.#pause(this.options.everyMs ?? EVERY_MS);
      else await this.#alarm.wait(EVERY_MS);
    }
  }

  /** Makes at most one head; true when it did. */
  async #round(client: Client): Promise<boolean> {
    const open = await this.#continue(client);
    this.#open = open;
    const next = open.frontier.copy();
    const nodes: { readonly level: number; readonly index: number; readonly hash: Buffer }[] = [];
    next.listen((level, index, hash) => nodes.push({ level, index, hash: Buffer.from(hash, 'binary') }));
    await this.#read(client, next);
    const isNew = next.size > open.frontier.size;
    if (isNew) {
      const head = this.#sign(open, next);
      await this.#keep(client, open, head, nodes);
      this.#open = { ...open, last: head, frontier: next };
    }
    const { last } = this.#open;
    if (last !== undefined && (await this.#tellFile(client, last))) this.options.onSealed?.(last);
    return isNew;
  }

  async #read(client: Client, frontier: Frontier): Promise<void> {
    for (;;) {
      const leaves = await atFault(readLeaves(client, frontier.size, PAGE));
      for (const leaf of leaves) frontier.append(leaf);
      if (leaves.length < PAGE) return;
    }
  }

  /** What the next head continues: as it is known, unless the database holds something else by now. */
  async #continue(client: Client): Promise<Open> {
    const known = this.#open;
    const last = await readLastHead(client);
    const keys = await readKeys(client);
    const isKnown =
      known !== undefined && last?.checkpoint === known.last?.checkpoint && keys.at(-1)?.id === known.signer.id;
    if (isKnown) return known;
    if (known?.last !== undefined && (last?.size ?? 0) < known.last.size)
      throw SealFault.behind(last?.size ?? 0, known.last.size, 'this controller has signed');
    const witness = this.options.file?.last();
    if (witness !== undefined && (last?.size ?? 0) < witness.size)
      throw SealFault.behind(last?.size ?? 0, witness.size, `the witness ${this.options.file?.path} holds`);
    const signer = await this.#signer(client, keys);
    if (last !== undefined && signerOfHead(last, keys) === undefined) throw SealFault.forged(last.size);
    const frontier = await atFault(readFrontier(client, last?.size ?? 0));
    if (last !== undefined && !frontier.root().equals(last.root)) throw SealFault.altered(last.size, 'the database');
    await this.#compare(client, witness);
    return { signer, last, frontier };
  }

  /** The database must be the continuation of what the witness file holds. */
  async #compare(client: Client, witness: SignedHead | undefined): Promise<void> {
    const frontier = await atFault(readFrontier(client, witness?.size ?? 0));
    if (witness !== undefined && !frontier.root().equals(witness.root))
      throw SealFault.altered(witness.size, `the witness ${this.options.file?.path}`);
    this.#witnessed = { size: frontier.size, frontier };
  }

  async #signer(client: Client, keys: readonly SealKey[]): Promise<Signer> {
    const own = this.options.keys.all();
    const newest = keys.at(-1);
    if (newest === undefined) return this.#firstKey(client, own[0]);
    const signer = own.find(({ id, name }) => id === newest.id && name === newest.name);
    if (signer === undefined) throw SealFault.noKey(newest.id);
    if (signer !== own[0]) this.options.keys.adopt();
    return signer;
  }

  async #firstKey(client: Client, own: Signer | undefined): Promise<Signer> {
    const made = own ?? this.options.keys.create(newSigner(`headgate.dev/log/${randomBytes(8).toString('hex')}`));
    const madeAt = new Date(this.options.now()).toISOString();
    this.options.reached?.('seal(first key):before');
    await insertKey(client, 1, { ...made, fromSize: 0, madeAt, statement: null });
    return made;
  }

  /** The time of a head is never before that of the one before. */
  #sign({ signer, last }: Open, frontier: Frontier): SignedHead {
    const time = Math.max(this.options.now(), Date.parse(last?.signedAt ?? '1970-01-01T00:00:00Z'));
    const head = { origin: signer.name, size: frontier.size, root: frontier.root() };
    return parseCheckpoint(signNote(checkpointText({ ...head, signedAt: new Date(time).toISOString() }), signer));
  }

  async #keep(
    client: Client,
    { signer, last }: Open,
    head: SignedHead,
    nodes: readonly { readonly level: number; readonly index: number; readonly hash: Buffer }[],
  ): Promise<void> {
    this.options.reached?.('seal(keep):before');
    await client.query('begin');
    try {
      await client.query('select pg_advisory_xact_lock($1)', [SEAL_WRITE_LOCK]);
      const { rows } = await client.query<{ key_id: string | null; size: number | string | null }>(
        `select (select key_id from event_store.seal_keys order by number desc limit 1) as key_id,
                (select max(size) from event_store.tree_heads) as size`,
      );
      if (rows[0]?.key_id !== signer.id || Number(rows[0].size ?? 0) !== (last?.size ?? 0))
        throw new Error('Another key or another head was written meanwhile.');
      await client.query(
        `insert into event_store.tree_nodes (level, index, hash)
         select * from unnest($1::smallint[], $2::bigint[], $3::bytea[])`,
        [nodes.map(({ level }) => level), nodes.map(({ index }) => index), nodes.map(({ hash }) => hash)],
      );
      this.options.reached?.('seal(nodes):after');
      await client.query(
        `insert into event_store.tree_heads (size, root, signed_at, key_id, signature) values ($1, $2, $3, $4, $5)`,
        [head.size, head.root, head.signedAt, signer.id, head.note.signatures[0]?.signature],
      );
      this.options.reached?.('seal(head):after');
      await client.query('commit');
    } catch (error) {
      await client.query('rollback').catch(() => undefined);
      throw error;
    }
    this.options.reached?.('seal(keep):after');
  }

  /** Brings the witness file up to the head; false when it cannot be written, which is tried again with the next. */
  async #tellFile(client: Client, head: SignedHead): Promise<boolean> {
    const { file } = this.options;
    const witnessed = this.#witnessed;
    if (file === undefined || witnessed === undefined || witnessed.size >= head.size) return true;
    const next = witnessed.frontier.copy();
    while (next.size < head.size) {
      const after = next.size;
      const leaves = await atFault(readLeaves(client, after, Math.min(LINE_LEAVES, head.size - after)));
      for (const leaf of leaves) next.append(leaf);
      const isLast = next.size === head.size;
      if (leaves.length === 0 || (isLast && !next.root().equals(head.root)))
        throw SealFault.altered(head.size, 'the database');
      const line = { after, leaves: Buffer.concat(leaves) };
      if (!this.#write(file, isLast ? { ...line, head } : line)) return false;
    }
    this.#witnessed = { size: next.size, frontier: next };
    this.options.reached?.('seal(witness):after');
    return true;
  }

  #write(file: WitnessFile, line: WitnessLine): boolean {
    try {
      this.options.reached?.('seal(witness):before');
      file.add([line]);
      this.#witnessTrouble = undefined;
      return true;
    } catch (error) {
      if (!isFileError(error)) throw error;
      const message = `The witness ${file.path} cannot be written (${error.message}): make room or set HEADGATE_WITNESS_FILE; heads are signed all the same.`;
      if (this.#witnessTrouble === undefined) this.options.onStopped({ state: 'sealing', message });
      this.#witnessTrouble = message;
      return false;
    }
  }
}

const isFileError = (error: unknown): error is Error =>
  error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string';

/** What the tables hold does not fit together: nothing on top of it is to be signed. */
const atFault = async <T>(reading: Promise<T>): Promise<T> => {
  try {
    return await reading;
  } catch (error) {
    throw error instanceof TreeDamage ? SealFault.damaged(error.message) : error;
  }
};
