import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkManifests, placeInSources } from './manifest-check.js';
import { parseManifestText, readManifests } from './manifest-files.js';

const TWO = `# signals first
apiVersion: headgate.dev/v1
kind: Signal
metadata: { name: script-errors }
spec:
  type: rate
  title: script errors
---
apiVersion: headgate.dev/v1
kind: Plan
metadata:
  name: cautious
spec:
  signals:
    - signal: script-errors
  tracks:
    - name: api
      targets: { platform: api }
      stages:
        - exposure: 1%
          bake: 30s
        - exposure: 1000%
          bake: soon
          colour: red
`;

const faultsOf = (text: string) => {
  const { manifests, faults } = parseManifestText('a.yaml', text);
  return [...faults, ...checkManifests(manifests)].map(({ place, message }) => `${place} ${message}`);
};

describe('reading manifests', () => {
  it('every fault of a document far down a file is named with file, line and field', () => {
    expect(faultsOf(TWO)).toEqual([
      'a.yaml:22 /spec/tracks/0/stages/1/exposure: write a share from 0% to 100% in steps of 0.01%, such as 1% or 0.5%',
      'a.yaml:23 /spec/tracks/0/stages/1/bake: write a duration such as 30s, 5m, 1.5h or 2d',
      'a.yaml:24 /spec/tracks/0/stages/1/colour: this field is not known',
    ]);
  });

  it('a field that is missing is named at the place where it belongs', () => {
    const text = 'apiVersion: headgate.dev/v1\nkind: Signal\nmetadata:\n  name: x\nspec:\n  type: rate\n';
    expect(faultsOf(text)).toEqual(['a.yaml:5 /spec/title: is missing']);
  });

  it('broken YAML is named with its line, and so is a key that is there twice', () => {
    expect(faultsOf('kind: Plan\nspec: [1, 2\n')[0]).toMatch(/^a\.yaml:\d/);
    expect(faultsOf('a: 1\nb: 2\na: 3\n')[0]).toMatch(/^a\.yaml:3 .*unique/);
  });

  it('a kind of a later release is told from one that is not known', () => {
    const ofKind = (kind: string) => faultsOf(`apiVersion: headgate.dev/v1\nkind: ${kind}\nmetadata: { name: x }\n`);
    expect(ofKind('Freeze')).toEqual([expect.stringContaining('Freeze is not supported yet')]);
    expect(ofKind('Pod')).toEqual([expect.stringContaining('Pod is not known')]);
    expect(faultsOf('a: 1')[0]).toContain('kind is missing');
  });

  it('where the kind is wrong, what is the same for all kinds is looked at all the same', () => {
    expect(faultsOf('apiVersion: v7\nkind: Pod\nmetadata: { name: Not A Name }\n')).toEqual([
      expect.stringContaining('a.yaml:2 /kind: kind Pod is not known'),
      expect.stringContaining('a.yaml:1 /apiVersion: must be headgate.dev/v1'),
      expect.stringContaining('a.yaml:3 /metadata/name: use lower-case letters'),
    ]);
  });

  it('the same manifest twice is refused with both places', () => {
    const [signal] = TWO.split('---\n');
    expect(faultsOf(`${signal}---\n${signal}`)).toEqual(['a.yaml:10 Signal script-errors is also at a.yaml:2']);
  });

  it('a value of the wrong kind is answered with what to write', () => {
    const text = TWO.replace('exposure: 1000%', 'exposure: [1]')
      .replace('bake: soon', 'bake: 1m')
      .replace('          colour: red\n', '');
    expect(faultsOf(text)).toEqual([expect.stringMatching(/^a\.yaml:22 .*\/exposure: write a share from 0% to 100%/)]);
  });

  it('a pointer into the request leads back to file and line', () => {
    const { manifests } = parseManifestText('a.yaml', TWO);
    expect(placeInSources('/manifests/1/spec/tracks/0/stages/1/bake', manifests)).toBe(
      'a.yaml:23: /spec/tracks/0/stages/1/bake',
    );
    expect(placeInSources('/manifests/0', manifests)).toBe('a.yaml:2');
    expect(placeInSources('/manifests/7/spec', manifests)).toBeUndefined();
    expect(placeInSources('/reason', manifests)).toBeUndefined();
  });
});

describe('files, folders and stdin', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'headgate-cli-'));
    mkdirSync(join(cwd, 'm/deep/.hidden'), { recursive: true });
    writeFileSync(join(cwd, 'm/b.yaml'), 'kind: B');
    writeFileSync(join(cwd, 'm/a.yml'), 'kind: A\n---\n---\nkind: A2');
    writeFileSync(join(cwd, 'm/deep/c.json'), '{"kind": "C"}');
    writeFileSync(join(cwd, 'm/deep/.hidden/d.yaml'), 'kind: D');
    writeFileSync(join(cwd, 'm/readme.md'), 'kind: E');
  });
  afterEach(() => rmSync(cwd, { recursive: true }));
  const read = async (paths: string[], input = '') =>
    (await readManifests(paths, { cwd, readInput: () => Promise.resolve(input) })).map(({ file, value }) => [
      file,
      value,
    ]);

  it('a folder is read with all below it, in order, without hidden folders, other files and empty documents', async () => {
    expect(await read(['m'])).toEqual([
      ['m/a.yml', { kind: 'A' }],
      ['m/a.yml', { kind: 'A2' }],
      ['m/b.yaml', { kind: 'B' }],
      ['m/deep/c.json', { kind: 'C' }],
    ]);
  });

  it('a dash is stdin', async () => {
    expect(await read(['-', 'm/b.yaml'], 'kind: X')).toEqual([
      ['stdin', { kind: 'X' }],
      ['m/b.yaml', { kind: 'B' }],
    ]);
  });

  it('what is not there, or holds nothing, is said', async () => {
    await expect(read(['none.yaml'])).rejects.toThrow('none.yaml cannot be read');
    mkdirSync(join(cwd, 'empty'));
    await expect(read(['empty'])).rejects.toThrow('empty holds no manifests');
    await expect(read(['-'], '# nothing\n')).rejects.toThrow('no manifest in -');
  });
});
