import { z } from 'zod';
import { Duration, Name, type Assignment } from './primitives.js';

export const DRIVERS = ['pull', 'aws-appconfig', 'gcp-parameter-manager', 'vertex-endpoint', 'webhook'] as const;
export const Driver = z.enum(DRIVERS);
export type Driver = z.output<typeof Driver>;

/** What is done where a target holds what nobody asked of it: its rollouts are held, or it is given its ruleset again. */
export const OnDrift = z.enum(['hold', 'put-back']);
export type OnDrift = z.output<typeof OnDrift>;

const Url = z.url({ protocol: /^https?$/ }).max(500);
/** Names of environment variables, never what they hold. */
const EnvironmentName = z
  .string()
  .regex(/^[A-Z_][A-Z0-9_]{0,99}$/, 'name an environment variable, such as FLEET_SECRET');
const GoogleProject = z.string().regex(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/, 'give the id of the project');
const GoogleLocation = z.string().regex(/^[a-z]+(-[a-z]+\d+)?$/, 'give global or a region, such as europe-west1');
const google = {
  endpoint: Url.optional(),
  /** A variable with an access token that something else keeps fresh; default: the usual places of Google's library. */
  accessTokenEnv: EnvironmentName.optional(),
};
const AppConfigId = z
  .string()
  .regex(/^[a-z0-9]{4,7}$/, 'give the id (4 to 7 lower-case letters and digits), not the name');

const watched = {
  onDrift: OnDrift.default('hold'),
  /** How often the target is read to see whether somebody else wrote there. */
  check: Duration.default(60_000),
};
/** The longest time between two polls of a reader there: nobody says there which ruleset it has. */
const polled = { poll: Duration.default(60_000), ...watched };

const PullSettings = z.strictObject({});

const AppConfigSettings = z.strictObject({
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'give a region, such as eu-central-1'),
  application: AppConfigId,
  environment: AppConfigId,
  /** Of a freeform configuration that AppConfig hosts itself. */
  profile: AppConfigId,
  /** A deployment strategy that gives everything to everyone at once, and bakes for no time. */
  strategy: z
    .string()
    .regex(/^([a-z0-9]{4,7}|AppConfig\.[A-Za-z0-9]{9,40})$/, 'give the id of a strategy, or AppConfig.AllAtOnce'),
  /** A profile of the vendor's shared configuration files; default: the vendor's usual chain. */
  awsProfile: z.string().min(1).max(100).optional(),
  endpoint: Url.optional(),
  ...polled,
});
export type AppConfigSettings = z.output<typeof AppConfigSettings>;

const ParameterManagerSettings = z.strictObject({
  project: GoogleProject,
  location: GoogleLocation.default('global'),
  parameter: z.string().regex(/^[A-Za-z0-9_-]{1,63}$/, 'letters, digits, dashes and underscores, 63 at most'),
  ...google,
  ...polled,
});
export type ParameterManagerSettings = z.output<typeof ParameterManagerSettings>;

const VertexSettings = z.strictObject({
  project: GoogleProject,
  location: GoogleLocation,
  endpointId: z.string().regex(/^[A-Za-z0-9-]{1,63}$/, 'give the id of the endpoint'),
  /** The one config, of kind weights, whose revisions are deployed models of the endpoint. */
  config: Name,
  /** Revision → id of the deployed model that serves it. */
  deployedModels: z
    .record(
      z.string().regex(/^r[1-9]\d*$/, 'name revisions r1, r2, …'),
      z.string().regex(/^\d{1,20}$/, 'give the id of a deployed model'),
    )
    .refine((models) => Object.keys(models).length > 0, 'name the deployed model of one revision at least'),
  ...google,
  ...watched,
});
export type VertexSettings = z.output<typeof VertexSettings>;

const WebhookSettings = z.strictObject({
  url: Url,
  /** Names of environment variables with secrets (`whsec_…`); every delivery is signed with each. */
  secretEnv: z.union([EnvironmentName, z.array(EnvironmentName).min(1).max(5)]),
  /** Whether the receiver says on GET what it holds. Without it nothing can be read back, nor drift be found. */
  readBack: z.boolean().default(true),
  ...polled,
});
export type WebhookSettings = z.output<typeof WebhookSettings>;

const SETTINGS = {
  pull: PullSettings,
  'aws-appconfig': AppConfigSettings,
  'gcp-parameter-manager': ParameterManagerSettings,
  'vertex-endpoint': VertexSettings,
  webhook: WebhookSettings,
} as const;

/** The settings of a target as its manifest gives them. */
export const DriverSettings = z.record(z.string(), z.json());

export type ReadSettings =
  | { readonly driver: 'pull'; readonly settings: Readonly<Record<string, never>> }
  | { readonly driver: 'aws-appconfig'; readonly settings: AppConfigSettings }
  | { readonly driver: 'gcp-parameter-manager'; readonly settings: ParameterManagerSettings }
  | { readonly driver: 'vertex-endpoint'; readonly settings: VertexSettings }
  | { readonly driver: 'webhook'; readonly settings: WebhookSettings };

/** Issues of settings that do not fit their driver; each path begins within the settings. */
export const settingsIssues = (driver: Driver, settings: unknown): readonly z.core.$ZodIssue[] =>
  SETTINGS[driver].safeParse(settings).error?.issues ?? [];

/** Settings with defaults filled in, times in milliseconds. Throws where the driver is not known or they do not fit it. */
export const readSettings = (driver: string, settings: unknown): ReadSettings => {
  const known = Driver.parse(driver);
  return { driver: known, settings: SETTINGS[known].parse(settings) } as ReadSettings;
};

/** What a driver can do; a rollout that asks for more is refused. */
export type Capabilities = {
  /** How traffic can be split there. */
  readonly assignments: readonly Assignment[];
  /** Kinds of configs that can be rolled out there. */
  readonly kinds: readonly ('quality' | 'weights' | 'switch')[];
  /** The smallest step of a share, in basis points. */
  readonly resolutionBp: number;
  /** Most configs that one target can hold; null: no limit. */
  readonly configsPerTarget: number | null;
  /** The one config that is served there, in the revisions that the settings name; null: any. */
  readonly serves: { readonly config: string; readonly revisions: readonly number[] } | null;
  /** True when each instance says which generation it evaluates with. */
  readonly acknowledgesInstances: boolean;
  /** Longest time, in milliseconds, from `applied` until every instance that can be reached evaluates with it. */
  readonly worstCaseDelayMs: number;
  /** How long an earlier ruleset can still be brought back, in milliseconds; null: always. */
  readonly revertWindowMs: number | null;
  /** Whether what is live can be read. */
  readonly readsBack: boolean;
  /** Most bytes of a ruleset that can be held there. */
  readonly roomBytes: number;
};

/** Clocks, the vendor's own caches, and a request that is under way when the poll comes. */
const SLACK_MS = 15_000;

const MIB = 1024 * 1024;

const ANYTHING: Capabilities = {
  assignments: ['unit', 'request'],
  kinds: ['quality', 'weights', 'switch'],
  resolutionBp: 1,
  configsPerTarget: null,
  serves: null,
  acknowledgesInstances: false,
  worstCaseDelayMs: SLACK_MS,
  revertWindowMs: null,
  readsBack: true,
  // Official clients of flagd sync refuse larger messages (4 MiB with the frame).
  roomBytes: 4 * MIB - 1024,
};

/** What can be done on a target with this driver and these settings. */
export const capabilitiesOf = ({ driver, settings }: ReadSettings): Capabilities => {
  switch (driver) {
    case 'pull':
      // A reconnect of the official client (5 s by default) after the poll of the feed.
      return {
        ...ANYTHING,
        assignments: ['unit', 'request', 'instance'],
        acknowledgesInstances: true,
        worstCaseDelayMs: 10_000,
      };
    case 'vertex-endpoint':
      return {
        ...ANYTHING,
        assignments: ['request'],
        kinds: ['weights'],
        resolutionBp: 100,
        configsPerTarget: 1,
        serves: {
          config: settings.config,
          revisions: Object.keys(settings.deployedModels).map((name) => Number(name.slice(1))),
        },
      };
    case 'webhook':
      return { ...ANYTHING, worstCaseDelayMs: settings.poll + SLACK_MS, readsBack: settings.readBack };
    case 'aws-appconfig':
      return { ...ANYTHING, worstCaseDelayMs: settings.poll + SLACK_MS, roomBytes: 2 * MIB };
    case 'gcp-parameter-manager':
      return { ...ANYTHING, worstCaseDelayMs: settings.poll + SLACK_MS, roomBytes: MIB };
  }
};
