import { readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { eventVersions } from '#libs/domain';
import type { JsonObject } from '#libs/kernel';
import { EXAMPLES } from './examples.js';

/**
 * Writes the golden file of each event version that has none. A golden file is what released builds have written into
 * logs that still exist, so one that is there is never written again: a changed event needs a new version.
 *
 * `npm run build && node dist/test/compatibility/write-goldens.js`
 */
const folder = resolve('test/compatibility/events');

const golden = (type: string, version: number, data: JsonObject): JsonObject => ({
  eventId: '01981a2b-7c00-7000-8000-0000000000ff',
  type,
  schemaVersion: version,
  streamId: 'golden-1',
  streamVersion: 1,
  position: 1_204,
  recordedAt: '2026-01-05T12:00:00.000Z',
  data,
  metadata: {
    actor: { kind: 'person', name: 'ada' },
    reason: 'A golden event',
    commandId: '01981a2b-7c00-7000-8000-0000000000fe',
    correlationId: '01981a2b-7c00-7000-8000-0000000000fe',
    occurredAt: '2026-01-05T12:00:00.000Z',
    precision: 'instant',
  },
});

const present = new Set(await readdir(folder));
for (const [type, version] of Object.entries(eventVersions)) {
  const name = `${type}.v${version}.json`;
  if (present.has(name)) continue;
  const data: JsonObject | undefined = (EXAMPLES as Readonly<Record<string, JsonObject>>)[type];
  if (data === undefined) throw new Error(`Event ${type} has no example: add one to test/compatibility/examples.ts.`);
  await writeFile(join(folder, name), `${JSON.stringify(golden(type, version, data), null, 2)}\n`, { flag: 'wx' });
  process.stdout.write(`written: ${name}\n`);
}
