import { z } from 'zod';
import { Duration } from './primitives.js';

/**
 * The name of an environment variable of the controllers that holds a secret. The beginning is asked for so that no
 * manifest can have other secrets of a controller sent away, such as its database's.
 */
const SecretVariable = z
  .string()
  .max(200)
  .regex(
    /^HEADGATE_SOURCE_[A-Z0-9_]+$/,
    'name an environment variable of the controllers that begins with HEADGATE_SOURCE_; the secret itself never stands in a manifest',
  );

const Url = z
  .url({ protocol: /^https?$/, error: 'write a URL such as https://prometheus.example.com' })
  .max(500)
  .refine((url) => {
    const { username, password } = URL.canParse(url) ? new URL(url) : { username: '', password: '' };
    return username === '' && password === '';
  }, 'leave user and password out of the URL: name variables that hold them');

const Timeout = Duration.refine((ms) => ms >= 100 && ms <= 60_000, 'write 100ms to 60s').prefault('10s');

const SECRET_HEADERS = /^(authorization|proxy-authorization|cookie|x-api-key|.*(token|secret|password).*)$/i;
const Headers = z
  .record(
    z
      .string()
      .regex(/^[A-Za-z0-9-]{1,100}$/, 'write the name of a header')
      .refine((name) => !SECRET_HEADERS.test(name), 'this header holds a secret: use bearerTokenEnv or basicAuth'),
    z.string().max(500),
  )
  .default({});

const PrometheusConnection = z
  .strictObject({
    type: z.literal('prometheus'),
    /** Of the server, or of what speaks like one (Thanos, Mimir, VictoriaMetrics), without `/api/v1`. */
    url: Url,
    bearerTokenEnv: SecretVariable.optional(),
    basicAuth: z.strictObject({ usernameEnv: SecretVariable, passwordEnv: SecretVariable }).optional(),
    /** Sent with each request, such as X-Scope-OrgID; no secrets. */
    headers: Headers,
    /** How long an answer may take. */
    timeout: Timeout,
  })
  .refine(({ bearerTokenEnv, basicAuth }) => bearerTokenEnv === undefined || basicAuth === undefined, {
    path: ['basicAuth'],
    message: 'name a bearer token or basicAuth, not both',
  });

const CloudWatchConnection = z.strictObject({
  type: z.literal('cloudwatch'),
  region: z.string().regex(/^[a-z]{2}(-[a-z0-9]+)+-\d$/, 'write a region such as us-east-1'),
  /** Where it is not the region's own, such as a VPC endpoint. */
  endpoint: Url.optional(),
  /** A profile of the shared AWS files of the controllers; by default credentials come from the usual places. */
  profile: z.string().min(1).max(100).optional(),
  /**
   * What Invocations of Bedrock are divided by: those that were successful only (`invocations+errors`), or all that were
   * accepted (`invocations`). AWS has documented both.
   */
  denominator: z.enum(['invocations+errors', 'invocations']).default('invocations+errors'),
  timeout: Timeout,
});

/** Google's credentials are sent to Google and to this machine only. */
const isGoogleOrLocal = (url: string): boolean => {
  const { hostname, protocol } = new URL(url);
  if (['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) return true;
  return protocol === 'https:' && hostname.endsWith('.googleapis.com');
};

const CloudMonitoringConnection = z
  .strictObject({
    type: z.literal('cloud-monitoring'),
    /** Id or number of the project whose metrics scope is asked. */
    project: z.string().regex(/^[a-z0-9][a-z0-9:.-]{1,99}$/, 'write the id of a project'),
    endpoint: Url.optional(),
    /** A variable with an access token, instead of the credentials of the usual places. */
    accessTokenEnv: SecretVariable.optional(),
    timeout: Timeout,
  })
  .refine(
    ({ endpoint, accessTokenEnv }) =>
      endpoint === undefined || accessTokenEnv !== undefined || isGoogleOrLocal(endpoint),
    {
      path: ['endpoint'],
      message: "Google's credentials are sent to *.googleapis.com and this machine only: name accessTokenEnv as well",
    },
  );

/** How a metrics system is reached. Secrets are never part of it. */
export const SourceConnection = z.discriminatedUnion('type', [
  PrometheusConnection,
  CloudWatchConnection,
  CloudMonitoringConnection,
]);
export type SourceConnection = z.output<typeof SourceConnection>;
export type PrometheusConnection = z.output<typeof PrometheusConnection>;
export type CloudWatchConnection = z.output<typeof CloudWatchConnection>;
export type CloudMonitoringConnection = z.output<typeof CloudMonitoringConnection>;

/** A source as it stands: what was counted, how far it is behind, and what is wrong. */
export const SourceView = z
  .object({
    source: z.string(),
    type: z.string(),
    /** `unused`: no signal names it. `waiting`: nothing was counted so far. `failing`: it could not be asked, or said nothing. */
    state: z.enum(['ok', 'waiting', 'failing', 'unused']),
    /** End of the newest window that was counted. */
    countedUntil: z.string().nullable(),
    /** How much later than it should that is, in milliseconds; null while nothing was counted. */
    behindMs: z.number().nullable(),
    /** When it was last asked. */
    askedAt: z.string().nullable(),
    /** Why it cannot be counted, in words. */
    error: z.string().nullable(),
    /** When that began. */
    failingSince: z.string().nullable(),
    signals: z.array(
      z.object({
        signal: z.string(),
        countedUntil: z.string().nullable(),
        behindMs: z.number().nullable(),
        error: z.string().nullable(),
        /** Time that was given up, as nothing was known of it, since the signal was first asked for. */
        skippedMs: z.number(),
        /** The newest of it. */
        skipped: z.object({ from: z.string(), until: z.string() }).nullable(),
      }),
    ),
  })
  .meta({ id: 'SourceView' });
export type SourceView = z.output<typeof SourceView>;

export const SourceList = z.object({ items: z.array(SourceView) }).meta({ id: 'SourceList' });
export type SourceList = z.output<typeof SourceList>;
