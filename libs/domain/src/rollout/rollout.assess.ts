import { accept, type Decision } from '#libs/kernel';
import type { RecordedVerdict, RolloutEvent } from '../events/index.js';
import { absences, absenceWords } from './rollout.absent.js';
import { enterStage, requestExposure } from './rollout.exposure.js';
import { drawFaults, drawsOf } from './rollout.instances.js';
import type { Facts, TargetFacts } from './rollout.facts.js';
import { factsOfStage, isBad, missingForSettling, missingForStage, onFailOf, WATCH } from './rollout.missing.js';
import { changedParities, disparity, missingParity, standingParities } from './rollout.parity.js';
import { backOut, isOut, rolledBack, takeBack } from './rollout.rollback.js';
import { trackOf, verdictKey, type Rollout, type TargetProgress } from './rollout.state.js';
import { isTakenBack, liveTargets, liveTracks, targetsOf, withTakenBack, type Track } from './tracks.js';

/** Every verdict with its newest counts: what was known when a stage ended, changed or not. */
export const standingVerdicts = (rollout: string, verdicts: readonly RecordedVerdict[]): RolloutEvent[] =>
  verdicts.map((verdict) => ({ type: 'VerdictRecorded', data: { rollout, verdict } }));

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

/** Whether every instance has this generation: by its own word, or where none speaks by the time it takes to read it. */
const hasTaken = (progress: TargetProgress, wanted: number, known: TargetFacts, at: number): boolean => {
  if (known.instances > 0 || known.takenWithinMs === undefined)
    return known.instances > 0 && known.acknowledged === known.instances && known.acknowledgedGeneration >= wanted;
  return progress.deliveredAt !== null && at - progress.deliveredAt >= known.takenWithinMs;
};

const converged = (rollout: Rollout, at: number, facts: Facts): RolloutEvent[] =>
  Object.entries(rollout.targets).flatMap(([target, progress]): RolloutEvent[] => {
    const known = facts.targets[target];
    const wanted = progress.wanted?.generation;
    if (wanted === undefined || !known || progress.delivered < wanted || progress.converged >= wanted) return [];
    return hasTaken(progress, wanted, known, at)
      ? [
          {
            type: 'TargetConverged',
            data: { rollout: rollout.id, target, generation: wanted, instances: known.instances },
          },
        ]
      : [];
  });

/** Whether the stage of another track that this one waits for has passed, if it waits for any. */
export const mayFollow = (rollout: Rollout, { after }: Track): boolean =>
  after === null || trackOf(rollout, after.track).passed.some(({ name }) => name === after.stage);

const controlsOf = (rollout: Rollout): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(rollout.targets).map(([target, { control }]) => [target, control]));

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

const silence = (rollout: Rollout, facts: Facts): string | undefined => {
  if (rollout.status === 'watching') {
    return facts.watch.silentMs > rollout.plan.graceMs ? 'the watch: no evidence arrives' : undefined;
  }
  if (rollout.status !== 'staging') return undefined;
  const silent = liveTracks(rollout)
    .filter((track) => trackOf(rollout, track.name).stage >= 0)
    .filter((track) => (facts.stages[track.name]?.silentMs ?? 0) > rollout.plan.graceMs)
    .map(({ name }) => name);
  return silent.length > 0 ? `${silent.join(', ')}: no evidence arrives` : undefined;
};

/** Names each signal that nobody has measured for longer than the grace, and where. */
const blindness = (rollout: Rollout, facts: Facts): string | undefined => {
  const said = absences(rollout, facts, 'hold').map(absenceWords);
  return said.length > 0 ? `${said.join('; ')}: see whether its check still runs there` : undefined;
};

/** What is gone on without, as far as that has changed. */
const warnings = (rollout: Rollout, facts: Facts): RolloutEvent[] => {
  const { id, without } = rollout;
  const missing = absences(rollout, facts, 'warn');
  const names = missing.map(({ signal }) => signal.signal);
  return [
    ...missing
      .filter(({ signal }) => !without.includes(signal.signal))
      .map((absence): RolloutEvent => {
        const data = { signal: absence.signal.signal, targets: [...absence.targets], sentence: absenceWords(absence) };
        return { type: 'EvidenceMissing', data: { rollout: id, ...data } };
      }),
    ...without
      .filter((signal) => !names.includes(signal) && (rollout.status === 'staging' || rollout.status === 'watching'))
      .map((signal): RolloutEvent => ({ type: 'EvidenceReturned', data: { rollout: id, signal } })),
  ];
};

/** A signal without which the rollout may not stay: as a failure of it, in the track where it is missing. */
const lost = (rollout: Rollout, facts: Facts): Failure | undefined => {
  const [absence] = absences(rollout, facts, 'roll-back');
  if (absence === undefined) return undefined;
  const track = rollout.plan.tracks.find((each) => targetsOf([each]).includes(absence.targets[0] ?? ''));
  const sentence = `${absence.signal.title}: ${absenceWords(absence)}, and without it the rollout may not stay`;
  return { signal: absence.signal.signal, sentence, track: track?.name ?? null };
};

/** Signals that are shown to be bad, and hold the rollout for it. */
const worry = (rollout: Rollout, facts: Facts): string | undefined => {
  if (rollout.status !== 'staging' && rollout.status !== 'watching') return undefined;
  const bad = facts.verdicts.filter((verdict) => isBad(rollout, verdict) && onFailOf(rollout, verdict) === 'hold');
  return bad.length > 0 ? bad.map(({ sentence }) => sentence).join('; ') : undefined;
};

const skew = ({ status }: Rollout, facts: Facts): string | undefined =>
  status === 'staging' || status === 'watching' ? facts.skew : undefined;

const drift = ({ status }: Rollout, facts: Facts): string | undefined =>
  status === 'staging' || status === 'watching' || status === 'settling' ? facts.drift : undefined;

/** Holds that nobody asked for: a pause that has run out, nothing measured, platforms that differ. */
const holds = (rollout: Rollout, at: number, facts: Facts): RolloutEvent[] => {
  const { held, id } = rollout;
  if (held?.by === 'person') {
    return held.until !== null && at >= held.until
      ? [{ type: 'RolloutResumed', data: { rollout: id, by: 'policy', reason: 'the pause has run out' } }]
      : [];
  }
  const reason =
    drift(rollout, facts) ??
    silence(rollout, facts) ??
    blindness(rollout, facts) ??
    skew(rollout, facts) ??
    disparity(rollout, facts) ??
    worry(rollout, facts);
  if (reason !== undefined && held === null) {
    return [{ type: 'RolloutHeld', data: { rollout: id, by: 'policy', reason, until: null } }];
  }
  return reason === undefined && held !== null
    ? [{ type: 'RolloutResumed', data: { rollout: id, by: 'policy', reason: 'what it was held for is over' } }]
    : [];
};

const goOn = (rollout: Rollout, facts: Facts): RolloutEvent[] => {
  if (rollout.held !== null) return [];
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
      return everywhere && isOut(rollout)
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

/** What a degradation is found by: a verdict, or that there can be none. */
type Failure = Pick<RecordedVerdict, 'signal' | 'sentence' | 'track'>;

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

/**
 * One look at a running rollout. A `fail` takes back what the plan says, whatever else is the case; otherwise what came
 * true is recorded, and the rollout goes on where nothing is missing. One step at a time: assess again after each append.
 */
export const assess = (rollout: Rollout, at: number, facts: Facts): Decision<RolloutEvent> => {
  const out = [...converged(rollout, at, facts), ...backOut(rollout, at, facts)];
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
