import { access, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Connection } from './connection.js';

/** The last ruleset of one instance on its disk, in flagd's format, as the controller sent it. */
export type RulesetFile = {
  readonly path: string;
  /** The generation on disk, as far as this process knows; 0 before the first fetch. */
  readonly generation: () => number;
  readonly exists: () => Promise<boolean>;
  /** Fetches it (by ETag) and replaces the file in one step. False: not fetched; try again later. */
  readonly refresh: () => Promise<boolean>;
};

const versionOf = (text: string): number => {
  const ruleset: unknown = JSON.parse(text);
  if (typeof ruleset !== 'object' || ruleset === null || !('metadata' in ruleset)) return 0;
  const { metadata } = ruleset;
  if (typeof metadata !== 'object' || metadata === null || !('version' in metadata)) return 0;
  const version = Number(metadata.version);
  return Number.isSafeInteger(version) ? version : 0;
};

export const createRulesetFile = (path: string, target: string, connection: Connection): RulesetFile => {
  let etag: string | undefined;
  let generation = 0;

  const fetchAndKeep = async (): Promise<boolean> => {
    const headers: Record<string, string> = etag === undefined ? {} : { 'if-none-match': etag };
    const answer = await connection.call({
      method: 'GET',
      path: `/v1/targets/${encodeURIComponent(target)}/ruleset`,
      headers,
    });
    if (answer.status === 304) return true;
    if (answer.status !== 200) return false;
    const version = versionOf(answer.text);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.new`, answer.text);
    await rename(`${path}.new`, path);
    etag = answer.headers.etag;
    generation = version;
    return true;
  };

  return {
    path,
    generation: () => generation,
    exists: () =>
      access(path).then(
        () => true,
        () => false,
      ),
    // What cannot be fetched now is fetched after the next heartbeat; the ruleset in memory stays in use.
    refresh: () => fetchAndKeep().catch(() => false),
  };
};
