export { Archive, ArchiveError } from './archive.js';
export { archiveLog, type ArchiveReport } from './archive-log.js';
