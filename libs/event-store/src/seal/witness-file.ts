import { closeSync, existsSync, fstatSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SignedHead } from './checkpoint.js';
import { parseWitnessLine, witnessJson, type WitnessLine } from './witness-line.js';

const LINE_FEED = 10;
/** More than a line has. */
const WINDOW = 1_048_576;

const parsed = (line: string): WitnessLine | undefined => {
  try {
    return parseWitnessLine(line);
  } catch {
    // The end of a write that was cut off; the next line begins anew.
    return undefined;
  }
};

/** A witness in a file: lines of JSON that are only ever added, each on disk before it counts. */
export class WitnessFile {
  constructor(readonly path: string) {}

  /** The head in the last line that has one; undefined without any. */
  last(): SignedHead | undefined {
    if (!existsSync(this.path)) return undefined;
    const file = openSync(this.path, 'r');
    try {
      const { size } = fstatSync(file);
      for (let window = WINDOW; ; window *= 4) {
        const from = Math.max(0, size - window);
        const head = lastHeadIn(file, from, size);
        if (head !== undefined || from === 0) return head;
      }
    } finally {
      closeSync(file);
    }
  }

  /** Adds lines in one write and waits until they are on disk. */
  add(lines: readonly WitnessLine[]): void {
    mkdirSync(dirname(this.path), { recursive: true });
    const file = openSync(this.path, 'a+', 0o600);
    try {
      const text = lines.map((line) => `${JSON.stringify(witnessJson(line))}\n`).join('');
      const bytes = Buffer.from(endsOpen(file) ? `\n${text}` : text);
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}

/** A write that was cut off leaves a piece of a line: what comes next must not be taken for its rest. */
const endsOpen = (file: number): boolean => {
  const { size } = fstatSync(file);
  if (size === 0) return false;
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, size - 1);
  return byte[0] !== LINE_FEED;
};

const lastHeadIn = (file: number, from: number, to: number): SignedHead | undefined => {
  const bytes = Buffer.alloc(to - from);
  let read = 0;
  while (read < bytes.length) {
    const more = readSync(file, bytes, read, bytes.length - read, from + read);
    if (more === 0) break;
    read += more;
  }
  const lines = bytes.toString('utf8', 0, read).split('\n');
  // The first piece may be the end of a longer line, the last one of a write under way.
  const whole = lines.slice(from === 0 ? 0 : 1, -1);
  for (const line of whole.toReversed()) {
    const head = line.includes('"checkpoint"') ? parsed(line)?.head : undefined;
    if (head !== undefined) return head;
  }
  return undefined;
};
