import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Archive } from '#libs/event-store';
import type { ControllerConfig } from '../config.js';
import { StartError } from './start-error.js';

/** Where this controller finds the bodies of archived events. Throws `StartError` where there is no such folder. */
export const archiveOf = ({ archiveDir }: Pick<ControllerConfig, 'archiveDir'>): Archive => {
  if (archiveDir !== undefined && !statSync(archiveDir, { throwIfNoEntry: false })?.isDirectory())
    throw new StartError(`HEADGATE_ARCHIVE_DIR: ${resolve(archiveDir)} is no folder. Make it, or correct the name.`);
  return new Archive(archiveDir === undefined ? undefined : resolve(archiveDir), 'set HEADGATE_ARCHIVE_DIR');
};
