import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CliError, messageOf, usageError } from './errors.js';
import { EXIT } from './exit-codes.js';
import type { Terminal } from './terminal.js';

const DEFAULT_URL = 'http://127.0.0.1:7070';

const ControllerFile = z.object({ url: z.string(), pid: z.int().optional() });

/** Where the controller is, who we are there, and how we came to believe it. */
export interface Settings {
  readonly url: string;
  /** For messages: `--url`, `HEADGATE_URL`, a file, or the default. */
  readonly urlFrom: string;
  readonly token: string | undefined;
  /** What was picked up without being asked for, for one line on stderr. */
  readonly notice: string | undefined;
  /** Set when a data folder names a controller process that has ended. */
  readonly deadPid: number | undefined;
}

interface Flags {
  readonly url?: string | undefined;
  readonly tokenFile?: string | undefined;
}

const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw usageError(`${path} cannot be read: ${messageOf(error)}`);
  }
};

const checkedUrl = (text: string, from: string): string => {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw usageError(`${from} is not a URL: ${text}`, { next: `write it like ${DEFAULT_URL}` });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw usageError(`${from} must be an http or https URL, not ${text}`, { next: `write it like ${DEFAULT_URL}` });
  }
  return url.href.replace(/\/+$/, '');
};

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]', '0.0.0.0']);

interface Local {
  readonly url: string;
  readonly file: string;
  readonly pid: number | undefined;
}

/** A data folder speaks only for this machine: a folder that points elsewhere could be someone's bait for tokens. */
const localController = (folder: string): Local | undefined => {
  const file = join(folder, 'controller.json');
  const text = readIfThere(file);
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = ControllerFile.safeParse(json);
  if (!parsed.success) return undefined;
  const url = checkedUrl(parsed.data.url, file);
  return LOOPBACK.has(new URL(url).hostname) ? { url, file, pid: parsed.data.pid } : undefined;
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

/** The token on its one line; whatever else it is must not travel in a header, nor be shown: it may be a secret. */
const checkedToken = (text: string, from: string): string | undefined => {
  const token = text.trim();
  if (token === '') return undefined;
  if (/^[\u0021-\u007e]+$/.test(token)) return token;
  const what = /[\r\n]/.test(token) ? 'has more than one line' : 'has characters that no token has';
  throw new CliError(`the token in ${from} ${what}; nothing was sent`, EXIT.auth, {
    next: 'put the token there alone, on one line, as `headgate token create` printed it',
  });
};

const tokenFromFile = (path: string): string => {
  const text = readIfThere(path);
  if (text === undefined) throw usageError(`--token-file ${path} does not exist`);
  const token = checkedToken(text, `--token-file ${path}`);
  if (token === undefined) throw usageError(`--token-file ${path} is empty`);
  return token;
};

/**
 * Flags win over the environment, and the environment over the data folder (`HEADGATE_DATA_DIR`, else `.headgate`).
 * The token of the data folder goes to the controller of that folder only. Throws a usage error for what cannot be read,
 * and an auth error that does not show it for a token that is not one line of visible characters.
 */
export const readSettings = (flags: Flags, terminal: Pick<Terminal, 'env' | 'cwd'>): Settings => {
  const { env, cwd } = terminal;
  const shown = env['HEADGATE_DATA_DIR'] || '.headgate';
  const folder = join(shown.startsWith('/') ? '' : cwd, shown);
  const named = flags.url ?? (env['HEADGATE_URL'] || undefined);
  const local = localController(folder);
  const from = flags.url === undefined ? 'HEADGATE_URL' : '--url';
  const url = named === undefined ? (local?.url ?? DEFAULT_URL) : checkedUrl(named, from);
  const urlFrom = named === undefined ? (local ? `${shown}/controller.json` : 'the default') : from;
  const given =
    flags.tokenFile === undefined
      ? checkedToken(env['HEADGATE_TOKEN'] ?? '', 'HEADGATE_TOKEN')
      : tokenFromFile(flags.tokenFile);
  const adminToken =
    given === undefined && local?.url === url
      ? checkedToken(readIfThere(join(folder, 'admin-token')) ?? '', `${shown}/admin-token`)
      : undefined;
  const found = [
    ...(named === undefined && local ? [`the controller ${url}`] : []),
    ...(adminToken ? ['the admin token'] : []),
  ];
  return {
    url,
    urlFrom,
    token: given ?? adminToken,
    notice: found.length > 0 ? `using ${found.join(' and ')} of ${shown}/` : undefined,
    deadPid: named === undefined && local?.pid !== undefined && !isAlive(local.pid) ? local.pid : undefined,
  };
};
