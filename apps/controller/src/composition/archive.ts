import { resolve } from 'node:path';
import { Archive } from '#libs/event-store';
import type { ControllerConfig } from '../config.js';

/** Where this controller finds the bodies of archived events. */
export const archiveOf = ({ archiveDir }: Pick<ControllerConfig, 'archiveDir'>): Archive =>
  new Archive(archiveDir === undefined ? undefined : resolve(archiveDir), 'set HEADGATE_ARCHIVE_DIR');
