import { accept, reject, type Decision } from '#libs/kernel';
import type { RolloutEvent } from '../events/index.js';
import { isFailure, mayFollow, openTrack } from './rollout.assess.js';
import { enterStage, requestExposure } from './rollout.exposing.js';
import type { Facts } from './rollout.facts.js';
import { drawFaults, drawsOf } from './rollout.instances.js';
import { missingForSettling, missingForStage, waitingFor, WATCH } from './rollout.missing.js';
import { disparity, missingParity } from './rollout.parity.js';
import { isOver, trackOf, type Rollout } from './rollout.state.js';
import { liveTargets, liveTracks } from './tracks.js';

/** A person sends on what has not shown all it should, under their name. */
export type PromoteRollout = {
  readonly type: 'PromoteRollout';
  readonly reason: string;
  readonly track: string | null;
  /** What the caller saw it in, such as `api/10%` or `watch`; null: whatever it is in now. */
  readonly stages: readonly string[] | null;
  readonly facts: Facts;
};

export const finished = (state: Rollout): Decision<never> =>
  reject(
    'rollout-already-finished',
    `Rollout ${state.id} is ${state.status}: nothing can be changed any more. Start another one.`,
  );

const failing = (state: Rollout, facts: Facts): string | undefined =>
  [...facts.verdicts, ...Object.values(state.verdicts)].find((verdict) => isFailure(state, verdict))?.sentence;

const movedOn = (state: Rollout, stages: readonly string[]): Decision<never> => {
  const what =
    stages.length === 0 ? 'has entered a stage since it was looked at' : `is not in ${stages.join(', ')} any more`;
  return reject(
    'stage-has-passed',
    `Rollout ${state.id} ${what}: look again, then promote. See: headgate status ${state.id}`,
    '/stages',
  );
};

/** Stands for the stage of a track that has not begun: it waits for parity. */
const PARITY = 'parity';

/** A track that is named and has not begun for want of parity begins all the same; what was missing is listed. */
const promoteBeyondParity = (state: Rollout, command: PromoteRollout): readonly RolloutEvent[] => {
  const { track: name, stages, facts, reason } = command;
  const track = liveTracks(state).find((each) => each.name === name);
  if (track === undefined || track.parity.length === 0 || trackOf(state, track.name).stage >= 0) return [];
  const isMeant = stages === null || stages.includes(`${track.name}/${PARITY}`);
  if (!isMeant || !mayFollow(state, track)) return [];
  const missing = [...missingParity(state, track, facts)];
  return [
    { type: 'BakeSkipped', data: { rollout: state.id, track: track.name, stage: PARITY, reason, missing } },
    ...openTrack(state, track, facts),
  ];
};

/** Nothing of what is meant is in a stage now: it has moved on, or what it waits for is no evidence. */
const notInStage = (state: Rollout, { stages, track, facts }: PromoteRollout): Decision<never> => {
  const isInAny = liveTracks(state).some(({ name, stages: all }) => all[trackOf(state, name).stage] !== undefined);
  if (stages !== null && (stages.length > 0 || isInAny)) return movedOn(state, stages);
  const waits = waitingFor(state, facts);
  const which = track === null ? 'no track is' : `track ${track} is not`;
  const why = waits.length === 0 ? '' : ` It waits for: ${waits.join('; ')}.`;
  return reject(
    'nothing-to-promote',
    `In rollout ${state.id} ${which} in a stage that could be promoted.${why} See: headgate status ${state.id}`,
    '/track',
  );
};

const promoteStages = (state: Rollout, command: PromoteRollout): Decision<RolloutEvent> => {
  const inStage = liveTracks(state).filter((track) => {
    const name = track.stages[trackOf(state, track.name).stage]?.name;
    const isMeant = command.stages === null || command.stages.includes(`${track.name}/${name}`);
    return name !== undefined && isMeant && (command.track === null || command.track === track.name);
  });
  const begun = promoteBeyondParity(state, command);
  if (begun.length > 0) return accept<RolloutEvent>(...begun);
  if (inStage.length === 0) {
    const [waiting] = liveTracks(state).filter((track) => missingParity(state, track, command.facts).length > 0);
    if (waiting !== undefined && command.track === null)
      return reject(
        'nothing-to-promote',
        `In rollout ${state.id} no track is in a stage now, and ${waiting.name} waits for parity: name that track to let it begin without (--track ${waiting.name}).`,
        '/track',
      );
    return notInStage(state, command);
  }
  const { instances } = command.facts;
  const [fault] = inStage.flatMap((track) => drawFaults(state, track, trackOf(state, track.name).stage + 1, instances));
  if (fault !== undefined) return reject('too-few-instances', `The next stage cannot be drawn: ${fault}.`, '/track');
  const draws = drawsOf(state, instances);
  return accept<RolloutEvent>(
    ...inStage.flatMap((track): RolloutEvent[] => {
      const { stage } = trackOf(state, track.name);
      const name = track.stages[stage]?.name ?? '';
      const { id: rollout } = state;
      const known = command.facts.stages[track.name];
      const bakedMs = known?.stage === name ? known.bakedMs : 0;
      const missing = [...missingForStage(state, track, command.facts)];
      return [
        { type: 'BakeSkipped', data: { rollout, track: track.name, stage: name, reason: command.reason, missing } },
        { type: 'StagePassed', data: { rollout, track: track.name, stage: name, bakedMs, sentences: [] } },
        ...(stage + 1 < track.stages.length ? enterStage(state, controlsOf(state), track, stage + 1, draws) : []),
      ];
    }),
  );
};

const controlsOf = (state: Rollout): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(state.targets).map(([target, { control }]) => [target, control]));

/** A track that is named must be there, and have a stage of its own to be sent on from. */
const trackFault = (state: Rollout, track: string | null): Decision<never> | undefined => {
  if (track === null) return undefined;
  const names = state.plan.tracks.map(({ name }) => name);
  if (!names.includes(track))
    return reject(
      'track-not-found',
      `Rollout ${state.id} has no track ${track}. Its tracks: ${names.join(', ')}.`,
      '/track',
    );
  if (state.status === 'staging') return undefined;
  const message = `Rollout ${state.id} is watched as a whole: leave the track out to end its watch.`;
  return reject('nothing-to-promote', message, '/track');
};

export const promote = (state: Rollout, command: PromoteRollout): Decision<RolloutEvent> => {
  if (isOver(state)) return finished(state);
  if (state.status === 'rolling-back') {
    return reject('rollback-under-way', `Rollout ${state.id} is being rolled back: it cannot be promoted.`);
  }
  const fault = failing(state, command.facts);
  if (fault !== undefined)
    return reject('guardrail-failed', `Rollout ${state.id} cannot be promoted past a failed signal: ${fault}`);
  const differing = disparity(state, command.facts);
  if (differing !== undefined)
    return reject('parity-failed', `Rollout ${state.id} cannot be promoted while platforms differ: ${differing}`);
  if (state.held?.by === 'person') {
    return reject('rollout-held', `Rollout ${state.id} is paused (${state.held.reason}): resume it first.`);
  }
  const wrongTrack = trackFault(state, command.track);
  if (wrongTrack) return wrongTrack;
  if (state.status === 'staging') return promoteStages(state, command);
  if (state.status === 'settling') return accept();
  if (command.stages !== null && !command.stages.includes(WATCH)) return movedOn(state, command.stages);
  const missing = [...missingForSettling(state, command.facts)];
  return accept<RolloutEvent>(
    {
      type: 'BakeSkipped',
      data: { rollout: state.id, track: '*', stage: 'watch', reason: command.reason, missing },
    },
    ...liveTargets(state).map((target) => requestExposure(state, target, 10_000, 'settle')),
  );
};
