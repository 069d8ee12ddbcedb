import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runCli } from '../program.js';
import { scriptedTerminal } from '../testing/scripted-terminal.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-emulator-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const list = (url: string): Promise<Response> =>
  fetch(
    `${url}/v3/projects/acme-1/timeSeries?filter=metric.type%20%3D%20%22x%22&interval.endTime=2026-01-01T00:00:00Z`,
    {
      headers: { authorization: 'Bearer token' },
    },
  );

describe('headgate emulator', () => {
  it('needs no controller, plays its script of faults, and is gone after Ctrl-C', async () => {
    writeFileSync(join(folder, 'faults.json'), '[{ "service": "cloud-monitoring", "fault": "throttled" }]');
    const terminal = scriptedTerminal({ cwd: folder });
    const ended = runCli(['emulator', '--port', '0', '--faults', 'faults.json'], terminal);
    const url = await vi.waitFor(() => {
      expect(terminal.stdout()).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/m);
      return terminal.stdout().trim();
    });
    expect((await list(url)).status).toBe(429);
    expect((await list(url)).status).toBe(200);
    terminal.interrupt();
    expect(await ended).toBe(0);
    await expect(list(url)).rejects.toThrow('fetch failed');
  });

  it.each(['{', '[{ "service": "other", "fault": "empty" }]', '[{ "service": "cloudwatch", "fault": "boredom" }]'])(
    'refuses a script that is none: %s',
    async (script) => {
      writeFileSync(join(folder, 'faults.json'), script);
      const terminal = scriptedTerminal({ cwd: folder });
      expect(await runCli(['emulator', '--port', '0', '--faults', 'faults.json'], terminal)).toBe(2);
      expect(terminal.stderr()).toContain('faults.json is no script of faults');
    },
  );
});
