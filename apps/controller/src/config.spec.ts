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
