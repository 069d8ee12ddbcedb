import { unreachable } from '#libs/kernel';
import type { Recorded, RolloutEvent } from '../events/index.js';
import { withTakenBack } from './tracks.js';
import {
  parityKey,
  trackOf,
  verdictKey,
  type Rollout,
  type RolloutState,
  type TargetProgress,
} from './rollout.state.js';

type Of<T extends RolloutEvent['type']> = Recorded<Extract<RolloutEvent, { type: T }>>;

const planned = ({ data, at }: Of<'RolloutPlanned'>): Rollout => ({
  status: 'staging',
  id: data.rollout,
  config: data.config,
  revision: data.revision,
  assignment: data.assignment,
  plan: data.plan,
  vetoReason: data.vetoReason,
  bypass: data.bypass,
  reverts: data.reverts,
  startedAt: at,
  endedAt: null,
  held: null,
  tracks: {},
  targets: Object.fromEntries(
    Object.entries(data.controls).map(([target, control]) => [
      target,
      {
        control,
        wanted: null,
        delivered: 0,
        deliveredAt: null,
        converged: 0,
        readBack: false,
        readBackAt: null,
        ended: null,
        endedAt: null,
        back: null,
        leftover: null,
        clearedAt: null,
        error: null,
        failingSince: null,
      },
    ]),
  ),
  verdicts: {},
  parities: {},
  without: [],
  cause: null,
  rollbackAt: null,
});

const withTarget = (
  rollout: Rollout,
  target: string,
  change: (progress: TargetProgress) => Partial<TargetProgress>,
): Rollout => {
  const progress = rollout.targets[target];
  return progress
    ? { ...rollout, targets: { ...rollout.targets, [target]: { ...progress, ...change(progress) } } }
    : rollout;
};

const entered = (rollout: Rollout, { data, at }: Of<'StageEntered'>): Rollout => {
  const track = trackOf(rollout, data.track);
  const next = { ...track, stage: track.stage + 1, enteredAt: [...track.enteredAt, at], skipping: false };
  return { ...rollout, tracks: { ...rollout.tracks, [data.track]: next } };
};

const passed = (rollout: Rollout, { data, at }: Of<'StagePassed'>): Rollout => {
  const track = trackOf(rollout, data.track);
  const stages = rollout.plan.tracks.find(({ name }) => name === data.track)?.stages ?? [];
  const done = [...track.passed, { name: data.stage, at, bakedMs: data.bakedMs, skipped: track.skipping }];
  const stage = done.length === stages.length ? stages.length : track.stage;
  return {
    ...rollout,
    tracks: { ...rollout.tracks, [data.track]: { ...track, stage, passed: done, skipping: false } },
  };
};

const requested = (rollout: Rollout, { data, position, at }: Of<'ExposureRequested'>): Rollout => {
  const { shareBp, purpose, instances } = data;
  const wanted = { generation: position, shareBp, purpose, at, instances };
  const next = withTarget(rollout, data.target, () => ({ wanted }));
  return data.purpose === 'settle' ? { ...next, status: 'settling' } : next;
};

const inPlaces = (rollout: Rollout, { data: { targets, order } }: Of<'RollbackStarted'>): Rollout =>
  targets.reduce(
    (state, target, index) =>
      withTarget(state, target, () => ({
        back: { place: index + 1, requestsPerSecond: order?.requestsPerSecond[target] ?? null },
      })),
    rollout,
  );

/** A step of a way back. */
const backwards = (
  rollout: Rollout,
  event: Of<'RollbackStarted'> | Of<'TargetReadBack'> | Of<'StickinessDropped'> | Of<'TargetDrained'>,
): Rollout => {
  switch (event.type) {
    case 'RollbackStarted': {
      const { track, reason } = event.data;
      const next = inPlaces(rollout, event);
      if (track !== null) return { ...withTakenBack(next, track), cause: reason };
      return { ...next, status: 'rolling-back', held: null, cause: reason, rollbackAt: event.at };
    }
    case 'TargetReadBack':
      return withTarget(rollout, event.data.target, () => ({ readBack: true, readBackAt: event.at }));
    case 'StickinessDropped':
      return withTarget(rollout, event.data.target, ({ wanted }) => ({
        wanted: wanted && { ...wanted, generation: event.position },
        leftover: event.data.leftover,
        clearedAt: event.at,
      }));
    case 'TargetDrained':
      return withTarget(rollout, event.data.target, ({ leftover }) => ({
        ended: event.data.outcome,
        endedAt: event.at,
        leftover: event.data.leftover ?? leftover,
      }));
    default:
      return unreachable(event);
  }
};

/** Applies one recorded event. Total: an event that does not concern the state leaves it as it is. */
export const evolveRollout = (state: RolloutState, event: Recorded<RolloutEvent>): RolloutState => {
  if (event.type === 'RolloutPlanned') return planned(event);
  if (state.status === 'none') return state;
  switch (event.type) {
    case 'RolloutStarted':
      return { ...state, startedAt: event.at };
    case 'StageEntered':
      return entered(state, event);
    case 'StagePassed':
      return passed(state, event);
    case 'ExposureRequested':
      return requested(state, event);
    case 'ExposureChanged':
      return withTarget(state, event.data.target, ({ delivered }) => ({
        delivered: Math.max(delivered, event.data.generation),
        deliveredAt: event.at,
        error: null,
        failingSince: null,
      }));
    case 'ExposureFailed':
      return withTarget(state, event.data.target, ({ failingSince }) => ({
        error: event.data.error,
        failingSince: failingSince ?? event.at,
      }));
    case 'TargetConverged':
      return withTarget(state, event.data.target, ({ converged }) => ({
        converged: Math.max(converged, event.data.generation),
      }));
    case 'VerdictRecorded':
      return {
        ...state,
        verdicts: { ...state.verdicts, [verdictKey(event.data.verdict)]: { ...event.data.verdict, at: event.at } },
      };
    case 'ParityJudged': {
      const { parity } = event.data;
      return { ...state, parities: { ...state.parities, [parityKey(parity)]: { ...parity, at: event.at } } };
    }
    case 'RolloutHeld': {
      const { by, reason, until } = event.data;
      return { ...state, held: { by, reason, until } };
    }
    case 'RolloutResumed':
      return { ...state, held: null };
    case 'EvidenceMissing': {
      const { signal } = event.data;
      return { ...state, without: [...state.without.filter((each) => each !== signal), signal] };
    }
    case 'EvidenceReturned':
      return { ...state, without: state.without.filter((each) => each !== event.data.signal) };
    case 'BakeSkipped': {
      if (event.data.track === '*') return state;
      const track = trackOf(state, event.data.track);
      return { ...state, tracks: { ...state.tracks, [event.data.track]: { ...track, skipping: true } } };
    }
    case 'DegradationDetected':
      return { ...state, cause: event.data.sentence };
    case 'RollbackStarted':
    case 'TargetReadBack':
    case 'StickinessDropped':
    case 'TargetDrained':
      return backwards(state, event);
    case 'RolledBack':
      return { ...state, status: 'rolled-back', endedAt: event.at };
    case 'FullyExposed':
      return { ...state, status: 'watching' };
    case 'RolloutSuperseded':
      return { ...state, status: 'superseded', held: null, endedAt: event.at };
    case 'RolloutSettled':
      return { ...state, status: 'settled', endedAt: event.at };
    default:
      return unreachable(event);
  }
};
