import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSettings } from './settings.js';

describe('finding the controller and the token', () => {
  let cwd: string;
  const local = (url: string, pid: number = process.pid) => {
    mkdirSync(join(cwd, '.headgate'));
    writeFileSync(join(cwd, '.headgate/controller.json'), JSON.stringify({ url, syncPort: 7071, pid }));
    writeFileSync(join(cwd, '.headgate/admin-token'), 'hg_admin_local\n');
  };

  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'headgate-cli-'));
  });
  afterEach(() => rmSync(cwd, { recursive: true }));

  it('a flag wins over the environment', () => {
    writeFileSync(join(cwd, 't'), 'hg_operator_file\n');
    const env = { HEADGATE_URL: 'http://env:1', HEADGATE_TOKEN: 'hg_viewer_env' };
    const settings = readSettings({ url: 'http://flag:1/', tokenFile: join(cwd, 't') }, { env, cwd });
    expect(settings).toMatchObject({
      url: 'http://flag:1',
      token: 'hg_operator_file',
      urlFrom: '--url',
      notice: undefined,
    });
  });

  it('with nothing given, the data folder in the working folder is used, and that is said', () => {
    local('http://127.0.0.1:4000');
    expect(readSettings({}, { env: {}, cwd })).toMatchObject({
      url: 'http://127.0.0.1:4000',
      token: 'hg_admin_local',
      notice: 'using the controller http://127.0.0.1:4000 and the admin token of .headgate/',
    });
  });

  it('the admin token of this machine is not sent to another controller', () => {
    local('http://127.0.0.1:4000');
    expect(readSettings({ url: 'https://elsewhere.example' }, { env: {}, cwd }).token).toBeUndefined();
  });

  it('a data folder that points to another machine is not believed: it could be bait for the token in the environment', () => {
    local('https://elsewhere.example');
    expect(readSettings({}, { env: { HEADGATE_TOKEN: 'hg_admin_env' }, cwd })).toMatchObject({
      url: 'http://127.0.0.1:7070',
    });
  });

  it('it is noticed when the controller of the data folder has ended', () => {
    local('http://127.0.0.1:4000', 2 ** 22 + 7);
    expect(readSettings({}, { env: {}, cwd }).deadPid).toBe(2 ** 22 + 7);
  });

  it('without anything the default address is used, without a token', () => {
    expect(readSettings({}, { env: {}, cwd })).toMatchObject({
      url: 'http://127.0.0.1:7070',
      token: undefined,
      urlFrom: 'the default',
    });
  });

  it.each(['hg_admin_first\nhg_admin_second', 'hg_admin_\u00e9', 'hg_admin first', 'hg_admin\u0000'])(
    'a token that is not one line of visible characters is refused, and no part of it is shown',
    (secret) => {
      const path = join(cwd, 't');
      writeFileSync(path, secret);
      for (const settings of [
        () => readSettings({ tokenFile: path }, { env: {}, cwd }),
        () => readSettings({}, { env: { HEADGATE_TOKEN: secret }, cwd }),
      ]) {
        expect(settings).toThrow(expect.objectContaining({ exitCode: 7 }));
        expect(settings).not.toThrow(/hg_/);
      }
    },
  );

  it('a token file that does not exist and an address that is none are usage errors', () => {
    expect(() => readSettings({ tokenFile: join(cwd, 'none') }, { env: {}, cwd })).toThrow('does not exist');
    expect(() => readSettings({ url: 'ftp://x' }, { env: {}, cwd })).toThrow('--url must be an http or https URL');
    expect(() => readSettings({}, { env: { HEADGATE_URL: 'nonsense' }, cwd })).toThrow('HEADGATE_URL is not a URL');
  });
});
