import type { BoardRollout, EventView, Health, RolloutView } from '#libs/contracts';

/** What a mark looks like: its shape says the same as its colour. */
export type Tone = 'good' | 'bad' | 'warn' | 'moving' | 'calm' | 'unknown';
export type Mark = 'check' | 'cross' | 'half' | 'ring' | 'pause' | 'back' | 'play' | 'eye' | 'dash' | 'flag' | 'swap';
export type Look = { readonly tone: Tone; readonly mark: Mark; readonly words: string };

type Status = RolloutView['status'];

const STATUS: Readonly<Record<Status, Look>> = {
  staging: { tone: 'moving', mark: 'play', words: 'in stages' },
  watching: { tone: 'moving', mark: 'eye', words: 'watched' },
  settling: { tone: 'moving', mark: 'flag', words: 'settling' },
  'rolling-back': { tone: 'bad', mark: 'back', words: 'rolling back' },
  settled: { tone: 'good', mark: 'check', words: 'settled' },
  'rolled-back': { tone: 'bad', mark: 'back', words: 'rolled back' },
  superseded: { tone: 'calm', mark: 'swap', words: 'superseded' },
  cancelled: { tone: 'calm', mark: 'dash', words: 'cancelled' },
};

type Held = Pick<BoardRollout, 'status' | 'held'>;

/** Held until somebody does something, with no time at which it goes on by itself. */
export const waitsForPerson = ({ held }: Pick<BoardRollout, 'held'>): boolean => held !== null && held.until === null;

export const statusLook = ({ status, held }: Held): Look => {
  if (held === null || status === 'rolling-back') return STATUS[status];
  return { tone: 'warn', mark: 'pause', words: held.by === 'person' ? 'paused' : 'held' };
};

/** How a rollout stood in the past, in the same words as one that stands so now. */
export const statusWords = (status: string, held: boolean): string => {
  if (held) return 'held';
  return Object.entries(STATUS).find(([name]) => name === status)?.[1].words ?? status;
};

const HEALTH: Readonly<Record<Health, Look>> = {
  steady: { tone: 'calm', mark: 'dash', words: 'steady' },
  'shown-fine': { tone: 'good', mark: 'check', words: 'no harm shown' },
  undecided: { tone: 'moving', mark: 'half', words: 'undecided' },
  'not-measured': { tone: 'unknown', mark: 'ring', words: 'not measured' },
  harm: { tone: 'bad', mark: 'cross', words: 'harm' },
};
export const healthLook = (health: Health): Look => HEALTH[health];

type Verdict = RolloutView['verdicts'][number]['verdict'];
const VERDICT: Readonly<Record<Verdict, Look>> = {
  pass: { tone: 'good', mark: 'check', words: 'pass' },
  fail: { tone: 'bad', mark: 'cross', words: 'fail' },
  inconclusive: { tone: 'moving', mark: 'half', words: 'inconclusive' },
  'not-measured': { tone: 'unknown', mark: 'ring', words: 'not measured' },
};
export const verdictLook = (verdict: Verdict): Look => VERDICT[verdict];

type TrackStatus = RolloutView['tracks'][number]['status'];
const TRACK: Readonly<Record<TrackStatus, Look>> = {
  waiting: { tone: 'calm', mark: 'ring', words: 'waits' },
  'in-stage': { tone: 'moving', mark: 'play', words: 'in a stage' },
  passed: { tone: 'good', mark: 'check', words: 'passed' },
  'taken-back': { tone: 'bad', mark: 'back', words: 'taken back' },
  'not-reached': { tone: 'calm', mark: 'dash', words: 'not reached' },
};
export const trackLook = (status: TrackStatus): Look => TRACK[status];

const EVENTS: Readonly<Record<string, readonly [Tone, Mark]>> = {
  RolloutStarted: ['moving', 'play'],
  RolloutPlanned: ['moving', 'flag'],
  StageEntered: ['moving', 'play'],
  StagePassed: ['good', 'check'],
  TargetConverged: ['good', 'check'],
  FullyExposed: ['good', 'flag'],
  RolloutSettled: ['good', 'flag'],
  RolloutHeld: ['warn', 'pause'],
  RolloutResumed: ['moving', 'play'],
  BakeSkipped: ['warn', 'swap'],
  EvidenceMissing: ['warn', 'ring'],
  ExposureFailed: ['bad', 'cross'],
  DegradationDetected: ['bad', 'cross'],
  RollbackStarted: ['bad', 'back'],
  TargetReadBack: ['moving', 'back'],
  TargetDrained: ['moving', 'back'],
  RolledBack: ['bad', 'back'],
  RolloutSuperseded: ['calm', 'swap'],
  TokenIssued: ['warn', 'ring'],
  TokenRevoked: ['warn', 'dash'],
};

/** The kind of a verdict that was recorded; undefined for other events. */
const verdictIn = (data: unknown): Verdict | undefined => {
  if (typeof data !== 'object' || data === null || !('verdict' in data)) return undefined;
  const { verdict } = data;
  const kind = typeof verdict === 'object' && verdict !== null && 'verdict' in verdict ? verdict.verdict : undefined;
  return typeof kind === 'string' && kind in VERDICT ? (kind as Verdict) : undefined;
};

export const eventLook = ({
  type,
  data,
}: Pick<EventView, 'type' | 'data'>): { readonly tone: Tone; readonly mark: Mark } => {
  const verdict = type === 'VerdictRecorded' ? verdictIn(data) : undefined;
  if (verdict !== undefined) return VERDICT[verdict];
  const [tone, mark] = EVENTS[type] ?? (['calm', 'dash'] as const);
  return { tone, mark };
};
