import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const KEY_BYTES = 32;
const KEY = /^[0-9a-f]{64}$/;

/** A file that is there but holds no key. */
export class HookKeyError extends Error {
  override readonly name = 'HookKeyError';
}

/**
 * The key from which the secrets of all hooks are derived. It is in a file outside the database, so that whoever reads
 * the database or the log can sign nothing; and since a secret follows from the key and the id of its hook, none is kept.
 */
export class HookKey {
  #key: Buffer | undefined;

  constructor(readonly file: string) {}

  /** Which key it is, without saying it; undefined where there is none so far. Throws `HookKeyError`. */
  get fingerprint(): string | undefined {
    const key = this.#read();
    return key && createHash('sha256').update('headgate hook key ').update(key).digest('hex').slice(0, 16);
  }

  /** The same, and makes the key where there is none. */
  make(): string {
    if (!existsSync(this.file)) {
      mkdirSync(dirname(this.file), { recursive: true });
      const partial = `${this.file}.${process.pid}`;
      writeFileSync(partial, `${randomBytes(KEY_BYTES).toString('hex')}\n`, { mode: 0o600, flush: true });
      // Of two controllers in one folder the second finds the key of the first.
      try {
        linkSync(partial, this.file);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      } finally {
        rmSync(partial, { force: true });
      }
    }
    return this.fingerprint ?? '';
  }

  /** What signs the events of a hook, as Standard Webhooks has it. Throws `HookKeyError` without a key. */
  secretOf(hook: string): string {
    const key = this.#read();
    if (key === undefined) throw new HookKeyError(`There is no key of hooks at ${this.file}.`);
    const secret = hkdfSync('sha256', key, '', `headgate hook ${hook}`, KEY_BYTES);
    return `whsec_${Buffer.from(secret).toString('base64')}`;
  }

  #read(): Buffer | undefined {
    if (this.#key !== undefined || !existsSync(this.file)) return this.#key;
    const text = readFileSync(this.file, 'utf8').trim();
    if (!KEY.test(text))
      throw new HookKeyError(`${this.file} holds no key of hooks: 64 hexadecimal digits. Bring it back from a copy.`);
    return (this.#key = Buffer.from(text, 'hex'));
  }
}
