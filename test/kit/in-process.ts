import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../apps/controller/src/config.js';
import { startController, type RunningController } from '../../apps/controller/src/controller.js';
import type { Door } from './http.js';
import { issueToken } from './http.js';

export type InProcess = {
  readonly controller: RunningController;
  readonly admin: Door;
  readonly operator: Door;
  readonly viewer: Door;
  readonly service: Door;
  /** What it said on its log at level error. */
  readonly complaints: readonly string[];
  readonly stop: () => Promise<void>;
};

type Doors = Pick<InProcess, 'admin' | 'operator' | 'viewer' | 'service'>;

const doorsOf = async (admin: Door, known: Doors | undefined): Promise<Doors> => {
  const { url } = admin;
  const door = async (role: 'operator' | 'viewer' | 'service'): Promise<Door> => ({
    url,
    token: known?.[role].token ?? (await issueToken(admin, role)),
  });
  return { admin, operator: await door('operator'), viewer: await door('viewer'), service: await door('service') };
};

/** A controller in this process on free ports, with a token of each role; `known` keeps the tokens of an earlier one. */
export const startInProcess = async (
  databaseUrl: string,
  { known, env = {} }: { readonly known?: Doors; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<InProcess> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'headgate-controller-'));
  const tokenFile = join(dataDir, 'admin.token');
  const config = loadConfig({
    HEADGATE_DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
    HEADGATE_PORT: '0',
    HEADGATE_SYNC_PORT: '0',
    HEADGATE_ADMIN_TOKEN_FILE: tokenFile,
    HEADGATE_LOG: 'quiet',
    ...env,
  });
  const complaints: string[] = [];
  const controller = await startController(config, {
    info: () => undefined,
    error: (message, fields = {}) => complaints.push(`${message} ${JSON.stringify(fields)}`),
  }).catch((error: unknown) => {
    rmSync(dataDir, { recursive: true, force: true });
    throw error;
  });
  const token = known?.admin.token ?? readFileSync(tokenFile, 'utf8').trim();
  const doors = await doorsOf({ url: controller.url, token }, known);
  const stop = async (): Promise<void> => {
    await controller.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { controller, complaints, stop, ...doors };
};
