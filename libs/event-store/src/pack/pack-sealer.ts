import { PackSealer, type PackFile, type PackTitle } from '#libs/kernel';
import type { Pool } from 'pg';
import type { KeySource } from '../seal/sealer.js';
import { readKeys } from '../seal/tree-store.js';
import { MANIFEST, packManifest } from './manifest.js';
import { zipOf } from './zip.js';

/** Signs packs with the key that signs the heads of the log, where this process has it. */
export class NotePackSealer extends PackSealer {
  constructor(
    private readonly pool: Pool,
    private readonly keys: Pick<KeySource, 'all'>,
  ) {
    super();
  }

  override async seal(title: PackTitle, files: readonly PackFile[]): Promise<Uint8Array | undefined> {
    const newest = (await readKeys(this.pool)).at(-1);
    const signer = this.keys.all().find(({ id, name }) => id === newest?.id && name === newest.name);
    if (signer === undefined) return undefined;
    const sealed = [{ name: MANIFEST, text: packManifest(title, files, signer) }, ...files];
    return zipOf(sealed.map(({ name, text }) => ({ name, bytes: Buffer.from(text) })));
  }
}
