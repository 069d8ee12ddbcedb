import { mustBeSigned } from '../signature.js';
import {
  json,
  parametersOf,
  Refusal,
  route,
  routed,
  type EmulatedStore,
  type Failure,
  type StoreAnswer,
  type StoreRequest,
} from '../wire.js';
import { ConfigurationSessions } from './sessions.js';
import { AppConfigState, type Deployment, type Version } from './state.js';

const APP = '/applications/{application}';
const ENVIRONMENT = `${APP}/environments/{environment}`;
const VERSIONS = `${APP}/configurationprofiles/{profile}/hostedconfigurationversions`;

const ROUTES = [
  route('POST', '/applications', 'CreateApplication'),
  route('POST', `${APP}/environments`, 'CreateEnvironment'),
  route('POST', `${APP}/configurationprofiles`, 'CreateConfigurationProfile'),
  route('POST', '/deploymentstrategies', 'CreateDeploymentStrategy'),
  route('POST', VERSIONS, 'CreateHostedConfigurationVersion'),
  route('GET', VERSIONS, 'ListHostedConfigurationVersions'),
  route('GET', `${VERSIONS}/{version}`, 'GetHostedConfigurationVersion'),
  route('POST', `${ENVIRONMENT}/deployments`, 'StartDeployment'),
  route('GET', `${ENVIRONMENT}/deployments`, 'ListDeployments'),
  route('GET', `${ENVIRONMENT}/deployments/{deployment}`, 'GetDeployment'),
  route('DELETE', `${ENVIRONMENT}/deployments/{deployment}`, 'StopDeployment'),
  route('POST', '/configurationsessions', 'StartConfigurationSession'),
  route('GET', '/configuration', 'GetLatestConfiguration'),
];

const STATUS: Readonly<Record<string, number>> = {
  ResourceNotFoundException: 404,
  ConflictException: 409,
  ServiceQuotaExceededException: 402,
  PayloadTooLargeException: 413,
  ThrottlingException: 429,
  InternalServerException: 500,
  ServiceUnavailableException: 503,
  AccessDeniedException: 403,
  ExpiredTokenException: 403,
  InvalidSignatureException: 403,
  MissingAuthenticationTokenException: 403,
};

const refused = (code: string, message: string): StoreAnswer =>
  json(STATUS[code] ?? 400, { Message: message }, { 'x-amzn-errortype': code });

type Body = Readonly<Record<string, unknown>>;

const bodyOf = (body: string): Body => {
  try {
    return (body === '' ? {} : JSON.parse(body)) as Body;
  } catch {
    throw new Refusal('BadRequestException', 'The body is no JSON.');
  }
};

const textOf = (body: Body, field: string): string => {
  const value = body[field];
  if (typeof value !== 'string' || value === '') throw new Refusal('BadRequestException', `${field} is missing.`);
  return value;
};

const numberOf = (value: unknown): number | undefined => (value === undefined ? undefined : Number(value));

type Named = Readonly<Record<string, string>>;
type Handler = (parameters: Named, request: StoreRequest) => StoreAnswer;

/** Newest first, in pages. */
const paged = <T>(items: readonly T[], { url }: StoreRequest, show: (item: T) => unknown): StoreAnswer => {
  const size = Math.min(50, Number(url.searchParams.get('max_results') ?? 50));
  const from = Number(url.searchParams.get('next_token') ?? 0);
  const next = from + size < items.length ? { NextToken: String(from + size) } : {};
  return json(200, {
    Items: items
      .toReversed()
      .slice(from, from + size)
      .map(show),
    ...next,
  });
};

/** AWS AppConfig and AppConfig Data, as the vendor's own clients speak them. */
export class AppConfig implements EmulatedStore {
  readonly state: AppConfigState;
  readonly #sessions: ConfigurationSessions;

  constructor(
    private readonly now: () => number,
    deployMs: () => number,
    secondMs: () => number,
  ) {
    this.state = new AppConfigState(now, deployMs);
    this.#sessions = new ConfigurationSessions(this.state, now, secondMs);
  }

  operationOf(request: StoreRequest): string | undefined {
    return routed(ROUTES, request);
  }

  fail(fault: Failure): StoreAnswer {
    return refused(...FAILURES[fault]);
  }

  answer(request: StoreRequest, operation: string): StoreAnswer {
    try {
      mustBeSigned(request, 'appconfig', this.now());
      const handler = this.#handlers[operation];
      if (!handler) return refused('BadRequestException', `${operation} is not emulated.`);
      return handler(parametersOf(ROUTES, operation, request), request);
    } catch (error) {
      if (error instanceof Refusal) return refused(error.code, error.message);
      throw error;
    }
  }

  readonly #handlers: Readonly<Record<string, Handler>> = {
    CreateApplication: (_, { body }) => {
      const { id, name } = this.state.createApplication(textOf(bodyOf(body), 'Name'));
      return json(201, { Id: id, Name: name });
    },
    CreateEnvironment: ({ application = '' }, { body }) => {
      const { id, name } = this.state.createEnvironment(application, textOf(bodyOf(body), 'Name'));
      return json(201, { ApplicationId: application, Id: id, Name: name, State: 'READY_FOR_DEPLOYMENT' });
    },
    CreateConfigurationProfile: ({ application = '' }, { body }) => {
      const given = bodyOf(body);
      if (textOf(given, 'LocationUri') !== 'hosted')
        throw new Refusal('BadRequestException', 'Only hosted configurations are emulated.');
      const { id, name } = this.state.createProfile(application, textOf(given, 'Name'));
      return json(201, { ApplicationId: application, Id: id, Name: name, LocationUri: 'hosted' });
    },
    CreateDeploymentStrategy: (_, { body }) => {
      const given = bodyOf(body);
      const strategy = {
        Name: textOf(given, 'Name'),
        DeploymentDurationInMinutes: Number(given['DeploymentDurationInMinutes']),
        GrowthType: 'LINEAR',
        GrowthFactor: Number(given['GrowthFactor']),
        FinalBakeTimeInMinutes: Number(given['FinalBakeTimeInMinutes'] ?? 0),
      };
      return json(201, this.state.createStrategy(strategy));
    },
    CreateHostedConfigurationVersion: ({ application = '', profile = '' }, { body, headers }) => {
      const created = {
        content: body,
        contentType: headers['content-type'] ?? '',
        label: headers['versionlabel'],
        description: headers['description'],
      };
      const latest = numberOf(headers['latest-version-number']);
      return hosted(201, application, profile, this.state.createVersion(application, profile, created, latest));
    },
    ListHostedConfigurationVersions: ({ application = '', profile = '' }, request) => {
      const wanted = request.url.searchParams.get('version_label') ?? '*';
      const fits = ({ label = '' }: Version): boolean =>
        wanted.endsWith('*') ? label.startsWith(wanted.slice(0, -1)) : label === wanted;
      const items = this.state.profile(application, profile).versions.filter(fits);
      return paged(items, request, ({ number, contentType, label }) => ({
        ApplicationId: application,
        ConfigurationProfileId: profile,
        VersionNumber: number,
        ContentType: contentType,
        VersionLabel: label,
      }));
    },
    GetHostedConfigurationVersion: ({ application = '', profile = '', version = '' }) =>
      hosted(200, application, profile, this.state.version(application, profile, version)),
    StartDeployment: ({ application = '', environment = '' }, { body }) => {
      const given = bodyOf(body);
      const what = {
        profile: textOf(given, 'ConfigurationProfileId'),
        version: textOf(given, 'ConfigurationVersion'),
        strategy: textOf(given, 'DeploymentStrategyId'),
      };
      const latest = numberOf(given['LatestDeploymentNumber']);
      return json(201, this.#shown(this.state.start({ application, environment }, what, latest)));
    },
    ListDeployments: ({ application = '', environment = '' }, request) =>
      paged(this.state.environment(application, environment).deployments, request, (each) => this.#shown(each)),
    GetDeployment: ({ application = '', environment = '', deployment = '' }) =>
      json(200, this.#shown(this.state.deployment(application, environment, deployment))),
    StopDeployment: ({ application = '', environment = '', deployment = '' }, { headers }) =>
      json(202, this.#shown(this.state.stop(application, environment, deployment, headers['allow-revert'] === 'true'))),
    StartConfigurationSession: (_, { body }) => {
      const given = bodyOf(body);
      const token = this.#sessions.start({
        application: textOf(given, 'ApplicationIdentifier'),
        environment: textOf(given, 'EnvironmentIdentifier'),
        profile: textOf(given, 'ConfigurationProfileIdentifier'),
        leastSeconds: Number(given['RequiredMinimumPollIntervalInSeconds'] ?? 15),
      });
      return json(201, { InitialConfigurationToken: token });
    },
    GetLatestConfiguration: (_, { url }) => this.#sessions.latest(url.searchParams.get('configuration_token') ?? ''),
  };

  #shown(deployment: Deployment): unknown {
    const { number, profile, version, strategy, startedAt } = deployment;
    const state = this.state.stateOf(deployment);
    return {
      DeploymentNumber: number,
      ConfigurationProfileId: profile,
      ConfigurationVersion: String(version.number),
      VersionLabel: version.label,
      DeploymentDurationInMinutes: strategy.DeploymentDurationInMinutes,
      GrowthType: strategy.GrowthType,
      GrowthFactor: strategy.GrowthFactor,
      FinalBakeTimeInMinutes: strategy.FinalBakeTimeInMinutes,
      State: state,
      PercentageComplete: state === 'COMPLETE' || state === 'BAKING' ? 100 : 0,
      StartedAt: new Date(startedAt).toISOString(),
      ...(deployment.stopped ? { CompletedAt: new Date(deployment.stopped.at).toISOString() } : {}),
    };
  }
}

const FAILURES: Readonly<Record<Failure, readonly [string, string]>> = {
  throttled: ['ThrottlingException', 'Rate exceeded'],
  'server-error': ['InternalServerException', 'There was an internal failure.'],
  unavailable: ['ServiceUnavailableException', 'The service is not available.'],
  'expired-credentials': ['ExpiredTokenException', 'The security token included in the request is expired'],
  forbidden: ['AccessDeniedException', 'User is not authorized to perform this action'],
};

const hosted = (status: number, application: string, profile: string, version: Version): StoreAnswer => ({
  status,
  headers: {
    'content-type': version.contentType,
    'application-id': application,
    'configuration-profile-id': profile,
    'version-number': String(version.number),
    ...(version.label === undefined ? {} : { versionlabel: version.label }),
  },
  body: version.content,
});
