import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import {
  ConfigManifest,
  Duration,
  Manifest,
  PlanManifest,
  Share,
  SignalManifest,
  SourceManifest,
  TargetManifest,
} from '#libs/contracts';
import { messageOf, usageError } from './errors.js';

const KINDS = {
  config: ConfigManifest,
  signal: SignalManifest,
  target: TargetManifest,
  plan: PlanManifest,
  source: SourceManifest,
} as const;

/** What a transform checks cannot be seen in its input type; editors shall know it nevertheless. */
const HINTS = new Map<unknown, Readonly<Record<string, unknown>>>([
  [
    Duration,
    { type: 'string', pattern: '^\\s*\\d+(\\.\\d+)?(ms|s|m|h|d)\\s*$', examples: ['30s', '5m', '1.5h', '2d'] },
  ],
  [
    Share,
    {
      description: 'A share of traffic: 0% to 100% in steps of 0.01%, or basis points.',
      anyOf: [
        { type: 'string', pattern: '^\\s*\\d+(\\.\\d{1,2}0*)?%\\s*$', examples: ['1%', '0.5%', '100%'] },
        { type: 'integer', minimum: 0, maximum: 10_000 },
      ],
    },
  ],
]);

const toSchema = (schema: z.ZodType, title: string): unknown => ({
  title,
  ...z.toJSONSchema(schema, {
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      const hint = HINTS.get(zodSchema);
      if (hint) Object.assign(jsonSchema, hint);
    },
  }),
});

/** File name → JSON Schema (2020-12): one for each kind, and `manifest.json` for any. */
export const manifestSchemas = (): Readonly<Record<string, unknown>> => ({
  'manifest.json': toSchema(Manifest, 'Headgate manifest (headgate.dev/v1)'),
  ...Object.fromEntries(
    Object.entries(KINDS).map(([name, schema]) => [
      `${name}.json`,
      toSchema(schema, `Headgate ${name} (headgate.dev/v1)`),
    ]),
  ),
});

/** The text of a schema file. */
export const schemaText = (schema: unknown): string => `${JSON.stringify(schema, null, 2)}\n`;

/** Writes the schemas into a folder, which is made if it is not there; gives the paths. Throws a usage error if it cannot. */
export const publishSchemas = (folder: string, cwd: string): readonly string[] => {
  const full = join(folder.startsWith('/') ? '' : cwd, folder);
  try {
    mkdirSync(full, { recursive: true });
    return Object.entries(manifestSchemas()).map(([file, schema]) => {
      writeFileSync(join(full, file), schemaText(schema));
      return join(folder, file);
    });
  } catch (error) {
    throw usageError(`schemas cannot be written to ${folder}: ${messageOf(error)}`);
  }
};
