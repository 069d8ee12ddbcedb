import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findController } from './find-controller.js';

describe('where the simulator looks for its controller', () => {
  let folder: string;
  const written = (url: string) =>
    writeFileSync(join(folder, 'controller.json'), JSON.stringify({ url, syncPort: 4001, pid: 1 }));

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'headgate-simulator-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is the data folder when nothing is given, with both ports', () => {
    written('http://127.0.0.1:4000');
    expect(findController({}, folder)).toEqual({ url: 'http://127.0.0.1:4000', syncPort: 4001 });
    expect(findController({ syncPort: '5' }, folder).syncPort).toBe(5);
  });

  it('is what was given, and the default without either', () => {
    written('http://127.0.0.1:4000');
    expect(findController({ url: 'http://there:1' }, folder)).toEqual({ url: 'http://there:1', syncPort: 7071 });
    expect(findController({}, join(folder, 'none')).url).toBe('http://127.0.0.1:7070');
  });

  it('is no other machine that a folder names: it could be bait for the token', () => {
    written('https://elsewhere.example');
    expect(findController({}, folder).url).toBe('http://127.0.0.1:7070');
  });

  it('is no nonsense', () => {
    expect(() => findController({ url: 'nonsense' }, folder)).toThrow('no address of a controller');
    expect(() => findController({ syncPort: '0' }, folder)).toThrow('from 1 to 65535');
  });
});
