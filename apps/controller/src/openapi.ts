import 'reflect-metadata';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { loadConfig } from './config.js';
import { startController } from './controller.js';

const FILE = 'docs/reference/openapi.json';

/** The same document always gives the same bytes, so that a difference in the file is a difference of the API. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
};

const main = async (): Promise<void> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'headgate-openapi-'));
  try {
    const controller = await startController({
      ...loadConfig({ HEADGATE_PORT: '0', HEADGATE_SYNC_PORT: '0', HEADGATE_LOG: 'quiet', HEADGATE_ROLE: 'api' }),
      dataDir,
      adminTokenFile: join(dataDir, 'admin-token'),
    });
    try {
      const file = resolve(FILE);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `${JSON.stringify(sorted(controller.http?.openApi()), undefined, 2)}\n`);
      process.stderr.write(`${FILE} is written.\n`);
    } finally {
      await controller.stop();
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
};

main().catch((error: unknown) => {
  process.stderr.write(`The API could not be described. ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
});
