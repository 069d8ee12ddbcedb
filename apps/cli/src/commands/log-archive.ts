import { resolve } from 'node:path';
import type { Command } from 'commander';
import { usageError } from '../errors.js';
import type { Invocation } from '../invocation.js';
import { parseMoment } from '../time.js';
import { databaseOf } from './verify.js';

type ArchiveFlags = { readonly before: string; readonly to: string; readonly database?: string };

/** log archive */
export const addLogArchive = (log: Command, invocation: Invocation): void => {
  log
    .command('archive')
    .summary('take the bodies of old events out of the database into files')
    .description(
      'Writes old events, once they are sealed, into files of 4,096, and takes their bodies out of the database, whose ' +
        'room is used again. Places, hashes and the tree stay. Controllers read the files from HEADGATE_ARCHIVE_DIR, ' +
        'which all of them have to have first. Works on the database as its owner; can be stopped and called again.',
    )
    .requiredOption('--before <time>', 'events recorded before this: 365d, 2025-11-01')
    .requiredOption('--to <folder>', 'a folder that every controller reads, and backups reach')
    .option('--database <url>', 'by default DATABASE_URL, or the embedded database of the data folder')
    .action(async ({ before, to, database }: ArchiveFlags) => {
      const moment = parseMoment(before, invocation.terminal.now());
      if (!('time' in moment)) throw usageError('--before takes a time', { next: 'for example: --before 365d' });
      if (Date.parse(moment.time) > invocation.terminal.now())
        throw usageError(`--before ${before} is still to come`, { next: 'name a time that has passed: --before 365d' });
      const url = await databaseOf(database, invocation);
      await invocation.confirm(`Do all controllers have HEADGATE_ARCHIVE_DIR, leading to ${to}?`);
      const { archiveDatabase } = await import('../verify/index.js');
      const report = await archiveDatabase(url, {
        folder: resolve(invocation.terminal.cwd, to),
        before: moment.time,
        onProgress: (line) => invocation.note(line),
      });
      const { upTo, files, written, emptied, characters } = report;
      invocation.print({
        data: report,
        text: () =>
          files === 0
            ? 'nothing to archive: events go into a file once 4,096 of them, in order, are sealed and older than that'
            : `events 1 to ${upTo} are in ${files} files, ${written} of them new; ${emptied} bodies of ${Math.ceil(characters / 1_048_576)} MiB were taken out of the database`,
        names: [`event/${upTo}`],
      });
    });
};
