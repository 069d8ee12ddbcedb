import type { AskedSource, SourceClient } from './asked.js';
import { CloudMonitoringClient } from './cloud-monitoring/cloud-monitoring-client.js';
import { CloudWatchClient } from './cloudwatch/cloudwatch-client.js';
import { PrometheusClient } from './prometheus/prometheus-client.js';
import type { Environment } from './secrets.js';

/** The client of a source as it is registered; secrets are read from the environment with each question. */
export const clientFor = ({ connection }: Pick<AskedSource, 'connection'>, environment: Environment): SourceClient => {
  switch (connection.type) {
    case 'prometheus':
      return new PrometheusClient(connection, environment);
    case 'cloudwatch':
      return new CloudWatchClient(connection);
    case 'cloud-monitoring':
      return new CloudMonitoringClient(connection, environment);
  }
};
