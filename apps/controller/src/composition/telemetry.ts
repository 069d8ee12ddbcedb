import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '#libs/application';
import type { ControllerConfig } from '../config.js';

export type Telemetry = { readonly stop: () => Promise<void> };

/** Nobody waits longer for a receiver that does not answer. */
const LAST_WORDS_MS = 2_000;

/** Sends what is left. That it could not be sent is worth a line, and no reason to stop otherwise than well. */
const sendLastWords = async (shutdown: () => Promise<void>, log: Log): Promise<void> => {
  const done = new AbortController();
  const late = sleep(LAST_WORDS_MS, 'late', { signal: done.signal }).catch(() => 'in time');
  const sent = shutdown().then(
    () => 'in time',
    (error: unknown) => String(error),
  );
  const how = await Promise.race([sent, late]);
  done.abort();
  if (how !== 'in time') log.error('The last telemetry could not be sent; is the receiver there?', { reason: how });
};

/** Traces and metrics over OTLP/HTTP; off, and not even loaded, until an endpoint is set. */
export const startTelemetry = async (config: ControllerConfig, log: Log): Promise<Telemetry> => {
  if (config.otlpEndpoint === undefined) return { stop: async () => undefined };
  const [
    { NodeSDK },
    { OTLPTraceExporter },
    { OTLPMetricExporter },
    { PeriodicExportingMetricReader },
    { resourceFromAttributes },
  ] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/exporter-metrics-otlp-http'),
    import('@opentelemetry/sdk-metrics'),
    import('@opentelemetry/resources'),
  ]);
  const url = config.otlpEndpoint.replace(/\/$/, '');
  const sdk = new NodeSDK({
    resource: resourceFromAttributes({ 'service.name': config.serviceName }),
    traceExporter: new OTLPTraceExporter({ url: `${url}/v1/traces` }),
    metricReaders: [
      new PeriodicExportingMetricReader({
        exporter: new OTLPMetricExporter({ url: `${url}/v1/metrics` }),
        exportIntervalMillis: 10_000,
      }),
    ],
  });
  sdk.start();
  return { stop: () => sendLastWords(() => sdk.shutdown(), log) };
};
