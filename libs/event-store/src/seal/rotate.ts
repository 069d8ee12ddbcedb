import type { PoolClient } from 'pg';
import type { KeyFile } from './key-file.js';
import { newSigner } from './note.js';
import { vouchFor, type SealKey } from './seal-key.js';
import { SEAL_WRITE_LOCK } from './sealer.js';
import { insertKey, readKeys, readLastHead } from './tree-store.js';

/** Why the key cannot be rotated, with what to do. */
export class RotationError extends Error {
  override readonly name = 'RotationError';
}

export type Rotation = { readonly client: Pick<PoolClient, 'query'>; readonly file: KeyFile; readonly now: number };

/**
 * Makes a new signing key for heads after the newest one. The old key, which must be in the file, vouches for it, unless
 * it is `lost`. The new key is on disk before it counts, and takes the place of the old one afterwards; whoever is killed
 * in between leaves both, and the sealer takes the one that counts. Throws `RotationError`.
 */
export const rotateSealKey = async (
  { client, file, now }: Rotation,
  { lost = false }: { readonly lost?: boolean } = {},
): Promise<SealKey> => {
  await client.query('begin');
  try {
    await client.query('select pg_advisory_xact_lock($1)', [SEAL_WRITE_LOCK]);
    const key = await replace({ client, file, now }, lost);
    await client.query('commit');
    file.adopt();
    return key;
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
};

const replace = async ({ client, file, now }: Rotation, lost: boolean): Promise<SealKey> => {
  const keys = await readKeys(client);
  const newest = keys.at(-1);
  if (newest === undefined)
    throw new RotationError(
      'This log has no key yet: a controller makes the first one when it seals for the first time.',
    );
  const old = file.all().find(({ id }) => id === newest.id);
  if (old === undefined && !lost)
    throw new RotationError(
      `The key ${newest.id} that signs now is not in ${file.path}, and only it can vouch for the next one: name its file with --key-file, or say that it is gone with --lost.`,
    );
  if (old !== undefined && lost)
    throw new RotationError(
      `The key ${newest.id} is in ${file.path}: leave --lost out, so that it vouches for the next one.`,
    );
  const next = newSigner(newest.name);
  const fromSize = (await readLastHead(client))?.size ?? 0;
  file.prepare(next);
  const statement = old === undefined ? null : vouchFor(next, fromSize, old);
  const key = { ...next, fromSize, madeAt: new Date(now).toISOString(), statement };
  await insertKey(client, keys.length + 1, key);
  return key;
};
