export { PlatformDriver } from './driver.js';
export type { Capabilities, Environment, Heartbeat, Instance, Observation, Outcome, TargetRuleset } from './driver.js';
export { AppConfigDriver, type AppConfigDriverOptions } from './aws-appconfig/appconfig-driver.js';
export {
  ParameterManagerDriver,
  type ParameterManagerDriverOptions,
} from './gcp-parameter-manager/parameter-manager-driver.js';
export { VertexDriver, type VertexDriverOptions } from './vertex-endpoint/vertex-driver.js';
export { WebhookDriver, type WebhookDriverOptions } from './webhook/webhook-driver.js';
export { arrivalOf, RulesetCache, RulesetFeed } from './feed.js';
export type { RulesetSnapshot } from './feed.js';
export { MemoryDriver, MemoryPlatform } from './memory/memory-driver.js';
export { PullDriver } from './pull/pull-driver.js';
export type { PullDriverOptions } from './pull/pull-driver.js';
export { PostgresRulesetFeed } from './pull/postgres-feed.js';
export type { ListeningPool, PostgresFeedOptions } from './pull/postgres-feed.js';
export type { Queryable } from './pull/postgres.js';
export { startSyncServer } from './sync/server.js';
export type { SyncLogEntry, SyncServer, SyncServerOptions } from './sync/server.js';
export { OfrepEvaluator } from './ofrep/evaluator.js';
export type { OfrepResponse } from './ofrep/evaluator.js';
export { ChangeStreams } from './ofrep/change-streams.js';
export type { ChangeStreamsOptions, StreamSink } from './ofrep/change-streams.js';
export { streamKeyOf, StreamPasses } from './ofrep/stream-passes.js';
export type { StreamPass } from './ofrep/stream-passes.js';
export { rulesetResponse } from './ofrep/ruleset-response.js';
export type { RulesetResponse } from './ofrep/ruleset-response.js';
