import { join, resolve } from 'node:path';
import type { Pool } from 'pg';
import type { Log } from '#libs/application';
import {
  KeyFile,
  NoteError,
  NotePackSealer,
  parseSigner,
  PostgresLogTree,
  Sealer,
  WitnessFile,
  WitnessWebhook,
  type KeySource,
} from '#libs/event-store';
import type { Clock, EventStore, LogTree, PackSealer, SealingState } from '#libs/kernel';
import type { ControllerConfig } from '../config.js';
import { archiveOf } from './archive.js';
import type { Instruments } from './instruments.js';
import { StartError } from './start-error.js';

type Sealing = {
  readonly tree: LogTree;
  readonly packs: PackSealer;
  readonly start: () => void;
  readonly stop: () => Promise<void>;
};

type Surroundings = {
  readonly databaseUrl: string;
  readonly pool: Pool;
  readonly store: EventStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly reached?: Instruments['reached'];
  readonly report: (message: string) => (error: unknown) => void;
};

const readable = <T>(name: string, read: () => T): T => {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    throw new StartError(`${name} cannot be used: ${error.message}`, { cause: error });
  }
};

const keySource = ({ sealKey, sealKeyFile, dataDir }: ControllerConfig): KeySource => {
  if (sealKey !== undefined) {
    const signer = readable('HEADGATE_SEAL_KEY', () => parseSigner(sealKey));
    return { all: () => [signer], create: () => signer, adopt: () => undefined };
  }
  const file = new KeyFile(resolve(sealKeyFile ?? join(dataDir, 'seal-key')));
  readable(`The seal key ${file.path}`, () => file.all());
  return file.asSource();
};

const witnessFile = ({ witnessFile: path, dataDir }: ControllerConfig): WitnessFile | undefined =>
  path === 'off' ? undefined : new WitnessFile(resolve(path ?? join(dataDir, 'witness.ndjson')));

/**
 * Seals the log where this controller's role is to work, and answers questions about the tree and signs packs in any role. Rejects
 * with `StartError` for a key that cannot be used.
 */
export const openSealing = async (config: ControllerConfig, around: Surroundings): Promise<Sealing> => {
  const { databaseUrl, pool, store, clock, log, reached, report } = around;
  const keys = keySource(config);
  const packs = new NotePackSealer(pool, keys);
  const archive = archiveOf(config);
  if (config.role === 'api') {
    const off: SealingState = { state: 'off' };
    const tree = new PostgresLogTree(pool, () => off, archive);
    return { tree, packs, start: () => undefined, stop: () => Promise.resolve() };
  }
  const webhook =
    config.webhook === undefined
      ? undefined
      : new WitnessWebhook({ ...config.webhook, pool, now: () => clock.now(), onError: deliveryError(log) });
  let deliveries = Promise.resolve();
  const sealer = new Sealer({
    url: databaseUrl,
    keys,
    file: witnessFile(config),
    now: () => clock.now(),
    onCommit: (ring) => store.onCommit(ring),
    onSealed: () => webhook?.ring(),
    onDuty: (isOn) => {
      if (isOn) webhook?.start();
      else deliveries = webhook?.stop() ?? deliveries;
    },
    onStopped: ({ state, message = '' }) => {
      if (state === 'no-key') log.info(message);
      else log.error(message, { sealing: state });
    },
    onError: report('The log cannot be sealed now; trying again.'),
    reached,
  });
  const state = (): SealingState => {
    const own = sealer.state();
    const trouble = webhook?.trouble;
    if (own.message !== undefined || trouble === undefined) return own;
    return { ...own, message: `The witness at HEADGATE_WITNESS_URL cannot be told: ${trouble} Trying again.` };
  };
  const stop = async (): Promise<void> => {
    await sealer.stop();
    await deliveries;
  };
  return { tree: new PostgresLogTree(pool, state, archive), packs, start: () => sealer.start(), stop };
};

/** Said once for each reason: an outage of the witness is long. */
const deliveryError = (log: Log): ((error: unknown, pauseMs: number) => void) => {
  let said = '';
  return (error) => {
    const reason = String(error);
    if (reason === said) return;
    said = reason;
    log.error('The witness at HEADGATE_WITNESS_URL cannot be told of the newest head; trying again.', {
      error: reason,
    });
  };
};
