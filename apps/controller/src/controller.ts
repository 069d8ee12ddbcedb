import { join, resolve } from 'node:path';
import type { Log } from '#libs/application';
import { embeddedAppUrl, startEmbeddedPostgres } from '#libs/postgres';
import { leaveCard } from './composition/card.js';
import { startCore, type Core } from './composition/core.js';
import { BROUGHT_UP_TO_DATE } from './composition/open-log.js';
import { makeDataFolder } from './composition/data-folder.js';
import { issueFirstAdmin } from './composition/first-admin.js';
import type { Instruments } from './composition/instruments.js';
import { makeLog } from './composition/log.js';
import { registerMetrics } from './composition/metrics.js';
import { cannotListen, cannotReachDatabase, tryDoor, type Door } from './composition/start-error.js';
import { startTelemetry } from './composition/telemetry.js';
import type { ControllerConfig } from './config.js';
import { startHttp, type HttpServer } from './http/server.js';

export type RunningController = {
  readonly url: string;
  readonly syncPort: number;
  readonly core: Core;
  readonly http: HttpServer | undefined;
  readonly stop: () => Promise<void>;
};

type Step = () => Promise<void> | void;

const httpDoor = ({ host, port }: ControllerConfig): Door => ({
  what: 'The HTTP server',
  host,
  port,
  variable: 'HEADGATE_PORT',
});

const syncDoor = ({ host, syncPort }: ControllerConfig): Door => ({
  what: 'The sync server',
  host,
  port: syncPort,
  variable: 'HEADGATE_SYNC_PORT',
});

const openDatabase = async (config: ControllerConfig, dataDir: string, log: Log, steps: Step[]): Promise<string> => {
  if (config.databaseUrl !== undefined) return config.databaseUrl;
  const embedded = await startEmbeddedPostgres({
    dataDir: join(dataDir, 'postgres'),
    durable: true,
    onNotice: (message) => log.info(message),
  });
  steps.push(() => embedded.stop());
  const { url, applied } = await embeddedAppUrl(embedded.url);
  if (applied.length > 0) log.info(BROUGHT_UP_TO_DATE, { applied });
  return url;
};

const openCore = async (
  config: ControllerConfig,
  databaseUrl: string,
  log: Log,
  instruments: Instruments,
): Promise<Core> => {
  try {
    return await startCore(config, databaseUrl, log, instruments);
  } catch (error) {
    throw config.databaseUrl === undefined ? error : cannotReachDatabase(error);
  }
};

const openHttp = async (config: ControllerConfig, core: Core, steps: Step[]): Promise<HttpServer | undefined> => {
  if (config.role === 'worker') return undefined;
  const { host, port, otlpMostBytes, ofrepRate } = config;
  const http = await startHttp(core, host, port, { otlpMostBytes, ofrepRate }).catch((error: unknown) => {
    throw cannotListen(httpDoor(config), error);
  });
  steps.push(() => http.close());
  return http;
};

/** Starts everything in order; `steps` takes what ends it again, to be done in the opposite order. */
const startAll = async (config: ControllerConfig, log: Log, instruments: Instruments, steps: Step[]) => {
  const dataDir = resolve(config.dataDir);
  makeDataFolder(dataDir);
  if (config.role !== 'worker') for (const door of [httpDoor(config), syncDoor(config)]) await tryDoor(door);
  const databaseUrl = await openDatabase(config, dataDir, log, steps);
  const telemetry = await startTelemetry(config, log);
  const core = await openCore(config, databaseUrl, log, instruments).catch(async (error: unknown) => {
    await telemetry.stop();
    throw error;
  });
  // The last metrics are read from what the core still holds open.
  steps.push(
    () => core.stop(),
    () => telemetry.stop(),
  );
  const http = await openHttp(config, core, steps);
  // A start that fails must not have given away the only token.
  await issueFirstAdmin(core, config);
  registerMetrics({
    view: core.view,
    head: () => core.store.head(),
    readers: core.readers,
    streams: () => core.sync?.streams() ?? 0,
    now: () => core.clock.now(),
  });
  const syncPort = core.sync?.port ?? 0;
  const url = http?.url ?? '';
  steps.push(leaveCard(dataDir, { url, syncPort }, log));
  return { url, syncPort, core, http };
};

/**
 * Starts a controller: database, migrations, workers, servers. The returned `stop` ends all of it gracefully. Rejects
 * with `StartError` where the reason lies in the configuration or its surroundings, and has ended what was started.
 */
export const startController = async (
  config: ControllerConfig,
  log: Log = makeLog(config.log),
  instruments: Instruments = {},
): Promise<RunningController> => {
  const steps: Step[] = [];
  const end = async (): Promise<void> => {
    for (const step of steps.toReversed()) await step();
  };
  const running = await startAll(config, log, instruments, steps).catch(async (error: unknown) => {
    await end().catch((second: unknown) => log.error('What had been started did not end.', { error: String(second) }));
    throw error;
  });
  log.info('Headgate is ready.', {
    url: running.url,
    ...(running.http === undefined ? {} : { console: `${running.url}/ui/` }),
    sync: `${config.host}:${running.syncPort}`,
    database: config.databaseUrl === undefined ? 'embedded' : 'DATABASE_URL',
  });
  const stop = async (): Promise<void> => {
    log.info('Headgate is stopping.');
    await end();
  };
  return { ...running, stop };
};
