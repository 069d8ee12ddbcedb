import { z } from 'zod';
import { Name } from '#libs/contracts';

const Secret = z.string().regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, 'must be whsec_ and 24 to 64 bytes in base64');

const Port = z
  .string()
  .refine((text) => /^\d{1,5}$/.test(text) && Number(text) <= 65_535, 'must be a whole number from 0 to 65535')
  .transform(Number);

/** Everything that the environment may set. */
const Variables = z.object({
  HEADGATE_DATA_DIR: z.string().min(1).default('.headgate'),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
  HEADGATE_HOST: z.string().min(1).default('127.0.0.1'),
  HEADGATE_PORT: Port.default(7070),
  HEADGATE_SYNC_PORT: Port.default(7071),
  /** `api` serves, `worker` conducts, `all` does both. */
  HEADGATE_ROLE: z.enum(['api', 'worker', 'all']).default('all'),
  /** Where the first admin token is written (mode 0600) besides being shown once. */
  HEADGATE_ADMIN_TOKEN_FILE: z.string().min(1).optional(),
  HEADGATE_LOG: z.enum(['json', 'pretty', 'quiet']).default('json'),
  /** How long an instance counts as live after its last heartbeat. */
  HEADGATE_INSTANCE_LEASE_MS: z.coerce.number().int().min(1_000).max(600_000).default(15_000),
  /** After how many days ids of units and requests are forgotten. */
  HEADGATE_UNIT_DAYS: z.coerce.number().int().min(1).max(3_650).default(30),
  /** Counts of fewer units than this are shown to investigators only. */
  HEADGATE_MIN_UNITS: z.coerce.number().int().min(1).max(1_000).default(5),
  /** So many days after the end of a rollout its looks become one for each hour. */
  HEADGATE_LOOK_DAYS: z.coerce.number().int().min(1).max(3_650).default(30),
  /** How large a body of OTLP may be, in MiB, before and after it is unpacked. */
  HEADGATE_OTLP_MAX_MIB: z.coerce.number().int().min(1).max(1_024).default(64),
  /** How many evaluations a second each token may ask for by OFREP; 0 for no limit. */
  HEADGATE_OFREP_RATE: z.coerce.number().int().min(0).max(1_000_000).default(0),
  /** The key that signs the log: in a file, which is made where the log has none yet, or itself. */
  HEADGATE_SEAL_KEY_FILE: z.string().min(1).optional(),
  HEADGATE_SEAL_KEY: z.string().min(1).optional(),
  /** A file outside the database that is told of each signed head; `off` for none. */
  HEADGATE_WITNESS_FILE: z.string().min(1).optional(),
  /** Who else is told, by Standard Webhooks. */
  HEADGATE_WITNESS_URL: z.url({ protocol: /^https?$/ }).optional(),
  HEADGATE_WITNESS_SECRET: Secret.optional(),
  /** The key from which the secrets of hooks are derived; made when the first hook is added. */
  HEADGATE_HOOK_KEY_FILE: z.string().min(1).optional(),
  /** Whether events may be sent to this machine itself. */
  HEADGATE_HOOK_LOOPBACK: z.enum(['allow', 'refuse']).default('refuse'),
  /** After how many hours an event that a hook cannot be told of is given up. */
  HEADGATE_HOOK_HOURS: z.coerce.number().min(0.001).max(720).default(72),
  /** Where `headgate log archive` put the bodies of old events; the same for all controllers. */
  HEADGATE_ARCHIVE_DIR: z.string().min(1).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  OTEL_SERVICE_NAME: Name.default('headgate'),
});

/** What belongs together. */
const EnvSchema = Variables.superRefine((env, context) => {
  const problem = (name: string, message: string): void => context.addIssue({ code: 'custom', path: [name], message });
  if ((env.HEADGATE_WITNESS_URL === undefined) !== (env.HEADGATE_WITNESS_SECRET === undefined))
    problem('HEADGATE_WITNESS_SECRET', 'must be set together with HEADGATE_WITNESS_URL');
  if (env.HEADGATE_SEAL_KEY !== undefined && env.HEADGATE_SEAL_KEY_FILE !== undefined)
    problem('HEADGATE_SEAL_KEY', 'must not be set beside HEADGATE_SEAL_KEY_FILE: one of them is enough');
});

export type ControllerConfig = {
  readonly dataDir: string;
  readonly databaseUrl: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly syncPort: number;
  readonly role: 'api' | 'worker' | 'all';
  readonly adminTokenFile: string | undefined;
  readonly log: 'json' | 'pretty' | 'quiet';
  readonly instanceLeaseMs: number;
  readonly unitDays: number;
  readonly lookDays: number;
  readonly minUnits: number;
  readonly otlpMostBytes: number;
  readonly ofrepRate: number;
  readonly sealKeyFile: string | undefined;
  readonly sealKey: string | undefined;
  readonly witnessFile: string | undefined;
  readonly webhook: { readonly url: string; readonly secret: string } | undefined;
  readonly hookKeyFile: string | undefined;
  readonly hookLoopback: boolean;
  readonly hookHours: number;
  readonly archiveDir: string | undefined;
  readonly otlpEndpoint: string | undefined;
  readonly serviceName: string;
};

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const webhookOf = ({ HEADGATE_WITNESS_URL: url, HEADGATE_WITNESS_SECRET: secret }: z.output<typeof EnvSchema>) =>
  url === undefined || secret === undefined ? undefined : { url, secret };

/** Reads the environment. Throws `ConfigError` that lists everything that is wrong, at once; values are not shown. */
export const loadConfig = (env: Readonly<Record<string, string | undefined>>): ControllerConfig => {
  const result = EnvSchema.safeParse(env);
  if (!result.success) {
    const lines = result.error.issues.map(({ path, message }) => `  ${path.join('.')}: ${message}`);
    throw new ConfigError(`The environment cannot be used:\n${lines.join('\n')}`);
  }
  const values = result.data;
  return {
    dataDir: values.HEADGATE_DATA_DIR,
    databaseUrl: values.DATABASE_URL,
    host: values.HEADGATE_HOST,
    port: values.HEADGATE_PORT,
    syncPort: values.HEADGATE_SYNC_PORT,
    role: values.HEADGATE_ROLE,
    adminTokenFile: values.HEADGATE_ADMIN_TOKEN_FILE,
    log: values.HEADGATE_LOG,
    instanceLeaseMs: values.HEADGATE_INSTANCE_LEASE_MS,
    unitDays: values.HEADGATE_UNIT_DAYS,
    lookDays: values.HEADGATE_LOOK_DAYS,
    minUnits: values.HEADGATE_MIN_UNITS,
    otlpMostBytes: values.HEADGATE_OTLP_MAX_MIB * 1024 * 1024,
    ofrepRate: values.HEADGATE_OFREP_RATE,
    sealKeyFile: values.HEADGATE_SEAL_KEY_FILE,
    sealKey: values.HEADGATE_SEAL_KEY,
    witnessFile: values.HEADGATE_WITNESS_FILE,
    webhook: webhookOf(values),
    hookKeyFile: values.HEADGATE_HOOK_KEY_FILE,
    hookLoopback: values.HEADGATE_HOOK_LOOPBACK === 'allow',
    hookHours: values.HEADGATE_HOOK_HOURS,
    archiveDir: values.HEADGATE_ARCHIVE_DIR,
    otlpEndpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
    serviceName: values.OTEL_SERVICE_NAME,
  };
};
