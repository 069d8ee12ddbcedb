import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './config.js';

describe('The ports in the environment', () => {
  it.each(['abc', '', '1.5', '-1', '65536', '1e3'])('are refused when one is "%s", with what it must be', (port) => {
    const load = () => loadConfig({ HEADGATE_PORT: port, HEADGATE_SYNC_PORT: '7071' });
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(/\n {2}HEADGATE_PORT: must be a whole number from 0 to 65535$/);
  });

  it('are taken from 0 to 65535, and have defaults', () => {
    expect(loadConfig({ HEADGATE_PORT: '0', HEADGATE_SYNC_PORT: '65535' })).toMatchObject({
      port: 0,
      syncPort: 65_535,
    });
    expect(loadConfig({})).toMatchObject({ port: 7070, syncPort: 7071 });
  });
});

describe('The witness and the seal key in the environment', () => {
  const secret = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;

  it.each([
    [{ HEADGATE_WITNESS_URL: 'https://witness.example/heads' }, /HEADGATE_WITNESS_SECRET: must be set together/],
    [{ HEADGATE_WITNESS_SECRET: secret }, /HEADGATE_WITNESS_SECRET: must be set together/],
    [{ HEADGATE_WITNESS_URL: 'ftp://x', HEADGATE_WITNESS_SECRET: secret }, /HEADGATE_WITNESS_URL: /],
    [{ HEADGATE_WITNESS_URL: 'https://x', HEADGATE_WITNESS_SECRET: 'short' }, /must be whsec_ and 24 to 64 bytes/],
    [{ HEADGATE_SEAL_KEY: 'a', HEADGATE_SEAL_KEY_FILE: 'b' }, /HEADGATE_SEAL_KEY: must not be set beside/],
  ])('%j is refused, with the variable', (env, message) => {
    expect(() => loadConfig(env)).toThrow(message);
  });

  it('are taken together', () => {
    const webhook = { url: 'https://witness.example/heads', secret };
    const env = {
      HEADGATE_WITNESS_URL: webhook.url,
      HEADGATE_WITNESS_SECRET: secret,
      HEADGATE_SEAL_KEY_FILE: '/keys/a',
    };
    expect(loadConfig(env)).toMatchObject({ webhook, sealKeyFile: '/keys/a', sealKey: undefined });
  });
});
