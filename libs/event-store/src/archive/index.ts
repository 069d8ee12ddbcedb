export { Archive } from './archive.js';
export { archiveLog, type ArchiveReport } from './archive-log.js';
