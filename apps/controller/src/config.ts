import { z } from 'zod';
import { Name } from '#libs/contracts';

const Port = z
  .string()
  .refine((text) => /^\d{1,5}$/.test(text) && Number(text) <= 65_535, 'must be a whole number from 0 to 65535')
  .transform(Number);

/** Everything that the environment may set. */
const EnvSchema = z.object({
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
  /** So many days after the end of a rollout its looks become one for each hour. */
  HEADGATE_LOOK_DAYS: z.coerce.number().int().min(1).max(3_650).default(30),
  /** How large a body of OTLP may be, in MiB, before and after it is unpacked. */
  HEADGATE_OTLP_MAX_MIB: z.coerce.number().int().min(1).max(1_024).default(64),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  OTEL_SERVICE_NAME: Name.default('headgate'),
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
  readonly otlpMostBytes: number;
  readonly otlpEndpoint: string | undefined;
  readonly serviceName: string;
};

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

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
    otlpMostBytes: values.HEADGATE_OTLP_MAX_MIB * 1024 * 1024,
    otlpEndpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
    serviceName: values.OTEL_SERVICE_NAME,
  };
};
