import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { capabilitiesOf, Manifest, readSettings } from '#libs/contracts';
import { FaultScript } from '#libs/emulators';
import { fencesOf } from './markdown.js';

const PAGES = [
  ['docs/how-to/deliver-through-appconfig.md', 'aws-appconfig'],
  ['docs/how-to/deliver-through-parameter-manager.md', 'gcp-parameter-manager'],
  ['docs/how-to/split-a-vertex-endpoint.md', 'vertex-endpoint'],
  ['docs/how-to/deliver-by-webhook.md', 'webhook'],
] as const;

const manifestOf = (page: string): Manifest =>
  Manifest.parse(parse(fencesOf(page).find(({ note }) => note === 'Manifest')?.text ?? ''));

describe('the pages on how to deliver', () => {
  it.each(PAGES)('%s shows a manifest that can be applied, of driver %s', (page, driver) => {
    const shown = manifestOf(page);
    expect(shown).toMatchObject({ kind: 'Target', spec: { driver } });
    const settings = shown.kind === 'Target' ? shown.spec.settings : {};
    expect(capabilitiesOf(readSettings(driver, settings)).worstCaseDelayMs).toBeGreaterThan(0);
  });

  it('allow the controller what its drivers call, and nothing more', () => {
    const [appConfig] = fencesOf(PAGES[0][0]).filter(({ note }) => note === 'AppConfigPolicy');
    const { Statement } = JSON.parse(appConfig?.text ?? '') as { Statement: readonly { Action: readonly string[] }[] };
    expect(Statement.flatMap(({ Action }) => Action).toSorted()).toEqual(
      [
        'CreateHostedConfigurationVersion',
        'GetDeployment',
        'GetHostedConfigurationVersion',
        'ListDeployments',
        'ListHostedConfigurationVersions',
        'StartDeployment',
        'StopDeployment',
      ].map((action) => `appconfig:${action}`),
    );
    for (const [page, note] of [
      [PAGES[1][0], 'ParameterManagerRole'],
      [PAGES[2][0], 'VertexRole'],
    ]) {
      const [role] = fencesOf(page ?? '').filter((fence) => fence.note === note);
      expect(JSON.parse(role?.text ?? '')).toMatchObject({ includedPermissions: expect.any(Array) });
    }
  });

  it('have an emulator whose page shows a script of faults that it plays', () => {
    const [script] = fencesOf('docs/reference/emulator.md').filter(({ note }) => note === 'FaultScript');
    expect(FaultScript.parse(JSON.parse(script?.text ?? ''))).toHaveLength(3);
  });
});
