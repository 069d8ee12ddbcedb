export type { AskedSignal, AskedSource } from './asked.js';
export { clientFor } from './client-for.js';
export { SourcePoller, type Turn } from './source-poller.js';
export { PostgresSourceStates, SourceStates, sourceKey } from './source-states.js';
export { sourceView } from './source-view.js';
