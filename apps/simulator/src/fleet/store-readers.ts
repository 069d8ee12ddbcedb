import type { AppConfigDataClient } from '@aws-sdk/client-appconfigdata';
import type { AppConfigSettings, ParameterManagerSettings } from '#libs/contracts';

/** The newest ruleset as text; undefined where there is none, or nothing new. Rejects when the store does not answer. */
export type Reader = () => Promise<string | undefined>;

/**
 * Reads as the agent of AppConfig does: one session, one token for each poll, and no poll before its time. `secondMs`:
 * how long a second lasts there.
 */
export const appConfigReader = (settings: AppConfigSettings, secondMs: number): Reader => {
  const options = {
    region: settings.region,
    ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
    maxAttempts: 1,
  };
  let client: AppConfigDataClient | undefined;
  let token: string | undefined;
  let nextAt = 0;
  return async () => {
    if (performance.now() < nextAt) return undefined;
    // Loaded where something is read from there: it is a second of a start.
    const aws = await import('@aws-sdk/client-appconfigdata');
    client ??= new aws.AppConfigDataClient(options);
    token ??= (
      await client.send(
        new aws.StartConfigurationSessionCommand({
          ApplicationIdentifier: settings.application,
          EnvironmentIdentifier: settings.environment,
          ConfigurationProfileIdentifier: settings.profile,
          RequiredMinimumPollIntervalInSeconds: 15,
        }),
      )
    ).InitialConfigurationToken;
    const answer = await client.send(new aws.GetLatestConfigurationCommand({ ConfigurationToken: token }));
    token = answer.NextPollConfigurationToken;
    nextAt = performance.now() + 16 * secondMs;
    const text = Buffer.from(answer.Configuration ?? new Uint8Array()).toString('utf8');
    return text === '' ? undefined : text;
  };
};

/** Reads the highest version of Headgate's that is enabled. */
export const parameterReader = (settings: ParameterManagerSettings, token: string): Reader => {
  const { endpoint = '', project, location, parameter } = settings;
  const versions = `${endpoint}/v1/projects/${project}/locations/${location}/parameters/${parameter}/versions`;
  const get = async (url: string): Promise<Readonly<Record<string, unknown>>> => {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    if (!answer.ok) throw new Error(`Parameter Manager answered ${answer.status}.`);
    return (await answer.json()) as Readonly<Record<string, unknown>>;
  };
  let held = '';
  return async () => {
    const { parameterVersions = [] } = (await get(`${versions}?pageSize=1000`)) as {
      readonly parameterVersions?: readonly { readonly name: string; readonly disabled?: boolean }[];
    };
    const newest = parameterVersions
      .filter(({ name, disabled }) => disabled !== true && /\/headgate-\d{16}$/.test(name))
      .map(({ name }) => name.split('/').at(-1) ?? '')
      .toSorted()
      .at(-1);
    if (newest === undefined || newest === held) return undefined;
    const { renderedPayload } = await get(`${versions}/${newest}:render`);
    held = newest;
    return Buffer.from(String(renderedPayload), 'base64').toString('utf8');
  };
};
