import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  linkSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { parseSigner, type Signer } from './note.js';
import type { KeySource } from './sealer.js';

/** Where a new key waits until it is recorded in the database; then it takes the place of the old one. */
const nextOf = (file: string): string => `${file}.next`;

const syncFolder = (file: string): void => {
  if (process.platform === 'win32') return;
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
};

const write = (file: string, signer: Signer): void => {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${signer.text}\n`, { mode: 0o600, flush: true });
};

const read = (file: string): Signer | undefined =>
  existsSync(file) ? parseSigner(readFileSync(file, 'utf8')) : undefined;

/**
 * A signing key in a file of its own, readable by its owner only. Reading throws `NoteError` for what is no key, and
 * never shows it.
 */
export class KeyFile {
  constructor(readonly path: string) {}

  /** The keys there: the one in use, and one that an interrupted rotation left. */
  all(): readonly Signer[] {
    return [read(this.path), read(nextOf(this.path))].filter((key) => key !== undefined);
  }

  /** Keeps the first key. Where another process was faster its key is kept, and given. */
  create(signer: Signer): Signer {
    const partial = `${this.path}.${process.pid}`;
    write(partial, signer);
    try {
      linkSync(partial, this.path);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    } finally {
      rmSync(partial, { force: true });
    }
    syncFolder(this.path);
    return read(this.path) ?? signer;
  }

  asSource(): KeySource {
    return { all: () => this.all(), create: (signer) => this.create(signer), adopt: () => this.adopt() };
  }

  /** Keeps a key beside the one in use. */
  prepare(signer: Signer): void {
    write(nextOf(this.path), signer);
    syncFolder(this.path);
  }

  /** The prepared key takes the place of the old one, which is gone then. */
  adopt(): void {
    renameSync(nextOf(this.path), this.path);
    syncFolder(this.path);
  }
}
