import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const ControllerFile = z.object({ url: z.string(), syncPort: z.int() });

export type Address = { readonly url: string; readonly syncPort: number };
type Given = { readonly url?: string | undefined; readonly syncPort?: string | undefined };

const DEFAULT: Address = { url: 'http://127.0.0.1:7070', syncPort: 7071 };
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]', '0.0.0.0']);

const hostOf = (url: string): string => {
  try {
    return new URL(url).hostname;
  } catch {
    throw new Error(`${url} is no address of a controller: write it like ${DEFAULT.url}.`);
  }
};

/** What the controller of a data folder wrote; a folder speaks only for this machine, so no other address is believed. */
const inFolder = (folder: string): Address | undefined => {
  try {
    const { data } = ControllerFile.safeParse(JSON.parse(readFileSync(join(folder, 'controller.json'), 'utf8')));
    return data !== undefined && LOOPBACK.has(hostOf(data.url)) ? data : undefined;
  } catch {
    // No folder, or a file that is being written: the default address is as good as before.
    return undefined;
  }
};

/** What was given, else what stands in `controller.json` of the data folder, else the default. Throws for what is none. */
export const findController = (given: Given, folder: string): Address => {
  const known = given.url === undefined ? (inFolder(folder) ?? DEFAULT) : DEFAULT;
  const url = given.url ?? known.url;
  const syncPort = Number(given.syncPort ?? known.syncPort);
  hostOf(url);
  if (!Number.isInteger(syncPort) || syncPort < 1 || syncPort > 65_535)
    throw new Error('--sync-port: give a port from 1 to 65535.');
  return { url, syncPort };
};
