import { spawnSync } from 'node:child_process';
import { closeSync, cpSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it('the command of a repository that was never built says how to build it', () => {
  const root = mkdtempSync(join(tmpdir(), 'headgate-cli-'));
  mkdirSync(join(root, 'apps/cli'), { recursive: true });
  cpSync(fileURLToPath(new URL('../bin', import.meta.url)), join(root, 'apps/cli/bin'), { recursive: true });
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'apps/cli/bin/headgate.js')], {
    encoding: 'utf8',
  });
  rmSync(root, { recursive: true });
  expect({ status, stdout, stderr }).toEqual({
    status: 1,
    stdout: '',
    stderr: 'headgate is not built yet: run `npm run build` first\n',
  });
});

it.skipIf(!existsSync('/dev/full'))('what cannot be written to a full disk is said, and is no success', () => {
  const full = openSync('/dev/full', 'w');
  const command = fileURLToPath(new URL('../bin/headgate.js', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [command, 'help'], {
    encoding: 'utf8',
    stdio: ['ignore', full, 'pipe'],
  });
  closeSync(full);
  expect(status).toBe(1);
  expect(stderr).toContain('the output could not be written: ENOSPC');
});
