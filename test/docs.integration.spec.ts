import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCli } from '../apps/cli/src/program.js';
import { scriptedTerminal } from '../apps/cli/src/testing/scripted-terminal.js';
import { loadConfig } from '../apps/controller/src/config.js';
import { startController, type RunningController } from '../apps/controller/src/controller.js';
import { loadScenario, startSimulator, type Simulator } from '../apps/simulator/src/simulator.js';
import { documents, fencesOf, readText } from './docs/markdown.js';
import { commandsOf, curlOf, type ShellCommand } from './docs/shell.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

/** In this order, as each goes on from what the one before has made. */
const ORDER = [
  'README.md',
  'docs/how-to/run-a-controller.md',
  'docs/how-to/connect-a-fleet.md',
  'docs/how-to/send-metrics.md',
  'docs/how-to/write-a-plan.md',
  'docs/how-to/use-prometheus.md',
  'docs/how-to/outage.md',
  'docs/how-to/audit.md',
  'docs/how-to/verify-the-log.md',
  'docs/how-to/hand-over-evidence.md',
  'docs/how-to/send-events.md',
];

let database: TestDatabase;
let controller: RunningController;
let fleets: Simulator | undefined;
let folder: string;
let variables: Record<string, string>;

const headgate = async (...words: readonly string[]): Promise<{ status: number; out: string; err: string }> => {
  const terminal = { ...scriptedTerminal({ env: variables, cwd: process.cwd() }), now: Date.now };
  const status = await runCli(words, terminal);
  return { status, out: terminal.stdout(), err: terminal.stderr() };
};

beforeAll(async () => {
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'headgate-docs-'));
  const tokenFile = join(folder, 'admin-token');
  controller = await startController(
    loadConfig({
      DATABASE_URL: database.url,
      HEADGATE_DATA_DIR: folder,
      HEADGATE_ADMIN_TOKEN_FILE: tokenFile,
      HEADGATE_PORT: '0',
      HEADGATE_SYNC_PORT: '0',
      HEADGATE_LOG: 'quiet',
    }),
  );
  variables = { HEADGATE_URL: controller.url, HEADGATE_TOKEN: readText(tokenFile).trim(), DATABASE_URL: database.url };
  variables['AUDIT'] = folder;
  const service = await headgate('token', 'create', 'documents', '--role', 'service');
  variables['SERVICE_TOKEN'] = service.out.trim();
});

afterAll(async () => {
  await fleets?.stop();
  await controller.stop();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** Which schema the body is said to have that a command reads from a file. */
const BODIES: Readonly<Record<string, string>> = {
  '@outcomes.json': 'OutcomeBatch',
  '@metrics.json': 'ExportMetricsServiceRequest',
};

/** The body that a block of the document shows under the name of its schema. */
const shownBody = (file: string, body: string): string =>
  fencesOf(file).find(({ note }) => note === BODIES[body])?.text ?? '';

const send = async (command: ShellCommand, file: string): Promise<string | undefined> => {
  const { method, url, headers, body } = curlOf(command);
  const content = body?.startsWith('@') === true ? shownBody(file, body) : body;
  const answer = await fetch(url, { method, headers, ...(content === undefined ? {} : { body: content }) });
  const text = await answer.text();
  if (!answer.ok) return `answered ${answer.status}: ${text}`;
  const refused =
    (url.endsWith('/v1/outcomes') && !text.includes('"rejected":[]')) || (url.endsWith('/v1/metrics') && text !== '{}');
  return refused ? `refused items: ${text}` : undefined;
};

/** The simulator, in this process; done when the controller has seen traffic on all targets, as the reader waits for it. */
const startFleets = async (scenario: string): Promise<undefined> => {
  fleets = await startSimulator({
    scenario: await loadScenario(scenario),
    url: controller.url,
    syncPort: controller.syncPort,
    token: variables['SERVICE_TOKEN'] ?? '',
    dataDir: join(folder, 'fleets'),
    log: () => undefined,
  });
  await vi.waitFor(
    async () => {
      const { out } = await headgate('plan', 'router.context', '--plan', 'quick', '-o', 'json');
      const { traffic } = JSON.parse(out) as { traffic: { perTarget: Readonly<Record<string, number>> } };
      expect(Object.keys(traffic.perTarget).toSorted()).toEqual(['api-us-gpu', 'bedrock-us']);
    },
    { timeout: 30_000, interval: 200 },
  );
};

/** Runs one command as its reader would; what went wrong, if anything did. */
const execute = async (command: ShellCommand, file: string): Promise<string | undefined> => {
  const [program, ...rest] = command.words;
  if (program === 'curl') return send(command, file);
  if (program === 'node') return startFleets(rest[1] ?? '');
  const mark = rest.indexOf('--');
  if (program !== 'npm' || mark < 0) return 'this command cannot be executed here: take "run" away from its block';
  const { status, err } = await headgate(...rest.slice(mark + 1));
  return status === 0 ? undefined : `ended with ${status}: ${err}`;
};

describe('the documents, taken at their word', () => {
  it('have all runnable blocks executed here', () => {
    const runnable = documents().filter((file) => fencesOf(file).some(({ note }) => note === 'run'));
    expect(runnable.toSorted()).toEqual(ORDER.toSorted());
  });

  it('lead a new user from an empty controller through a rollout, a fleet and a rollback', async () => {
    const failures: string[] = [];
    for (const file of ORDER) {
      if (file === 'docs/how-to/outage.md') await startAnew();
      for (const block of fencesOf(file).filter(({ note }) => note === 'run')) {
        for (const command of commandsOf(block.text, variables)) {
          const failure = await execute(command, file);
          if (failure !== undefined) failures.push(`${file}:${block.line}: ${command.text}\n  ${failure}`);
        }
      }
    }
    expect(failures).toEqual([]);
  });
});

/** The document is about a rollout that runs; the one before was taken back, which has to have ended. */
const startAnew = (): Promise<void> =>
  vi.waitFor(
    async () => {
      const ending = await headgate('status', '--status', 'rolling-back', '-o', 'name');
      expect(ending).toMatchObject({ status: 0, out: '' });
      const why = ['--reason', 'a document is about it', '--veto-reason', 'it was taken back for the document only'];
      const { status, err } = await headgate('start', 'router.context', '--plan', 'quick', ...why);
      expect(status, err).toBe(0);
    },
    { timeout: 30_000, interval: 200 },
  );
