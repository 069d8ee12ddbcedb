import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Log } from '#libs/application';
import { startEmbeddedPostgres } from '#libs/postgres';
import { startCore, type Core } from './composition/core.js';
import { issueFirstAdmin } from './composition/first-admin.js';
import type { Instruments } from './composition/instruments.js';
import { makeLog } from './composition/log.js';
import { registerMetrics } from './composition/metrics.js';
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

/** Starts a controller: database, migrations, workers, servers. The returned `stop` ends all of it gracefully. */
export const startController = async (
  config: ControllerConfig,
  log: Log = makeLog(config.log),
  instruments: Instruments = {},
): Promise<RunningController> => {
  const dataDir = resolve(config.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const telemetry = await startTelemetry(config, log);
  const embedded =
    config.databaseUrl === undefined
      ? await startEmbeddedPostgres({
          dataDir: join(dataDir, 'postgres'),
          durable: true,
          onNotice: (message) => log.info(message),
        })
      : undefined;
  const core = await startCore(config, config.databaseUrl ?? embedded?.url ?? '', log, instruments).catch(
    async (error: unknown) => {
      await embedded?.stop();
      await telemetry.stop();
      throw error;
    },
  );
  await issueFirstAdmin(core, config);
  const http = config.role === 'worker' ? undefined : await startHttp(core, config.host, config.port);
  registerMetrics({
    view: core.view,
    head: () => core.store.head(),
    readers: core.readers,
    streams: () => core.sync?.streams() ?? 0,
  });
  const syncPort = core.sync?.port ?? 0;
  const url = http?.url ?? '';
  const card = join(dataDir, 'controller.json');
  writeWhole(card, `${JSON.stringify({ url, syncPort, pid: process.pid })}\n`);
  log.info('Headgate is ready.', {
    url,
    sync: `${config.host}:${syncPort}`,
    database: embedded ? 'embedded' : 'DATABASE_URL',
  });
  const stop = async (): Promise<void> => {
    log.info('Headgate is stopping.');
    rmSync(card, { force: true });
    await http?.close();
    // The last metrics are read from what the core still holds open.
    await telemetry.stop();
    await core.stop();
    await embedded?.stop();
  };
  return { url, syncPort, core, http, stop };
};

const writeWhole = (file: string, text: string): void => {
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, text, { mode: 0o600 });
  renameSync(partial, file);
};
