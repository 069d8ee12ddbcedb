export { assignmentSkew, SKEW_ALPHA } from './assignment.js';
export type { Assigned } from './assignment.js';
export { foldLook, hasFailed, startEvidence } from './evidence.js';
export type { CellEvidence, RolloutEvidence, SignalEvidence } from './state.js';
export { predictStage } from './forecast.js';
export type {
  SignalForecast,
  StageForecast,
  StageImpossible,
  StageReason,
  StageToPredict,
  StageTraffic,
} from './forecast.js';
export { INTERVAL_ALPHA, judge, PROMOTION_ALPHA } from './judge.js';
export { packEvidence, Packer, unpackEvidence, Unpacker } from './packed.js';
export type { Packed } from './packed.js';
export { evidenceRecord } from './record.js';
export type { EvidenceRecord } from './record.js';
export { BEFORE_AFTER, isCounted, isOfValues } from './types.js';
export type * from './types.js';
export { DECLARED_SHARE, HEADLINE_WEIGHT } from './weights.js';
