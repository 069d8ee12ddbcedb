import type { HeadgateEvent } from './index.js';
import { stageName } from '../plan/plan.names.js';
import { leftoverWords } from './leftover.js';

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const list = (names: readonly string[]): string => names.join(', ');

/** Ends of a way back that rest on nobody's word. */
const UNPROVED: ReadonlySet<string> = new Set(['unconfirmed', 'abandoned']);

/** Plans and signals are for Headgate itself: no target serves them. */
const isOwn = (key: string): boolean => key.startsWith('plan/') || key.startsWith('signal/');

type Ordered = Extract<HeadgateEvent, { type: 'RollbackStarted' }>['data'];

const REASONS = {
  'blast-radius': 'most traffic on the candidate first',
  plan: 'as the plan lists them',
  named: 'as the plan orders',
};

/** `(most traffic on the candidate first: api-us 120/s, api-eu 8/s)`; nothing to say of one target. */
const orderWords = (targets: Ordered['targets'], order: Ordered['order']): string => {
  if (order === undefined || targets.length < 2) return '';
  const rates = targets.flatMap((target) => {
    const rate = order.requestsPerSecond[target];
    return rate === undefined ? [] : [`${target} ${rate}/s`];
  });
  return ` (${REASONS[order.by]}${rates.length === 0 ? ', traffic not known' : `: ${list(rates)}`})`;
};

type Words = { readonly [E in HeadgateEvent as E['type']]: (data: E['data']) => string };

const words: Words = {
  ConfigRegistered: ({ key, kind }) => `${key} registered as ${kind}`,
  RevisionProposed: ({ key, revision, baseline }) =>
    baseline && !isOwn(key)
      ? `${key} r${revision} imported as baseline: live on every target`
      : `${key} r${revision} proposed`,
  SchemaChanged: ({ key }) => `${key}: schema changed`,
  ConfigRetired: ({ key }) => `${key} retired`,
  TargetsClaimed: ({ key, revision, targets }) => `${key} r${revision} holds ${list(targets)}`,
  TargetsReleased: ({ key, revision, targets, outcome }) =>
    `${key} r${revision} lets go of ${list(targets)}: ${outcome}`,
  TargetRegistered: ({ target, platform }) => `${target} registered on ${platform}`,
  TargetLabelled: ({ target }) => `${target}: labels, models or settings changed`,
  DriftFound: ({ target, detail, action }) =>
    `${target}: drift: ${detail}; ${action === 'hold' ? 'rollouts there are held' : 'its ruleset is delivered again'}`,
  DriftEnded: ({ target, generation }) =>
    `${target}: the drift is over, it holds generation ${generation} as it was asked`,
  TargetRetired: ({ target }) => `${target} retired`,
  GenerationAcknowledged: ({ target, generation, instances }) =>
    instances === 0
      ? `${target}: every instance has had the time to take generation ${generation}`
      : `${target}: all ${instances} instances evaluate with generation ${generation}`,
  RolloutPlanned: ({ config, revision, plan }) =>
    `${config} r${revision} planned with ${plan.plan} over ${list(plan.tracks.map(({ name }) => name))}`,
  RolloutStarted: () => 'rollout started',
  StageEntered: ({ track, stage }) => `${track} enters ${stage}`,
  ExposureRequested: ({ target, shareBp, candidate, purpose, instances }) => {
    if (purpose === 'rollback') return `${target}: take r${candidate} back`;
    const chosen = instances?.candidate.length ?? 0;
    const drawn = instances === null ? '' : `, ${chosen} of ${chosen + instances.control.length} instances`;
    return `${target}: r${candidate} to ${stageName(shareBp)}${drawn} (${purpose})`;
  },
  ExposureChanged: ({ target, shareBp, generation }) =>
    `${target}: delivered ${stageName(shareBp)}, generation ${generation}`,
  ExposureFailed: ({ target, error }) => `${target}: delivery failed, will be tried again: ${error}`,
  TargetConverged: ({ target, instances, generation, absent }) => {
    const without = absent.length === 0 ? '' : `; without ${absent.join(', ')}`;
    return instances === 0
      ? `${target}: converged, every instance has had the time to take generation ${generation}${without}`
      : `${target}: converged, ${instances} instances on generation ${generation}${without}`;
  },
  VerdictRecorded: ({ verdict }) => `${verdict.verdict}${verdict.shadow ? ' (shadow)' : ''}: ${verdict.sentence}`,
  ParityJudged: ({ parity }) => `${parity.verdict}: ${parity.sentence}`,
  StagePassed: ({ track, stage, bakedMs }) => `${track} passed ${stage} after a bake of ${seconds(bakedMs)}`,
  RolloutHeld: ({ by, reason }) => `held by ${by}: ${reason}`,
  RolloutResumed: ({ reason }) => `resumed: ${reason}`,
  EvidenceMissing: ({ sentence }) => `going on without a signal: ${sentence}`,
  EvidenceReturned: ({ signal }) => `${signal} is measured again`,
  BakeSkipped: ({ track, stage, reason, missing }) =>
    `${track === '*' ? '' : `${track} `}${stage} promoted: ${reason}${missing.length > 0 ? ` (missing: ${missing.join('; ')})` : ''}`,
  DegradationDetected: ({ sentence, stages }) => `degradation in ${list(stages)}: ${sentence}`,
  RollbackStarted: ({ targets, reason, track, order }) =>
    `rolling back ${track === null ? '' : `track ${track} alone, `}${list(targets)}${orderWords(targets, order)}: ${reason}`,
  TargetReadBack: ({ target, generation }) =>
    `${target}: read back, generation ${generation} without the candidate is what it gives its instances`,
  StickinessDropped: ({ target, leftover }) =>
    `${target}: ${leftoverWords(leftover)}, so its clients are told to drop what sessions have stuck to`,
  TargetDrained: ({ target, outcome, detail, leftover }) =>
    `${target}: ${outcome}, ${detail}${leftover === undefined ? '' : `; ${leftoverWords(leftover)}`}`,
  RolledBack: ({ targets, tookMs }) => {
    const unproved = Object.keys(targets).filter((target) => UNPROVED.has(targets[target] ?? ''));
    const doubt = unproved.length === 0 ? '' : `; nobody has confirmed it on ${list(unproved)}`;
    return `rolled back on ${list(Object.keys(targets))} in ${seconds(tookMs)}${doubt}`;
  },
  FullyExposed: ({ holdbackBp }) => `fully exposed, holdback ${stageName(holdbackBp)}; watching`,
  RolloutSuperseded: ({ by }) => `superseded by rollout ${by}`,
  RolloutSettled: ({ config, revision, targets }) =>
    `${config} r${revision} settled on ${list(targets)}: last known good there`,
  TokenIssued: ({ subject, role }) => `token for ${subject} (${role}) issued`,
  ExactCellsRead: ({ subject, what, config, revision }) =>
    `${subject} read exact counts of few units: ${what} of ${config} r${revision}`,
  TokenRevoked: ({ token }) => `token ${token} revoked`,
  HookAdded: ({ hook, url }) => `hook ${hook} added: events go to ${url}`,
  HookRemoved: ({ hook }) => `hook ${hook} removed`,
  HookDisabled: ({ hook, reason }) => `hook ${hook} disabled: ${reason}`,
  HookResumed: ({ hook }) => `hook ${hook} resumed`,
};

/** One event in a sentence. */
export const summarise = (event: HeadgateEvent): string =>
  (words[event.type] as (data: HeadgateEvent['data']) => string)(event.data);
