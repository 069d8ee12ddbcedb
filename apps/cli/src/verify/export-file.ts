import { closeSync, openSync, readSync } from 'node:fs';
import type { LogVerifier } from '#libs/event-store';

/** Small enough to stay in the processor's cache between reading and hashing. */
const CHUNK = 262_144;
const LINE_FEED = 10;

/**
 * Gives the lines of an export to a verifier, piece by piece: memory grows with the longest line, not with the file.
 * False when the last line has no end: what there is of it is left out.
 */
export const verifyExport = async (
  path: string,
  verifier: LogVerifier,
  onProgress: (bytes: number) => void,
): Promise<boolean> => {
  const file = openSync(path, 'r');
  try {
    let buffer = Buffer.alloc(CHUNK);
    let filled = 0;
    for (let total = 0; ;) {
      if (filled === buffer.length) buffer = Buffer.concat([buffer], buffer.length * 2);
      const read = readSync(file, buffer, filled, buffer.length - filled, null);
      if (read === 0) return filled === 0;
      filled += read;
      total += read;
      const end = buffer.lastIndexOf(LINE_FEED, filled - 1) + 1;
      if (end === 0) continue;
      await verifier.take(buffer, end);
      buffer.copyWithin(0, end, filled);
      filled -= end;
      onProgress(total);
    }
  } finally {
    closeSync(file);
  }
};
