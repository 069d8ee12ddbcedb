import { describe, expect, it } from 'vitest';
import { newSigner, NoteError, type Signer } from '../seal/note.js';
import { vouchFor, type SealKey } from '../seal/seal-key.js';
import { KeyRing } from '../verify/key-ring.js';
import { Faults } from '../verify/report.js';
import { packManifest, parsePackManifest, sha256Of } from './manifest.js';
import { unzip, ZipError, zipOf } from './zip.js';

const ROLLOUT = '0198f0c0-7d7a-7000-8000-00000000000a';
const TITLE = { rollout: ROLLOUT, size: 120, madeAt: '2026-11-28T10:00:00.000Z' };
const FILES = [
  { name: 'summary.html', text: '<p>größer</p>' },
  { name: 'events.ndjson', text: '' },
];
const entries = FILES.map(({ name, text }) => ({ name, bytes: Buffer.from(text) }));

describe('The manifest of a pack', () => {
  const signer = newSigner('headgate.dev/log/1');

  it('names the files by digest and length, the rollout and the size of its head', () => {
    const read = parsePackManifest(packManifest(TITLE, FILES, signer));
    expect(read).toMatchObject({ ...TITLE, origin: signer.name });
    expect(read.files).toEqual(
      entries.map(({ name, bytes }) => ({ name, bytes: bytes.length, digest: sha256Of(bytes) })),
    );
  });

  it('is refused where it is of another kind, or of a newer form', () => {
    expect(() => parsePackManifest('x')).toThrow(NoteError);
    const newer = packManifest(TITLE, FILES, signer).replace('evidence pack 1', 'evidence pack 2');
    expect(() => parsePackManifest(newer)).toThrow('take a newer one');
  });

  it('counts when the key that was held, or one that it vouches for, signed it before the next key took over', () => {
    const next = newSigner(signer.name);
    const keyOf = (key: Signer, fromSize: number, statement: string | null): SealKey => ({
      ...key,
      fromSize,
      madeAt: '2026-11-28T10:00:00.000Z',
      statement,
    });
    const chain = [keyOf(signer, 0, null), keyOf(next, 100, vouchFor(next, 100, signer))];
    const signerOf = (by: Signer, size: number, held: Signer): string | undefined =>
      new KeyRing([held], chain, new Faults(), []).signerOf(
        parsePackManifest(packManifest({ ...TITLE, size }, FILES, by)).note,
        size,
      )?.id;
    expect(signerOf(next, 120, signer)).toBe(next.id);
    expect(signerOf(signer, 100, signer)).toBe(signer.id);
    expect(signerOf(signer, 120, signer)).toBeUndefined();
    expect(signerOf(newSigner(signer.name), 120, signer)).toBeUndefined();
  });
});

describe('The archive of a pack', () => {
  it('gives back what was put in, and is the same each time', () => {
    const { files, isExact } = unzip(zipOf(entries));
    expect([...files].map(([name, bytes]) => ({ name, text: bytes.toString() }))).toEqual(FILES);
    expect(isExact).toBe(true);
    expect(zipOf(entries).equals(zipOf(entries))).toBe(true);
  });

  it('shows each altered bit: it differs from what would be written, or cannot be read', () => {
    const archive = zipOf(entries);
    const unseen = Array.from({ length: archive.length * 8 }, (_, bit) => bit).filter((bit) => {
      const altered = Buffer.from(archive);
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      try {
        const { files, isExact } = unzip(altered);
        return isExact && entries.every(({ name, bytes }) => files.get(name)?.equals(bytes));
      } catch (error) {
        if (error instanceof ZipError) return false;
        throw error;
      }
    });
    expect(unseen).toEqual([]);
  });

  it('is refused with two files of one name', () => {
    const [first] = entries;
    expect(() => unzip(zipOf(first === undefined ? [] : [first, first]))).toThrow('the same name');
  });
});
