import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { findController } from './find-controller.js';
import { loadScenario, startSimulator, type Simulator, type SimulatorStats } from './simulator.js';

const HELP = `Usage: node dist/apps/simulator/src/main.js SCENARIO.yaml [options]

Runs the fleets of a scenario against a controller until Ctrl-C, and prints what really happened as JSON.

  --url URL            controller (HEADGATE_URL, then controller.json of HEADGATE_DATA_DIR or .headgate,
                       then http://127.0.0.1:7070)
  --sync-port PORT     its port for flagd sync (HEADGATE_SYNC_PORT, then controller.json, then 7071)
  --token TOKEN        with the role service; better in HEADGATE_TOKEN, since arguments can be seen
  --data-dir DIR       key and last rulesets of the fleets (default .headgate/simulator)
  --for SECONDS        stop by itself
  --ground-truth FILE  write the JSON there and not to stdout
`;

type Settings = {
  readonly scenario: string;
  readonly url: string;
  readonly syncPort: number;
  readonly token: string;
  readonly dataDir: string;
  readonly seconds: number;
  readonly truthFile: string | undefined;
};

const EXIT_USAGE = 2;
const REPORT_MS = 5_000;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const text = { type: 'string' } as const;

const readSettings = (argv: readonly string[], env: NodeJS.ProcessEnv): Settings => {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { url: text, 'sync-port': text, token: text, 'data-dir': text, for: text, 'ground-truth': text },
  });
  const [scenario] = positionals;
  if (scenario === undefined || positionals.length > 1) throw new Error('Name exactly one scenario file.');
  const token = (values.token ?? env['HEADGATE_TOKEN'])?.trim() || undefined;
  if (token === undefined || !/^[\u0021-\u007e]+$/.test(token))
    throw new Error('There is no token: put one, on one line and with the role service into HEADGATE_TOKEN.');
  const { url, syncPort } = findController(
    { url: values.url ?? env['HEADGATE_URL'], syncPort: values['sync-port'] ?? env['HEADGATE_SYNC_PORT'] },
    env['HEADGATE_DATA_DIR'] || '.headgate',
  );
  const seconds = Number(values.for ?? Number.POSITIVE_INFINITY);
  if (!(seconds > 0)) throw new Error('--for: give a number of seconds above 0.');
  const dataDir = values['data-dir'] ?? '.headgate/simulator';
  return { scenario, url, syncPort, token, dataDir, seconds, truthFile: values['ground-truth'] };
};

const report = (stats: SimulatorStats, badOfFaults: number): string => {
  const { batches, connected } = stats;
  const cpu = Math.round((stats.cpuSeconds / Math.max(stats.seconds, 0.001)) * 100);
  const generations = Object.entries(stats.generations).map(
    ([target, [low, high]]) => `${target} ${low === high ? low : `${low}..${high}`}`,
  );
  return [
    `${stats.seconds.toFixed(0)}s`,
    `${Math.round(stats.requestsPerSecond).toLocaleString('en-US')} requests/s`,
    `${cpu}% of a core`,
    `${batches.sent} batches (${batches.waiting} waiting, ${batches.dropped} dropped, ${batches.refused} refused)`,
    `${connected} of ${stats.instances} instances connected`,
    `${badOfFaults} bad answers of faults`,
    `generations: ${generations.join(', ')}`,
    ...(batches.lastProblem === null ? [] : [`last problem: ${batches.lastProblem}`]),
  ].join(' · ');
};

const untilTold = (seconds: number): Promise<void> =>
  new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
    if (Number.isFinite(seconds)) setTimeout(resolve, seconds * 1_000);
  });

const run = async (settings: Settings): Promise<void> => {
  const scenario = await loadScenario(settings.scenario);
  const { url, syncPort, token, dataDir } = settings;
  const simulator: Simulator = await startSimulator({ scenario, url, syncPort, token, dataDir, log: say });
  const tell = (): void => say(report(simulator.stats(), simulator.groundTruth().totals.badOfFaults));
  const timer = setInterval(tell, REPORT_MS);
  await untilTold(settings.seconds);
  clearInterval(timer);
  await simulator.stop();
  tell();
  const json = `${JSON.stringify(simulator.groundTruth(), undefined, 2)}\n`;
  if (settings.truthFile === undefined) process.stdout.write(json);
  else await writeFile(settings.truthFile, json);
};

const main = async (): Promise<void> => {
  if (process.argv.includes('--help')) {
    process.stdout.write(HELP);
    return;
  }
  try {
    await run(readSettings(process.argv.slice(2), process.env));
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exitCode = EXIT_USAGE;
  }
  // The flagd provider goes on trying to connect after it was closed, which would keep the process alive.
  process.exit();
};

await main();
