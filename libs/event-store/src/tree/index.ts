export type { NodeId, Range } from './cover.js';
export { coverOf, joinCover } from './cover.js';
export { Frontier } from './frontier.js';
export { EMPTY_ROOT } from './hashes.js';
export { consistencyRanges, inclusionRanges, verifyConsistency, verifyInclusion } from './proofs.js';
