import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { AppConfigClient } from '@aws-sdk/client-appconfig';
import * as aws from '@aws-sdk/client-appconfig';
import type { AppConfigSettings, ParameterManagerSettings } from '#libs/contracts';
import { appConfigReader, parameterReader, type Reader } from '../fleet/store-readers.js';
import type { readManifests } from './change.js';

/** Of a real second between two polls of AppConfig, which are 15 s at least: the demo plays it in fast motion. */
const POLL_SECOND_MS = 40;
const READY_MS = 30_000;
const REGION = 'eu-central-1';
const TOKEN = 'emulated';

export const BEDROCK = 'bedrock-us';
export const VERTEX = 'vertex-eu';

/** What controller and fleets need of both clouds in their environment; the emulator looks at none of it but that it is there. */
export const ENVIRONMENT = {
  AWS_ACCESS_KEY_ID: 'emulated',
  AWS_SECRET_ACCESS_KEY: 'emulated',
  DEMO_TOKEN: TOKEN,
  // That it will want a newer Node one day is nothing that the demo has to say.
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
};

/** What goes wrong, from the first delivery of the first change on. */
export const SCRIPT = [
  { service: 'appconfig', operation: 'StartDeployment', fault: 'throttled', times: 2 },
  { service: 'appconfig', operation: 'StartDeployment', fault: 'lost-answer', after: 1 },
  { service: 'parameter-manager', operation: 'CreateParameterVersion', fault: 'throttled', times: 2 },
  { service: 'parameter-manager', operation: 'CreateParameterVersion', fault: 'lost-answer', after: 1 },
] as const;

type Manifests = Awaited<ReturnType<typeof readManifests>>;

/** AppConfig and Parameter Manager, emulated, with a place for the rulesets of a target in each. */
export type DemoStores = {
  readonly url: string;
  /** Targets with the drivers that lead there. */
  readonly withDrivers: (manifests: Manifests) => Manifests;
  readonly readerOf: (target: string) => Reader | undefined;
  /** Lets the script begin. */
  readonly play: () => Promise<void>;
  /** Generations that were deployed or written more than once, or that a newer one came before. Empty: no harm was done. */
  readonly disorder: () => Promise<readonly string[]>;
  readonly stop: () => void;
};

/** `headgate emulator` as a process of its own, as somebody would start it who tries this out. */
const startEmulator = async (root: string, logFile: string, pollSecondMs: number) => {
  const main = join(root, 'dist/apps/cli/src/main.js');
  const child = spawn(process.execPath, [main, 'emulator', '--port', '0', '--poll-second', String(pollSecondMs)], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(logFile);
  child.stderr.pipe(log);
  const url = await new Promise<string>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`The emulator did not start; see ${logFile}.`)), READY_MS);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /http:\/\/[\d.:]+/.exec(said)?.[0];
      if (found === undefined) return;
      clearTimeout(late);
      resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`The emulator ended (${code}); see ${logFile}.`)));
  });
  return { url, stop: () => void child.kill('SIGTERM') };
};

const POLLED = { poll: '1s', check: '1s' } as const;
const WATCHED = { poll: 1_000, check: 1_000, onDrift: 'hold' } as const;

const makeAppConfig = async (endpoint: string) => {
  const client = new AppConfigClient({ region: REGION, endpoint });
  const { Id: application = '' } = await client.send(new aws.CreateApplicationCommand({ Name: 'demo' }));
  const inside = { ApplicationId: application };
  const { Id: environment = '' } = await client.send(new aws.CreateEnvironmentCommand({ ...inside, Name: BEDROCK }));
  const { Id: profile = '' } = await client.send(
    new aws.CreateConfigurationProfileCommand({ ...inside, Name: 'ruleset', LocationUri: 'hosted' }),
  );
  const { Id: strategy = '' } = await client.send(
    new aws.CreateDeploymentStrategyCommand({
      Name: 'at-once',
      DeploymentDurationInMinutes: 0,
      GrowthFactor: 100,
      FinalBakeTimeInMinutes: 0,
      ReplicateTo: 'NONE',
    }),
  );
  const labels = async (): Promise<readonly string[]> => {
    const found: string[] = [];
    let NextToken: string | undefined;
    do {
      const page = await client.send(
        new aws.ListDeploymentsCommand({ ...inside, EnvironmentId: environment, NextToken }),
      );
      found.push(...(page.Items ?? []).map(({ VersionLabel = '' }) => VersionLabel));
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
    return found.toReversed();
  };
  return { settings: { region: REGION, application, environment, profile, strategy, endpoint }, labels };
};

const makeParameter = async (endpoint: string) => {
  const settings = {
    project: 'demo-project',
    location: 'global',
    parameter: VERTEX,
    endpoint,
    accessTokenEnv: 'DEMO_TOKEN',
  };
  const parameters = `${endpoint}/v1/projects/${settings.project}/locations/global/parameters`;
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  const made = await fetch(`${parameters}?parameterId=${VERTEX}`, {
    method: 'POST',
    headers,
    body: '{"format":"JSON"}',
  });
  if (!made.ok) throw new Error(`Parameter Manager answered ${made.status}: ${await made.text()}`);
  const names = async (): Promise<readonly string[]> => {
    const answer = await fetch(`${parameters}/${VERTEX}/versions?pageSize=1000`, { headers });
    const { parameterVersions = [] } = (await answer.json()) as { parameterVersions?: readonly { name: string }[] };
    return parameterVersions.map(({ name }) => name.split('/').at(-1) ?? '');
  };
  return { settings, names };
};

/** What comes twice, and what comes after something newer. */
export const disorderOf = (store: string, written: readonly string[]): readonly string[] =>
  written.flatMap((name, index) => {
    const generation = Number(/\d+$/.exec(name)?.[0] ?? Number.NaN);
    const before = Number(/\d+$/.exec(written[index - 1] ?? '')?.[0] ?? -1);
    if (generation > before) return [];
    return [`${store} was given ${name} ${generation === before ? 'twice' : `after ${written[index - 1]}`}`];
  });

/**
 * Starts the emulator and makes what has to be there, by the vendors' own calls. `pollSecondMs`: how long a second
 * between two polls of AppConfig lasts.
 */
export const startStores = async (
  root: string,
  logFile: string,
  pollSecondMs: number = POLL_SECOND_MS,
): Promise<DemoStores> => {
  const { url, stop } = await startEmulator(root, logFile, pollSecondMs);
  try {
    const [appConfig, parameter] = [await makeAppConfig(url), await makeParameter(url)];
    const drivers: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
      [BEDROCK]: { driver: 'aws-appconfig', settings: { ...appConfig.settings, ...POLLED } },
      [VERTEX]: { driver: 'gcp-parameter-manager', settings: { ...parameter.settings, ...POLLED } },
    };
    const readers: Readonly<Record<string, () => Reader>> = {
      [BEDROCK]: () => {
        const settings: AppConfigSettings = { ...appConfig.settings, ...WATCHED };
        return appConfigReader(settings, pollSecondMs);
      },
      [VERTEX]: () => {
        const settings: ParameterManagerSettings = { ...parameter.settings, ...WATCHED };
        return parameterReader(settings, TOKEN);
      },
    };
    return {
      url,
      withDrivers: (manifests) =>
        manifests.map((each) => {
          const { metadata, spec } = each as { readonly metadata: { readonly name: string }; readonly spec: object };
          const driver = each['kind'] === 'Target' ? drivers[metadata.name] : undefined;
          return driver === undefined ? each : ({ ...each, spec: { ...spec, ...driver } } as typeof each);
        }),
      readerOf: (target) => readers[target]?.(),
      play: async () => {
        await fetch(`${url}/emulator/faults`, { method: 'PUT', body: JSON.stringify(SCRIPT) });
      },
      disorder: async () => [
        ...disorderOf('AppConfig', await appConfig.labels()),
        ...disorderOf('Parameter Manager', await parameter.names()),
      ],
      stop,
    };
  } catch (error) {
    stop();
    throw error;
  }
};
