import { accept, type Decision } from '#libs/kernel';
import type { RecordedVerdict, RolloutEvent } from '../events/index.js';
import { backOut, notYetBack, rolledBack } from './rollout.back-out.js';
import { controlsOf, enterStage, requestExposure, standingVerdicts, takeBack } from './rollout.exposing.js';
import { absentFrom, hasConverged } from './rollout.convergence.js';
import type { Facts } from './rollout.facts.js';
import { holds, lost, warnings, type Failure } from './rollout.holds.js';
import { drawFaults, drawsOf } from './rollout.instances.js';
import { factsOfStage, isBad, missingForSettling, missingForStage, onFailOf, WATCH } from './rollout.missing.js';
import { changedParities, missingParity, standingParities } from './rollout.parity.js';
import { isOver, trackOf, verdictKey, type Rollout } from './rollout.state.js';
import { isOnWayBack, isTakenBack, liveTargets, liveTracks, withTakenBack, type Track } from './tracks.js';

const exposedStages = (rollout: Rollout, tracks: readonly Track[]): string[] =>
  tracks.flatMap((track) => {
    const { stage } = trackOf(rollout, track.name);
    const name = stage < 0 ? undefined : (track.stages[stage]?.name ?? 'watch');
    return name === undefined ? [] : [`${track.name}/${name}`];
  });

/** Whether a verdict is about what the rollout is in now, not about a stage that was left since it was made. */
const isCurrent = (rollout: Rollout, { track, stage }: RecordedVerdict): boolean => {
  if (track === null) return rollout.status !== 'staging';
  if (isTakenBack(rollout, track)) return false;
  const stages = rollout.plan.tracks.find(({ name }) => name === track)?.stages;
  const current = stages?.[trackOf(rollout, track).stage]?.name;
  return stage === (current ?? WATCH) && (current === undefined || rollout.status === 'staging');
};

const changedVerdicts = (rollout: Rollout, verdicts: readonly RecordedVerdict[]): RolloutEvent[] =>
  verdicts
    .filter((verdict) => {
      if (verdict.verdict !== 'fail' && !isCurrent(rollout, verdict)) return false;
      const before = rollout.verdicts[verdictKey(verdict)];
      return before?.verdict !== verdict.verdict || before.stage !== verdict.stage;
    })
    .map((verdict) => ({ type: 'VerdictRecorded', data: { rollout: rollout.id, verdict } }));

const converged = (rollout: Rollout, at: number, facts: Facts): RolloutEvent[] =>
  Object.entries(rollout.targets).flatMap(([target, progress]): RolloutEvent[] => {
    const known = facts.targets[target];
    const wanted = progress.wanted?.generation;
    if (wanted === undefined || !known || progress.delivered < wanted || progress.converged >= wanted) return [];
    if (!hasConverged(rollout, progress, known, at)) return [];
    const data = { rollout: rollout.id, target, generation: wanted, instances: known.instances };
    return [{ type: 'TargetConverged', data: { ...data, absent: absentFrom(known) } }];
  });

/** Whether the stage of another track that this one waits for has passed, if it waits for any. */
export const mayFollow = (rollout: Rollout, { after }: Track): boolean =>
  after === null || trackOf(rollout, after.track).passed.some(({ name }) => name === after.stage);

/** A track begins, with what was shown of the parity that it asked for. */
export const openTrack = (rollout: Rollout, track: Track, facts: Facts): RolloutEvent[] => [
  ...standingParities(rollout, track, facts),
  ...enterStage(rollout, controlsOf(rollout), track, 0, drawsOf(rollout, facts.instances)),
];

const openTracks = (rollout: Rollout, facts: Facts): RolloutEvent[] =>
  liveTracks(rollout).flatMap((track) => {
    const waits = (track.after !== null || track.parity.length > 0) && trackOf(rollout, track.name).stage < 0;
    const may = waits && mayFollow(rollout, track) && missingParity(rollout, track, facts).length === 0;
    const canDraw = drawFaults(rollout, track, 0, facts.instances).length === 0;
    return may && canDraw ? openTrack(rollout, track, facts) : [];
  });

const sentencesOf = (facts: Facts, track: string | null): string[] =>
  facts.verdicts.filter((verdict) => verdict.track === track && !verdict.shadow).map(({ sentence }) => sentence);

const advance = (rollout: Rollout, facts: Facts): RolloutEvent[] => {
  const controls = controlsOf(rollout);
  return liveTracks(rollout).flatMap((track): RolloutEvent[] => {
    const index = trackOf(rollout, track.name).stage;
    const stage = track.stages[index];
    if (!stage || missingForStage(rollout, track, facts).length > 0) return [];
    const bakedMs = factsOfStage(track, stage, facts)?.bakedMs ?? 0;
    const data = { rollout: rollout.id, track: track.name, stage: stage.name, bakedMs };
    const verdicts = facts.verdicts.filter((verdict) => verdict.track === track.name && verdict.stage === stage.name);
    return [
      ...standingVerdicts(rollout.id, verdicts),
      { type: 'StagePassed', data: { ...data, sentences: sentencesOf(facts, track.name) } },
      ...(index + 1 < track.stages.length
        ? enterStage(rollout, controls, track, index + 1, drawsOf(rollout, facts.instances))
        : []),
    ];
  });
};

const allTracksPassed = (rollout: Rollout): boolean =>
  liveTracks(rollout).every((track) => trackOf(rollout, track.name).passed.length === track.stages.length);

/**
 * Whether a hold keeps it where it is. Where a person has promoted the last stage, what a policy holds it for is waited for
 * in the watch: that exposes nothing more, and there it can be promoted again.
 */
const isKept = (rollout: Rollout): boolean =>
  rollout.held !== null && (rollout.held.by === 'person' || rollout.status !== 'staging' || !allTracksPassed(rollout));

const goOn = (rollout: Rollout, facts: Facts): RolloutEvent[] => {
  if (isKept(rollout)) return [];
  switch (rollout.status) {
    case 'staging': {
      const passed = advance(rollout, facts);
      if (passed.length > 0) return passed;
      const opened = openTracks(rollout, facts);
      if (opened.length > 0) return opened;
      return allTracksPassed(rollout)
        ? [{ type: 'FullyExposed', data: { rollout: rollout.id, holdbackBp: rollout.plan.holdbackBp } }]
        : [];
    }
    case 'watching':
      return missingForSettling(rollout, facts).length > 0
        ? []
        : [
            ...standingVerdicts(
              rollout.id,
              facts.verdicts.filter(({ stage }) => stage === WATCH),
            ),
            ...liveTargets(rollout).map((target) => requestExposure(rollout, target, 10_000, 'settle')),
          ];
    case 'settling': {
      const { id, config, revision } = rollout;
      const targets = [...liveTargets(rollout)];
      const everywhere = targets.every((target) => {
        const { wanted, converged: done } = rollout.targets[target] ?? { wanted: null, converged: 0 };
        return wanted !== null && done >= wanted.generation;
      });
      return everywhere && notYetBack(rollout).length === 0
        ? [{ type: 'RolloutSettled', data: { rollout: id, config, revision, targets } }]
        : [];
    }
    default:
      return [];
  }
};

/** A verdict that takes back what is still out: a shadow decides nothing, and what was taken back is settled. */
export const isFailure = (rollout: Rollout, verdict: RecordedVerdict): boolean =>
  isBad(rollout, verdict) && onFailOf(rollout, verdict) === 'roll-back';

/** The track that a `fail` takes back; null when it takes back the rollout: by its plan, or since nothing else is left. */
const takenBackBy = (rollout: Rollout, { track }: Failure): Track | null => {
  if (rollout.plan.rollbackScope === 'rollout' || track === null) return null;
  const isLast = liveTracks(withTakenBack(rollout, track)).length === 0;
  return isLast ? null : (rollout.plan.tracks.find(({ name }) => name === track) ?? null);
};

const degraded = (rollout: Rollout, failed: Failure, facts: Facts): RolloutEvent[] => {
  const { signal, sentence } = failed;
  const track = takenBackBy(rollout, failed);
  const stages = exposedStages(rollout, track === null ? liveTracks(rollout) : [track]);
  const standing = facts.verdicts.filter((verdict) => track === null || verdict.track === track.name);
  return [
    ...standingVerdicts(rollout.id, standing),
    { type: 'DegradationDetected', data: { rollout: rollout.id, signal, stages, sentence } },
    ...takeBack(rollout, { cause: 'degradation', reason: sentence, track, onCandidate: facts.onCandidate }),
  ];
};

/** Of one that is over: what it had taken back of a track alone may still have to drain. */
const onWayBack = (rollout: Rollout): Rollout => ({
  ...rollout,
  targets: Object.fromEntries(Object.entries(rollout.targets).filter(([, progress]) => isOnWayBack(progress))),
});

/**
 * One look at a rollout. A `fail` takes back what the plan says, whatever else is the case; otherwise what came
 * true is recorded, and the rollout goes on where nothing is missing. One step at a time: assess again after each append.
 */
export const assess = (rollout: Rollout, at: number, facts: Facts): Decision<RolloutEvent> => {
  const moving = isOver(rollout) ? onWayBack(rollout) : rollout;
  const out = [...converged(moving, at, facts), ...backOut(moving, at, facts)];
  if (isOver(rollout)) return accept<RolloutEvent>(...out);
  if (rollout.status === 'rolling-back')
    return accept<RolloutEvent>(...(out.length > 0 ? out : rolledBack(rollout, at)));
  const failed = facts.verdicts.find((verdict) => isFailure(rollout, verdict)) ?? lost(rollout, facts);
  if (failed) return accept<RolloutEvent>(...degraded(rollout, failed, facts));
  const recorded = [
    ...out,
    ...changedVerdicts(rollout, facts.verdicts),
    ...changedParities(rollout, facts),
    ...warnings(rollout, facts),
    ...holds(rollout, at, facts),
  ];
  return accept<RolloutEvent>(...recorded, ...(recorded.length > 0 ? [] : goOn(rollout, facts)));
};
