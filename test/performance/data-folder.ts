import { chmodSync, existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A temporary folder that the embedded server's user can pass through. */
export const temporaryFolder = (name: string): string => {
  const folder = mkdtempSync(join(tmpdir(), `headgate-${name}-`));
  chmodSync(folder, 0o711);
  return folder;
};

/** Deletes a folder and the database of the controller's data folder in it, which as root may lie elsewhere. */
export const discard = (folder: string, dataDir: string): void => {
  const cluster = join(dataDir, 'postgres', 'cluster');
  if (existsSync(cluster)) rmSync(realpathSync(cluster), { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
};
