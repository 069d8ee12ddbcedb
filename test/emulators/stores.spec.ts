import {
  AppConfigClient,
  CreateApplicationCommand,
  CreateConfigurationProfileCommand,
  CreateDeploymentStrategyCommand,
  CreateEnvironmentCommand,
  CreateHostedConfigurationVersionCommand,
  GetDeploymentCommand,
  GetHostedConfigurationVersionCommand,
  ListDeploymentsCommand,
  StartDeploymentCommand,
  StopDeploymentCommand,
} from '@aws-sdk/client-appconfig';
import {
  AppConfigDataClient,
  GetLatestConfigurationCommand,
  StartConfigurationSessionCommand,
} from '@aws-sdk/client-appconfigdata';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StoreEmulator } from '#libs/emulators';

const HOUR_MS = 3_600_000;
const credentials = { accessKeyId: 'emulated', secretAccessKey: 'emulated' };

let emulator: StoreEmulator;
let passed: number;
beforeEach(async () => {
  passed = 0;
  emulator = await StoreEmulator.start({ now: () => Date.now() + passed });
});
afterEach(() => emulator.close());

/** The clock that signs goes with the emulator's. */
const clientOf = () =>
  new AppConfigClient({
    region: 'eu-central-1',
    endpoint: emulator.url,
    credentials,
    maxAttempts: 1,
    systemClockOffset: passed,
  });

/** An application with one environment, one profile with one version, and a strategy at once. */
const furnished = async () => {
  const client = clientOf();
  const { Id: ApplicationId } = await client.send(new CreateApplicationCommand({ Name: 'fleet' }));
  const { Id: EnvironmentId } = await client.send(new CreateEnvironmentCommand({ ApplicationId, Name: 'eu' }));
  const { Id: ConfigurationProfileId } = await client.send(
    new CreateConfigurationProfileCommand({ ApplicationId, Name: 'ruleset', LocationUri: 'hosted' }),
  );
  const { Id: DeploymentStrategyId } = await client.send(
    new CreateDeploymentStrategyCommand({
      Name: 'at once',
      DeploymentDurationInMinutes: 0,
      GrowthFactor: 100,
      ReplicateTo: 'NONE',
    }),
  );
  const where = { ApplicationId, EnvironmentId };
  const version = (text: string, LatestVersionNumber?: number) =>
    clientOf().send(
      new CreateHostedConfigurationVersionCommand({
        ApplicationId,
        ConfigurationProfileId,
        Content: Buffer.from(text),
        ContentType: 'application/json',
        ...(LatestVersionNumber === undefined ? {} : { LatestVersionNumber }),
      }),
    );
  const start = (ConfigurationVersion: string, LatestDeploymentNumber?: number) =>
    clientOf().send(
      new StartDeploymentCommand({
        ...where,
        ConfigurationProfileId,
        DeploymentStrategyId,
        ConfigurationVersion,
        ...(LatestDeploymentNumber === undefined ? {} : { LatestDeploymentNumber }),
      }),
    );
  const stop = (DeploymentNumber: number, AllowRevert = false) =>
    clientOf().send(new StopDeploymentCommand({ ...where, DeploymentNumber, AllowRevert }));
  const stateOf = async (DeploymentNumber: number) =>
    (await clientOf().send(new GetDeploymentCommand({ ...where, DeploymentNumber }))).State;
  await version('{"n":1}');
  return { client, where, ConfigurationProfileId, version, start, stop, stateOf };
};

describe('AppConfig, emulated, with the client of AWS', () => {
  it('gives back the bytes of a version, with its number', async () => {
    const { client, where, ConfigurationProfileId } = await furnished();
    const { ApplicationId } = where;
    const read = await client.send(
      new GetHostedConfigurationVersionCommand({ ApplicationId, ConfigurationProfileId, VersionNumber: 1 }),
    );
    expect([read.VersionNumber, Buffer.from(read.Content ?? []).toString()]).toEqual([1, '{"n":1}']);
  });

  it('compares and sets the newest version, and the newest deployment', async () => {
    const { version, start } = await furnished();
    await version('{"n":2}', 1);
    await expect(version('{"n":3}', 1)).rejects.toMatchObject({ name: 'ConflictException' });
    await start('1');
    await expect(start('2', 0)).rejects.toMatchObject({ name: 'ConflictException' });
    await expect(start('2', 1)).resolves.toMatchObject({ DeploymentNumber: 2 });
  });

  it('runs one deployment at a time in an environment', async () => {
    const { start, stateOf } = await furnished();
    emulator.takesMs = HOUR_MS;
    await start('1');
    await expect(start('1')).rejects.toMatchObject({ name: 'ConflictException' });
    passed += HOUR_MS;
    expect(await stateOf(1)).toBe('COMPLETE');
    await expect(start('1')).resolves.toMatchObject({ DeploymentNumber: 2 });
  });

  it('bakes for as long as the strategy says', async () => {
    const { client, where, ConfigurationProfileId, stateOf } = await furnished();
    const DeploymentStrategyId = 'AppConfig.AllAtOnce';
    await client.send(
      new StartDeploymentCommand({ ...where, ConfigurationProfileId, DeploymentStrategyId, ConfigurationVersion: '1' }),
    );
    expect(await stateOf(1)).toBe('BAKING');
    passed += HOUR_MS / 6;
    expect(await stateOf(1)).toBe('COMPLETE');
  });

  it('rolls back what runs, and reverts what is complete within 72 hours if that is allowed', async () => {
    const { start, stop, stateOf } = await furnished();
    emulator.takesMs = HOUR_MS;
    await start('1');
    await stop(1);
    expect(await stateOf(1)).toBe('ROLLING_BACK');
    passed += HOUR_MS;
    expect(await stateOf(1)).toBe('ROLLED_BACK');
    emulator.takesMs = 0;
    await start('1');
    await expect(stop(2)).rejects.toMatchObject({ name: 'BadRequestException' });
    await stop(2, true);
    expect(await stateOf(2)).toBe('REVERTED');
    await start('1');
    passed += 73 * HOUR_MS;
    await expect(stop(3, true)).rejects.toMatchObject({ name: 'BadRequestException' });
  });

  it('lists deployments from the newest on', async () => {
    const { client, where, start } = await furnished();
    for (const _ of [1, 2, 3]) await start('1');
    const { Items = [] } = await client.send(new ListDeploymentsCommand(where));
    expect(Items.map(({ DeploymentNumber }) => DeploymentNumber)).toEqual([3, 2, 1]);
  });

  it('has a quota of 20 environments for each application, and of 2 MB for each version', async () => {
    const { client, where, version } = await furnished();
    const { ApplicationId } = where;
    const create = (Name: string) => client.send(new CreateEnvironmentCommand({ ApplicationId, Name }));
    for (let count = 1; count < 20; count += 1) await create(`e${count}`);
    await expect(create('one more')).rejects.toMatchObject({ name: 'ServiceQuotaExceededException' });
    await expect(version('x'.repeat(2 * 1024 * 1024 + 1))).rejects.toMatchObject({ name: 'PayloadTooLargeException' });
  });

  it('refuses a signature of long ago', async () => {
    const client = clientOf();
    passed += HOUR_MS;
    await expect(client.send(new CreateApplicationCommand({ Name: 'late' }))).rejects.toMatchObject({
      name: 'InvalidSignatureException',
    });
  });
});

describe('AppConfig Data, emulated, with the client of AWS', () => {
  const session = async () => {
    const { where, ConfigurationProfileId, start, version } = await furnished();
    await start('1');
    const options = { region: 'eu-central-1', endpoint: emulator.url, credentials, maxAttempts: 1 };
    const client = () => new AppConfigDataClient({ ...options, systemClockOffset: passed });
    const { InitialConfigurationToken } = await client().send(
      new StartConfigurationSessionCommand({
        ApplicationIdentifier: where.ApplicationId,
        EnvironmentIdentifier: where.EnvironmentId,
        ConfigurationProfileIdentifier: ConfigurationProfileId,
        RequiredMinimumPollIntervalInSeconds: 15,
      }),
    );
    const read = async (ConfigurationToken: string | undefined) => {
      const answer = await client().send(new GetLatestConfigurationCommand({ ConfigurationToken }));
      return {
        text: Buffer.from(answer.Configuration ?? []).toString(),
        next: answer.NextPollConfigurationToken,
      };
    };
    return { first: InitialConfigurationToken, read, start, version };
  };

  it('gives the configuration once, then nothing until there is a newer one', async () => {
    const { first, read, start, version } = await session();
    const one = await read(first);
    passed += 60_000;
    const two = await read(one.next);
    await version('{"n":2}');
    await start('2');
    passed += 60_000;
    const three = await read(two.next);
    expect([one.text, two.text, three.text]).toEqual(['{"n":1}', '', '{"n":2}']);
  });

  it('takes each token once, for 24 hours, and no poll before its time', async () => {
    const { first, read } = await session();
    const { next } = await read(first);
    await expect(read(first)).rejects.toMatchObject({ name: 'BadRequestException' });
    await expect(read(next)).rejects.toMatchObject({ message: expect.stringContaining('within 15 s') });
    passed += 25 * HOUR_MS;
    await expect(read(next)).rejects.toMatchObject({ message: expect.stringContaining('expired') });
  });
});

const google = async (method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) => {
  const answer = await fetch(`${emulator.url}/v1/projects/p-1/locations/${path}`, {
    method,
    headers: { authorization: 'Bearer token', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const read = (await answer.json()) as { readonly error?: { readonly status: string } };
  return { status: answer.status, error: read.error?.status, read };
};

describe('Parameter Manager, emulated', () => {
  const VERSIONS = 'global/parameters/p/versions';
  const payload = (text: string) => ({ payload: { data: Buffer.from(text).toString('base64') } });
  beforeEach(() => void emulator.parameterManager.createParameter('p-1', 'global', 'p'));

  it('takes each version id once; a request that is sent again under its id is the same request', async () => {
    const create = `${VERSIONS}?parameterVersionId=v1&requestId=0b4ac4f5-0000-4000-8000-000000000001`;
    expect((await google('POST', create, payload('{}'))).status).toBe(200);
    expect((await google('POST', create, payload('{}'))).status).toBe(200);
    expect(await google('POST', `${VERSIONS}?parameterVersionId=v1`, payload('{}'))).toMatchObject({
      status: 409,
      error: 'ALREADY_EXISTS',
    });
  });

  it('renders no version that is disabled, and changes no payload', async () => {
    await google('POST', `${VERSIONS}?parameterVersionId=v1`, payload('{}'));
    expect((await google('PATCH', `${VERSIONS}/v1?updateMask=payload`, payload('{"a":1}'))).error).toBe(
      'INVALID_ARGUMENT',
    );
    await google('PATCH', `${VERSIONS}/v1?updateMask=disabled`, { disabled: true });
    expect((await google('GET', `${VERSIONS}/v1:render`)).error).toBe('FAILED_PRECONDITION');
  });

  it('refuses what is no JSON, where the parameter says JSON, and what is above 1 MiB', async () => {
    expect((await google('POST', `${VERSIONS}?parameterVersionId=v1`, payload('{'))).error).toBe('INVALID_ARGUMENT');
    const large = payload(JSON.stringify('x'.repeat(1024 * 1024)));
    expect((await google('POST', `${VERSIONS}?parameterVersionId=v1`, large)).error).toBe('INVALID_ARGUMENT');
  });

  it('takes 1,200 requests of a project within a minute', async () => {
    const list = () => google('GET', VERSIONS);
    for (let batch = 0; batch < 12; batch += 1) await Promise.all(Array.from({ length: 100 }, list));
    expect(await list()).toMatchObject({ status: 429, error: 'RESOURCE_EXHAUSTED' });
    passed += 60_000;
    expect((await list()).status).toBe(200);
  });

  it('refuses whoever shows no token', async () => {
    expect((await google('GET', VERSIONS, undefined, { authorization: '' })).error).toBe('UNAUTHENTICATED');
  });
});

describe('Vertex endpoints, emulated', () => {
  const PLACE = 'europe-west1';
  let path: string;
  beforeEach(() => {
    path = `${PLACE}/endpoints/${emulator.vertex.createEndpoint('p-1', PLACE, 'e', ['11', '22'])}`;
  });
  const split = (trafficSplit: object, etag?: string) =>
    google('PATCH', `${path}?updateMask=trafficSplit`, { trafficSplit, ...(etag === undefined ? {} : { etag }) });

  it('refuses an etag of before, and overwrites whatever there is without one', async () => {
    const { etag } = (await google('GET', path)).read as { readonly etag?: string };
    expect((await split({ 11: 90, 22: 10 }, etag)).status).toBe(200);
    expect((await split({ 11: 50, 22: 50 }, etag)).error).toBe('ABORTED');
    expect((await split({ 11: 100 })).status).toBe(200);
  });

  it.each([
    ['shares that do not add up to 100', { 11: 90, 22: 9 }],
    ['shares that are no whole percents', { 11: 99.5, 22: 0.5 }],
    ['models that are not deployed', { 11: 50, 33: 50 }],
  ])('refuses %s', async (_, trafficSplit) => {
    expect((await split(trafficSplit)).error).toBe('INVALID_ARGUMENT');
  });

  it('deploys a model in an operation that takes its time', async () => {
    emulator.takesMs = HOUR_MS;
    const deploy = await google('POST', `${path}:deployModel`, {
      deployedModel: { id: '33' },
      trafficSplit: { 0: 10, 11: 90 },
    });
    const { name = '' } = deploy.read as { readonly name?: string };
    const operation = () => google('GET', name.replace(/^.*locations\//, ''));
    expect((await operation()).read).toMatchObject({ done: false });
    passed += HOUR_MS;
    expect((await operation()).read).toMatchObject({ done: true });
    expect((await google('GET', path)).read).toMatchObject({ trafficSplit: { 33: 10, 11: 90 } });
  });
});

describe('the script of faults', () => {
  it('goes wrong as it says, and then all is well', async () => {
    emulator.parameterManager.createParameter('p-1', 'global', 'p');
    const put = (steps: unknown) =>
      fetch(`${emulator.url}/emulator/faults`, { method: 'PUT', body: JSON.stringify(steps) });
    await put([{ service: 'parameter-manager', fault: 'throttled', times: 2, after: 1 }]);
    const list = () => google('GET', 'global/parameters/p/versions');
    const statuses = [await list(), await list(), await list(), await list()].map(({ status }) => status);
    expect(statuses).toEqual([200, 429, 429, 200]);
    expect((await put([{ service: 'elsewhere', fault: 'throttled' }])).status).toBe(400);
  });
});
