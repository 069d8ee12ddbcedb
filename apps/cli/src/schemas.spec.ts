import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { Manifest } from '#libs/contracts';
import { manifestSchemas, schemaText } from './schemas.js';

const plan = (exposure: unknown, bake: unknown) => ({
  apiVersion: 'headgate.dev/v1',
  kind: 'Plan',
  metadata: { name: 'cautious' },
  spec: {
    signals: [{ signal: 'errors' }],
    tracks: [{ name: 'api', targets: { platform: 'api' }, stages: [{ exposure, bake }] }],
  },
});

describe('JSON Schemas for editors', () => {
  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(
    manifestSchemas()['manifest.json'] as object,
  );

  it.each([
    ['1%', '30s', true],
    [100, '1.5h', true],
    ['0.25%', '2d', true],
    ['1 percent', '30s', false],
    ['0.001%', '30s', false],
    [20_000, '30s', false],
    ['1%', 'soon', false],
    ['1%', 30, false],
  ])('an editor and the controller agree on a stage of %s for %s', (exposure, bake, valid) => {
    const manifest = plan(exposure, bake);
    expect(validate(manifest)).toBe(valid);
    expect(Manifest.safeParse(manifest).success).toBe(valid);
  });

  it('an editor marks fields that are not known', () => {
    expect(validate({ ...plan('1%', '30s'), colour: 'red' })).toBe(false);
  });

  it.each(Object.entries(manifestSchemas()))('the published %s is the one of this version', (file, schema) => {
    const published = readFileSync(new URL(`../../../docs/reference/schemas/${file}`, import.meta.url), 'utf8');
    expect(published, 'run: npm run headgate -- schemas docs/reference/schemas').toBe(schemaText(schema));
  });
});
