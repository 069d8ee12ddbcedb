import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IssueTokenCommand, IssueTokenHandler, newSecret } from '#libs/application';
import type { Instruments } from '../../apps/controller/src/composition/instruments.js';
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
  /** And at level info. */
  readonly remarks: readonly string[];
  readonly stop: () => Promise<void>;
};

type Doors = Pick<InProcess, 'admin' | 'operator' | 'viewer' | 'service'>;

type Subjects = Readonly<Partial<Record<'operator' | 'viewer' | 'service', string>>>;

const doorsOf = async (admin: Door, known: Doors | undefined, subjects: Subjects): Promise<Doors> => {
  const { url } = admin;
  const door = async (role: 'operator' | 'viewer' | 'service'): Promise<Door> => ({
    url,
    token: known?.[role].token ?? (await issueToken(admin, role, subjects[role])),
  });
  return { admin, operator: await door('operator'), viewer: await door('viewer'), service: await door('service') };
};

/** The way in where there are admins already, whose secrets are known to nobody here. */
const issueAdmin = async ({ core }: RunningController): Promise<string> => {
  const secret = newSecret('admin');
  const commandId = randomUUID();
  const actor = { kind: 'automation', name: 'spec' } as const;
  const outcome = await new IssueTokenHandler(core.runner).execute(
    new IssueTokenCommand(
      { subject: 'spec', role: 'admin', secret, expiresAt: null },
      { actor, commandId, fingerprint: commandId, correlationId: commandId },
    ),
  );
  if (outcome.accepted) await core.view.caughtUpWith(outcome.lastPosition);
  return secret;
};

/** A controller in this process on free ports, with a token of each role; `known` keeps the tokens of an earlier one. */
export const startInProcess = async (
  databaseUrl: string,
  {
    known,
    env = {},
    subjects = {},
    instruments = {},
  }: {
    readonly known?: Doors;
    readonly env?: Readonly<Record<string, string>>;
    /** Names for the tokens, where people read them. */
    readonly subjects?: Subjects;
    readonly instruments?: Instruments;
  } = {},
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
  const [complaints, remarks]: [string[], string[]] = [[], []];
  const noteIn =
    (list: string[]) =>
    (message: string, fields: object = {}): void =>
      void list.push(`${message} ${JSON.stringify(fields)}`);
  const log = { info: noteIn(remarks), error: noteIn(complaints) };
  const controller = await startController(config, log, instruments).catch((error: unknown) => {
    rmSync(dataDir, { recursive: true, force: true });
    throw error;
  });
  const isFirst = existsSync(tokenFile);
  const token = known?.admin.token ?? (isFirst ? readFileSync(tokenFile, 'utf8').trim() : await issueAdmin(controller));
  const doors = await doorsOf({ url: controller.url, token }, known, subjects);
  const stop = async (): Promise<void> => {
    await controller.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { controller, complaints, remarks, stop, ...doors };
};
