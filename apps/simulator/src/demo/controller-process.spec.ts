import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Narrator } from './change.js';
import { startController } from './controller-process.js';

describe('the controller of the demo', () => {
  let dataDir: string;
  const named = (pid: number) =>
    writeFile(join(dataDir, 'controller.json'), JSON.stringify({ url: 'http://127.0.0.1:1', syncPort: 1, pid }));

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'headgate-demo-'));
  });
  afterEach(() => rm(dataDir, { recursive: true, force: true }));

  it('a second demo in the same folder is refused and leaves the first as it is', async () => {
    await named(process.pid);
    await writeFile(join(dataDir, 'kept'), 'kept');
    await expect(startController('/no/such/main.js', dataDir)).rejects.toThrow(
      `A demo already runs in ${dataDir} (pid ${process.pid}); stop it or give --data-dir another folder.`,
    );
    expect(await readFile(join(dataDir, 'kept'), 'utf8')).toBe('kept');
  });

  it('a folder whose controller has ended is used again; a controller that ends at once is reported with its log', async () => {
    await named(2 ** 22 + 7);
    await expect(startController('/no/such/main.js', dataDir)).rejects.toThrow(
      /The controller ended \(1\) before it was ready\. Its output is in .*controller\.log/,
    );
  });
});

describe('a controller that says nothing', () => {
  it('is noticed, and the demo does not wait for it for ever', async () => {
    const { broken } = new Narrator(0, () => undefined).silence(10);
    await expect(broken).rejects.toThrow('the demo makes no progress');
  });
});
