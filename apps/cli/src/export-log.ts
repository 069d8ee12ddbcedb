import { constants, existsSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { ExportFormat } from './client.js';
import { messageOf, usageError } from './errors.js';

const WINDOW = 65_536;
const LINE_FEED = 10;

/** Reads the position of the event on a line of an export; undefined where the line is none of that format. */
const POSITIONS: Readonly<Record<ExportFormat, (line: string) => string | undefined>> = {
  ndjson: (line) => /,"position":(\d+),"recordedAt":"[^"]*","schemaVersion":\d+,"streamId":/.exec(line)?.[1],
  csv: (line) => (line.startsWith('position,') ? '0' : /^(\d+),"\d{4}-/.exec(line)?.[1]),
  cloudevents: (line) => /^\{"specversion":.*"data":\{"position":(\d+),/.exec(line)?.[1],
};

type End = { readonly bytes: number; readonly after: number };

/** Where an export goes on: behind its last whole line, after that event's position. */
const endOf = async (file: FileHandle, path: string, format: ExportFormat): Promise<End> => {
  const { size } = await file.stat();
  for (let window = Math.min(WINDOW, size); ; window = Math.min(window * 4, size)) {
    const tail = Buffer.alloc(window);
    await file.read(tail, 0, window, size - window);
    const end = tail.lastIndexOf(LINE_FEED);
    const start = end <= 0 ? -1 : tail.lastIndexOf(LINE_FEED, end - 1);
    if (end < 0 && window === size) return { bytes: 0, after: 0 };
    if (start < 0 && window < size) continue;
    const line = tail.toString('utf8', start + 1, end);
    const position = POSITIONS[format](line);
    if (position === undefined)
      throw usageError(`${path} is not an export of the log as ${format}: its last line is no event`, {
        next: 'name another file',
      });
    return { bytes: size - window + end + 1, after: Number(position) };
  }
};

/**
 * Writes an export into a file and goes on where an earlier one ended, in the middle of a line or not. Gives how many
 * bytes were added, and the position after which it began.
 */
export const exportTo = async (
  path: string,
  format: ExportFormat,
  fetchAfter: (after: number) => Promise<AsyncIterable<Uint8Array>>,
): Promise<{ readonly after: number; readonly added: number }> => {
  const flags = existsSync(path) ? constants.O_RDWR : constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  const file = await open(path, flags, 0o600).catch((error: unknown) => {
    throw usageError(`${path} cannot be written: ${messageOf(error)}`, {
      next: 'name a file in a folder that is there and that you may write to',
    });
  });
  try {
    const { bytes, after } = await endOf(file, path, format);
    const body = await fetchAfter(after);
    await file.truncate(bytes);
    let at = bytes;
    for await (const chunk of body) {
      await file.write(chunk, 0, chunk.length, at);
      at += chunk.length;
    }
    await file.sync();
    return { after, added: at - bytes };
  } finally {
    await file.close();
  }
};
