import type { ControllerConfig } from '../config.js';

export type Telemetry = { readonly stop: () => Promise<void> };

/** Traces and metrics over OTLP/HTTP; off, and not even loaded, until an endpoint is set. */
export const startTelemetry = async (config: ControllerConfig): Promise<Telemetry> => {
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
  return { stop: () => sdk.shutdown() };
};
