import {
  Server,
  ServerCredentials,
  status,
  type Metadata,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceError,
} from '@grpc/grpc-js';
import type { RulesetFeed, RulesetSnapshot } from '../feed.js';
import { Broadcast, type SyncCall } from './broadcast.js';
import { readCaller } from './selector.js';
import { emptyMessage, encodeRuleset, flagSyncService, type Encoded, type SyncRequest } from './wire.js';

/** Never holds a selector or a token. */
export type SyncLogEntry = {
  readonly level: 'debug' | 'info' | 'warn';
  readonly message: string;
  readonly target?: string;
  readonly peer?: string;
};

export type SyncServerOptions = {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly feed: RulesetFeed;
  /** Whether the token may read rulesets. When it throws, new streams are told to come back and old ones go on. */
  readonly authenticate: (token: string) => Promise<boolean> | boolean;
  readonly log?: (entry: SyncLogEntry) => void;
  /** How often the tokens of open streams are checked again, in milliseconds. Default 30 s. */
  readonly recheckMs?: number;
  /** Default: plain text; see the decision record on flagd sync authentication. */
  readonly credentials?: ServerCredentials;
};

export type SyncServer = {
  readonly port: number;
  /** Open streams. */
  readonly streams: () => number;
  /** Tells every client to reconnect, waits for them at most `graceMs`, then cuts what is left. */
  readonly close: (graceMs: number) => Promise<void>;
};

type Status = { readonly code: status; readonly details: string };
type Admission = { readonly refused: Status } | { readonly snapshot: RulesetSnapshot; readonly token: string };

const UNAUTHENTICATED: Status = {
  code: status.UNAUTHENTICATED,
  details:
    'The token is missing, unknown or revoked: set the selector to <target>?token=<service token>, or send it as authorization: Bearer.',
};
const CHECK_FAILED: Status = {
  code: status.UNAVAILABLE,
  details: 'The token cannot be checked right now: try again.',
};
const STOPPING: Status = { code: status.UNAVAILABLE, details: 'The controller stops: reconnect.' };

const unknownTarget = (target: string | undefined): Status => ({
  code: status.NOT_FOUND,
  details:
    target === undefined
      ? 'The selector names no target: set it to <target>?token=<service token>.'
      : `Target ${target} has no ruleset: apply its manifest, or correct the selector.`,
});

/** Serves flagd.sync.v1 from a feed. */
class FlagSync {
  private readonly broadcasts = new Map<string, Broadcast>();
  private readonly unsubscribe: () => void;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly options: SyncServerOptions) {
    this.unsubscribe = options.feed.onChange((snapshot) => this.broadcasts.get(snapshot.target)?.publish(snapshot));
    this.timer = setInterval(() => void this.recheck(), options.recheckMs ?? 30_000);
    this.timer.unref();
  }

  readonly handlers = {
    syncFlags: (call: SyncCall): void => {
      this.settle(call, this.stream(call));
    },
    fetchAllFlags: (call: ServerUnaryCall<SyncRequest, Encoded>, answer: sendUnaryData<Encoded>): void => {
      this.answer(call, answer, (snapshot) => encodeRuleset(snapshot.text));
    },
    getMetadata: (call: ServerUnaryCall<SyncRequest, Encoded>, answer: sendUnaryData<Encoded>): void => {
      this.answer(call, answer, () => emptyMessage);
    },
  };

  streams(): number {
    return [...this.broadcasts.values()].reduce((sum, broadcast) => sum + broadcast.size, 0);
  }

  stop(): void {
    clearInterval(this.timer);
    this.unsubscribe();
    for (const broadcast of this.broadcasts.values()) broadcast.end(STOPPING);
  }

  private async stream(call: SyncCall): Promise<void> {
    const admission = await this.admit(call.metadata, call.request, call.getPeer());
    if (call.cancelled) return;
    if ('refused' in admission) {
      call.emit('error', admission.refused);
      return;
    }
    const { target } = admission.snapshot;
    this.broadcast(admission.snapshot).add(call, admission.token);
    this.log({ level: 'debug', message: 'A client streams the ruleset.', target, peer: call.getPeer() });
  }

  /** The first stream of a target starts from what the feed holds now: it may have moved on during the check. */
  private broadcast(admitted: RulesetSnapshot): Broadcast {
    const known = this.broadcasts.get(admitted.target);
    if (known !== undefined) return known;
    const broadcast = new Broadcast(this.options.feed.current(admitted.target) ?? admitted);
    this.broadcasts.set(admitted.target, broadcast);
    return broadcast;
  }

  private answer(
    call: ServerUnaryCall<SyncRequest, Encoded>,
    answer: sendUnaryData<Encoded>,
    content: (snapshot: RulesetSnapshot) => Encoded,
  ): void {
    const done = this.admit(call.metadata, call.request, call.getPeer()).then((admission) => {
      if ('refused' in admission) answer(admission.refused);
      else answer(null, content(admission.snapshot));
    });
    this.settle(call, done);
  }

  /** A defect of ours ends one call, not the process. */
  private settle(call: { emit(event: 'error', error: Partial<ServiceError>): unknown }, done: Promise<void>): void {
    done.catch((error: unknown) => {
      this.log({ level: 'warn', message: `A sync call failed: ${reason(error)}` });
      call.emit('error', { code: status.INTERNAL, details: 'The ruleset could not be served: try again.' });
    });
  }

  private async admit(metadata: Metadata, request: SyncRequest, peer: string): Promise<Admission> {
    const { target, token } = readCaller(metadata, request.selector);
    const accepted = token === undefined ? false : await this.check(token);
    if (accepted === 'cannot-tell') return { refused: CHECK_FAILED };
    if (!accepted || token === undefined) {
      this.log({ level: 'warn', message: 'A sync call without a valid token was refused.', peer });
      return { refused: UNAUTHENTICATED };
    }
    const snapshot = target === undefined ? undefined : this.options.feed.current(target);
    return snapshot === undefined ? { refused: unknownTarget(target) } : { snapshot, token };
  }

  private async check(token: string): Promise<boolean | 'cannot-tell'> {
    try {
      return await this.options.authenticate(token);
    } catch (error) {
      this.log({ level: 'warn', message: `A token could not be checked: ${reason(error)}` });
      return 'cannot-tell';
    }
  }

  /** A stream outlives its check; a token that was revoked meanwhile ends it. */
  private async recheck(): Promise<void> {
    const tokens = new Set([...this.broadcasts.values()].flatMap((broadcast) => [...broadcast.tokens()]));
    for (const token of tokens) {
      if ((await this.check(token)) !== false) continue;
      for (const broadcast of this.broadcasts.values()) broadcast.end(UNAUTHENTICATED, token);
    }
  }

  private log(entry: SyncLogEntry): void {
    this.options.log?.(entry);
  }
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const bind = (server: Server, options: SyncServerOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    const host = options.host.includes(':') ? `[${options.host}]` : options.host;
    const credentials = options.credentials ?? ServerCredentials.createInsecure();
    server.bindAsync(`${host}:${options.port}`, credentials, (error, port) => {
      if (error === null) resolve(port);
      else {
        const message = `The sync server cannot listen on ${host}:${options.port} (${error.message}): free the port, or choose another with HEADGATE_SYNC_PORT.`;
        reject(new Error(message, { cause: error }));
      }
    });
  });

const shutDown = (server: Server, graceMs: number): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });

/**
 * Starts the gRPC server that fleets' in-process flagd providers stream their rulesets from. A stream gets the newest
 * ruleset at once and each newer one as the feed learns of it. Throws when the port cannot be taken.
 */
export const startSyncServer = async (options: SyncServerOptions): Promise<SyncServer> => {
  // Pings find connections whose other end is gone without a word.
  const server = new Server({ 'grpc.keepalive_time_ms': 20_000, 'grpc.keepalive_timeout_ms': 10_000 });
  const sync = new FlagSync(options);
  server.addService(flagSyncService, sync.handlers);
  try {
    const port = await bind(server, options);
    return {
      port,
      streams: () => sync.streams(),
      close: (graceMs) => {
        sync.stop();
        return shutDown(server, graceMs);
      },
    };
  } catch (error) {
    sync.stop();
    throw error;
  }
};
