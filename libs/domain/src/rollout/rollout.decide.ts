import { accept, reject, unreachable, type Decision } from '#libs/kernel';
import type { Leftover, RecordedVerdict, ResolvedPlan, RolloutEvent } from '../events/index.js';
import { assess } from './rollout.assess.js';
import { notYetBack } from './rollout.back-out.js';
import { enterStage, requestExposure, standingVerdicts, takeBack } from './rollout.exposing.js';
import type { Facts } from './rollout.facts.js';
import { drawFaults, drawsOf } from './rollout.instances.js';
import { finished, promote, type PromoteRollout } from './rollout.promote.js';
import { instanceReach } from './rollout.reach.js';
import { isOver, type Assignment, type Exposure, type Rollout, type RolloutState } from './rollout.state.js';
import { isLeaving, isOnWayBack } from './tracks.js';

export type RolloutCommand =
  | {
      readonly type: 'StartRollout';
      readonly rollout: string;
      readonly config: string;
      readonly revision: number;
      readonly assignment: Assignment | null;
      readonly plan: ResolvedPlan;
      readonly controls: Readonly<Record<string, number>>;
      readonly vetoReason: string | null;
      /** Why it goes without stages; default: it does not. */
      readonly bypass?: string | null;
      /** The settled revision that it takes back, for a revert. */
      readonly reverts?: number | null;
      /** Targets that another rollout hands over: they are asked for their control even before their track begins. */
      readonly takesOver?: readonly string[];
      /** Of a config assigned by instance: target → its live instances that can use a ruleset. */
      readonly instances?: Facts['instances'];
    }
  | { readonly type: 'PauseRollout'; readonly reason: string; readonly until: number | null }
  | { readonly type: 'ResumeRollout'; readonly reason: string }
  | PromoteRollout
  | {
      readonly type: 'AbortRollout';
      readonly reason: string;
      /** What was known when it was aborted; default: nothing newer than what is recorded. */
      readonly verdicts?: readonly RecordedVerdict[];
      readonly onCandidate?: Facts['onCandidate'];
    }
  | {
      readonly type: 'SupersedeRollout';
      readonly by: string;
      /** It goes without stages, which no pause holds up. */
      readonly bypasses: boolean;
    }
  | {
      readonly type: 'AbandonTarget';
      readonly target: string;
      readonly reason: string;
      /** What was seen there of the candidate since it was asked back; default: nothing. */
      readonly leftover?: Leftover | undefined;
    }
  | { readonly type: 'RecordExposureChanged'; readonly target: string; readonly generation: number }
  | {
      readonly type: 'RecordExposureFailed';
      readonly target: string;
      readonly generation: number;
      readonly error: string;
    }
  | { readonly type: 'AssessRollout'; readonly at: number; readonly facts: Facts };

type Of<T extends RolloutCommand['type']> = Extract<RolloutCommand, { type: T }>;

/** Where the lot cannot be thrown for a first stage, or what it gives could never tell. */
const instanceFault = ({
  assignment,
  plan,
  instances = {},
  bypass = null,
}: Of<'StartRollout'>): Decision<never> | undefined => {
  if (assignment !== 'instance' || bypass !== null) return undefined;
  const first = plan.tracks.filter(({ after }) => after === null);
  const [fault] = first.flatMap((track) => drawFaults({ assignment }, track, 0, instances));
  if (fault !== undefined) return reject('too-few-instances', `Nothing can be drawn: ${fault}.`, '/plan');
  const blind = instanceReach(plan, instances).refusal;
  return blind === undefined ? undefined : reject('plan-never-tells', blind, '/plan');
};

const start = (state: RolloutState, command: Of<'StartRollout'>): Decision<RolloutEvent> => {
  const {
    rollout,
    config,
    revision,
    assignment,
    plan,
    controls,
    vetoReason,
    bypass = null,
    reverts = null,
    takesOver = [],
  } = command;
  if (state.status !== 'none') return reject('rollout-exists', `Rollout ${rollout} exists already.`);
  if (assignment === null) {
    const message = `Config ${config} is assigned by nothing, so no share of anything can be given to a revision: register a config with assignment unit, request or instance.`;
    return reject('not-supported-yet', message, '/config');
  }
  const fault = instanceFault(command);
  if (fault !== undefined) return fault;
  const draws = drawsOf({ id: rollout, assignment, targets: {} }, command.instances);
  const first: RolloutEvent[] = plan.tracks
    .filter(({ after, parity }) => after === null && parity.length === 0)
    .flatMap((track) => enterStage({ id: rollout, config, revision }, controls, track, 0, draws));
  const entered = new Set(first.flatMap((event) => (event.type === 'ExposureRequested' ? [event.data.target] : [])));
  const targets = Object.fromEntries(Object.entries(controls).map(([target, control]) => [target, { control }]));
  const handedOver = takesOver
    .filter((target) => !entered.has(target))
    .map((target) => requestExposure({ id: rollout, config, revision, targets }, target, 0, 'stage'));
  return accept<RolloutEvent>(
    {
      type: 'RolloutPlanned',
      data: { rollout, config, revision, assignment, plan, controls: { ...controls }, vetoReason, bypass, reverts },
    },
    { type: 'RolloutStarted', data: { rollout } },
    ...first,
    ...handedOver,
  );
};

const pause = (state: Rollout, { reason, until }: Of<'PauseRollout'>): Decision<RolloutEvent> => {
  if (isOver(state)) return finished(state);
  if (state.status === 'rolling-back') {
    return reject('rollback-under-way', `Rollout ${state.id} is being rolled back, which nothing holds up.`);
  }
  const { held } = state;
  // The last word counts: it may be another person's, with a reason and an end of its own.
  if (held?.by === 'person' && held.reason === reason && held.until === until) return accept();
  return accept<RolloutEvent>({ type: 'RolloutHeld', data: { rollout: state.id, by: 'person', reason, until } });
};

const resume = (state: Rollout, { reason }: Of<'ResumeRollout'>): Decision<RolloutEvent> => {
  if (isOver(state)) return finished(state);
  if (state.held?.by !== 'person') return accept();
  return accept<RolloutEvent>({ type: 'RolloutResumed', data: { rollout: state.id, by: 'person', reason } });
};

const supersede = (state: Rollout, { by, bypasses }: Of<'SupersedeRollout'>): Decision<RolloutEvent> => {
  if (isOver(state)) return finished(state);
  if (state.status !== 'watching') {
    return reject(
      'rollout-already-running',
      `Rollout ${state.id} of ${state.config} is ${state.status}, so nothing can take over from it yet: abort it or wait for its watch.`,
      '/config',
    );
  }
  const open = notYetBack(state);
  if (open.length > 0) {
    const message = `Rollout ${state.id} still takes r${state.revision} back on ${open.join(', ')}: wait until that is read back, or give it up (headgate abandon), then start what takes over from it.`;
    return reject('rollback-under-way', message, '/config');
  }
  if (state.held?.by === 'person' && !bypasses) {
    const message = `Rollout ${state.id} is watched and paused (${state.held.reason}): resume it, then start what takes over from it.`;
    return reject('rollout-held', message, '/config');
  }
  return accept<RolloutEvent>({ type: 'RolloutSuperseded', data: { rollout: state.id, by } });
};

const abandon = (state: Rollout, { target, reason, leftover }: Of<'AbandonTarget'>): Decision<RolloutEvent> => {
  const progress = state.targets[target];
  if (isOver(state) && !(progress && isOnWayBack(progress))) return finished(state);
  if (progress === undefined) {
    const message = `Rollout ${state.id} has no target ${target}. Its targets: ${Object.keys(state.targets).join(', ')}.`;
    return reject('target-not-found', message, '/target');
  }
  if (!isLeaving(progress)) {
    return reject(
      'nothing-to-abandon',
      `Rollout ${state.id} is not being taken back from ${target}: only a rollback that cannot end can be abandoned.`,
      '/target',
    );
  }
  if (progress.ended !== null) return accept();
  const lastSeenAt = leftover?.lastAt ?? null;
  const data = { rollout: state.id, target, outcome: 'abandoned', lastSeenAt, detail: reason } as const;
  return accept<RolloutEvent>({ type: 'TargetDrained', data: leftover === undefined ? data : { ...data, leftover } });
};

const abort = (state: Rollout, { reason, verdicts = [], onCandidate }: Of<'AbortRollout'>): Decision<RolloutEvent> => {
  if (isOver(state)) return finished(state);
  if (state.status === 'rolling-back') return accept();
  return accept<RolloutEvent>(
    ...standingVerdicts(state.id, verdicts),
    ...takeBack(state, { cause: 'abort', reason, track: null, onCandidate }),
  );
};

/** What a delivery of this generation is news about; null: nothing is asked of the target, or it has it already. */
const awaited = (
  state: Rollout,
  { target, generation }: { readonly target: string; readonly generation: number },
): Exposure | null => {
  const progress = state.targets[target];
  if (!progress?.wanted || (isOver(state) && !isOnWayBack(progress))) return null;
  const { wanted, delivered } = progress;
  return delivered >= wanted.generation || generation < wanted.generation ? null : wanted;
};

/** Decides on one rollout. Pure and idempotent: deciding again on the new state adds nothing. */
export const decideRollout = (state: RolloutState, command: RolloutCommand): Decision<RolloutEvent> => {
  if (command.type === 'StartRollout') return start(state, command);
  if (state.status === 'none')
    return reject('rollout-not-found', 'There is no such rollout. List them: headgate status');
  switch (command.type) {
    case 'PauseRollout':
      return pause(state, command);
    case 'ResumeRollout':
      return resume(state, command);
    case 'PromoteRollout':
      return promote(state, command);
    case 'AbortRollout':
      return abort(state, command);
    case 'SupersedeRollout':
      return supersede(state, command);
    case 'AbandonTarget':
      return abandon(state, command);
    case 'RecordExposureChanged': {
      const { target } = command;
      const wanted = awaited(state, command);
      if (wanted === null) return accept();
      const { generation, shareBp } = wanted;
      return accept<RolloutEvent>({
        type: 'ExposureChanged',
        data: { rollout: state.id, target, generation, shareBp },
      });
    }
    case 'RecordExposureFailed': {
      const { target, generation, error } = command;
      if (awaited(state, command) === null || state.targets[target]?.error === error) return accept();
      return accept<RolloutEvent>({ type: 'ExposureFailed', data: { rollout: state.id, target, generation, error } });
    }
    case 'AssessRollout':
      return assess(state, command.at, command.facts);
    default:
      return unreachable(command);
  }
};
