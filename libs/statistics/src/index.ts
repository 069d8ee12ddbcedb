export { logAssignmentE, logDirichletMultinomial, logMultinomial } from './dirichlet.js';
export { addMoments, addToMoments, differenceInterval, meanInterval, meanOf, noMoments } from './asymptotic.js';
export type { DifferenceInterval, Moments, Stratum } from './asymptotic.js';
export {
  distributionLogEs,
  distributionProcesses,
  foldDistribution,
  learnDistribution,
  locationLogEs,
  logEOfDistribution,
  logMeanE,
  nothingLearned,
  QUANTILES,
  quantilesOf,
  startDistribution,
} from './distribution.js';
export type { DistributionProcess, LearnedDistribution } from './distribution.js';
export { distinctError, estimateDistinct, HASH_RANGE, mergeSketches, SKETCH_SIZE } from './distinct.js';
export type { DistinctSketch } from './distinct.js';
export { gridBets, PROMOTION_GRID, RATIO_GRID, windowLogE } from './grid.js';
export type { GridBets } from './grid.js';
export { hypergeometricLogE } from './hypergeometric.js';
export type { WindowCounts } from './hypergeometric.js';
export {
  instanceLogE,
  instanceScores,
  logChoose,
  logElementary,
  logWealthOfDraw,
  mostOfDraw,
  payDraw,
  startDraw,
} from './instances.js';
export type { DrawProcess, InstanceMeasure, ScoredInstance } from './instances.js';
export { exactLower, exactUpper, klBernoulli, limitCandidateRequests } from './limits.js';
export type { LimitOf } from './limits.js';
export { foldMeans, learnSpread, limitCandidateValues, logEOfMeans, meanLogEs, noSpread, startMeans } from './means.js';
export type { MeanProcess, Spread, ValueBet, ValueBin } from './means.js';
export {
  DISPARITY_ALPHA,
  differenceSequence,
  logAbove,
  logBelow,
  logDisparity,
  logParity,
  pairsToShow,
  PARITY_ALPHA,
  PARITY_BETS,
  parityOf,
} from './parity.js';
export type { PairedCounts, ParityVerdict } from './parity.js';
export { chanceToSee, eventsToPromote, smallestHarm, timeToPromote } from './predict.js';
export type { ExpectedBad, Sight } from './predict.js';
export { smallestShift, timeToShowValues } from './predict-values.js';
export type { ExpectedValues, ValueJudged } from './predict-values.js';
export { bet, betLogs, logEValue, openLook, startProcess } from './process.js';
export type { RateProcess } from './process.js';
export { nextUniform, seeded, uniformAt } from './random.js';
export type { Seed } from './random.js';
export { centred, randomisationLogE, randomisationLogEs, SHIFT_BETS } from './randomisation.js';
export type { PastScores, ScoredBin } from './randomisation.js';
export {
  addToLikelihood,
  confidenceSequence,
  likeliestRatio,
  logPromotion,
  mixingCosts,
  RATIO_LATTICE,
  ratioScale,
} from './ratios.js';
export type { RatioScale } from './ratios.js';
export { lookMass, RAISE_MASS, raiseMass } from './restarts.js';
export { logAddExp, logSumExp, normalQuantile } from './special.js';
