import { leftoverWords, type RecordedVerdict } from '../events/index.js';
import { BEFORE_AFTER } from '../gate/index.js';
import { absences } from './rollout.absent.js';
import { notYetBack } from './rollout.back-out.js';
import { namesOf, silenceFaults } from './rollout.convergence.js';
import { lasting, roughly, seconds } from './durations.js';
import { notYetKnown } from './rollout.delay.js';
import type { Facts, StageFacts } from './rollout.facts.js';
import { chosenNow, drawFaults } from './rollout.instances.js';
import { waitsForParity } from './rollout.parity.js';
import { trackOf, type Rollout } from './rollout.state.js';
import { isLeaving, isTakenBack, liveTargets, liveTracks, type Track } from './tracks.js';

/** Name of the stage in which verdicts are about the whole rollout. */
export const WATCH = 'watch';

const unconverged = (rollout: Rollout, track: Track, facts: Facts): string[] =>
  track.targets.flatMap(({ target }) => {
    const progress = rollout.targets[target];
    const silent = silenceFaults(rollout, target, facts.targets[target]);
    if (!progress?.wanted || progress.converged >= progress.wanted.generation) return silent;
    if (progress.delivered < progress.wanted.generation) {
      return [progress.error === null ? `${target}: delivery` : `${target}: delivery, which failed: ${progress.error}`];
    }
    const known = facts.targets[target];
    if (known?.instances === 0 && known.takenWithinMs !== undefined)
      return [`${target}: ${seconds(known.takenWithinMs)} from the delivery on, in which every instance reads it`];
    if (!known || known.instances === 0) return [`${target}: no live instance has acknowledged anything`];
    if (known.acknowledged === known.instances && silent.length > 0) return silent;
    const { behind = [] } = known;
    const names = behind.length === 0 ? '' : ` (not yet ${namesOf(behind)})`;
    const words = `${known.acknowledged} of ${known.instances} instances have acknowledged generation ${progress.wanted.generation}`;
    return [`${target}: ${words}${names}`, ...silent];
  });

type Stage = Track['stages'][number];

/** Facts that were gathered while the track was in another stage are none. */
export const factsOfStage = (track: Track, stage: Stage, facts: Facts): StageFacts | undefined => {
  const known = facts.stages[track.name];
  return known?.stage === stage.name ? known : undefined;
};

/** How many units must be seen, in words; of a config assigned by instance no more than the instances chosen. */
const activationOf = (rollout: Rollout, target: string, stage: Stage, facts: Facts) => {
  if (rollout.assignment !== 'instance') return { asked: stage.activation, what: 'units', gone: '' };
  const { here, gone } = chosenNow(rollout, target, facts);
  const words = gone === 0 ? '' : ` (${gone} of ${here + gone} chosen ${gone === 1 ? 'is' : 'are'} gone)`;
  return { asked: Math.min(stage.activation, here), what: 'instances', gone: words };
};

const notActivated = (rollout: Rollout, track: Track, stage: Stage, facts: Facts): string[] =>
  track.targets.flatMap(({ target, models, hardware }) =>
    models.flatMap((model) => {
      const seen = factsOfStage(track, stage, facts)?.activation.find(
        (cell) => cell.target === target && cell.model === model,
      );
      const units = seen?.units ?? 0;
      const cell = hardware === null ? `${target} × ${model}` : `${target} (${hardware}) × ${model}`;
      const { asked, what, gone } = activationOf(rollout, target, stage, facts);
      return units >= asked ? [] : [`activation: ${units} of ${asked} ${what} on ${cell}${gone}`];
    }),
  );

/** Signals that may be missing, and are. */
const dispensable = (rollout: Rollout, facts: Facts): ReadonlySet<string> =>
  new Set(absences(rollout, facts, 'warn').map(({ signal }) => signal.signal));

/** A `fail` of a signal that decides, on what is still out. */
export const isBad = (rollout: Rollout, { verdict, shadow, track }: RecordedVerdict): boolean =>
  verdict === 'fail' && !shadow && (track === null || !isTakenBack(rollout, track));

/** What a `fail` of its signal does. */
export const onFailOf = ({ plan }: Rollout, { signal }: RecordedVerdict): 'roll-back' | 'hold' | 'warn' =>
  plan.signals.find((each) => each.signal === signal)?.onFail ?? 'roll-back';

/** Says what was counted before and since: it is never proof that all is well. Where nothing was counted it says nothing. */
const isObservation = ({ method, verdict }: RecordedVerdict): boolean =>
  method === BEFORE_AFTER && verdict === 'inconclusive';

const ONLY_OBSERVED = 'no signal compares the arms, so none can show that this is harmless: going on takes a promote';

const ALL_OF_WATCH = { name: WATCH, samples: 0 };

const unproven = (
  rollout: Rollout,
  facts: Facts,
  track: string | null,
  stage: { readonly name: string; readonly samples: number },
): string[] => {
  const without = dispensable(rollout, facts);
  const deciding = rollout.plan.signals.filter(({ signal, shadow }) => !shadow && !without.has(signal));
  const judged = deciding.map(({ signal, title, onFail }) => {
    const verdict = facts.verdicts.find(
      (candidate) => candidate.signal === signal && candidate.track === track && candidate.stage === stage.name,
    );
    return { title, onFail, verdict };
  });
  const missing = judged.flatMap(({ title, onFail, verdict }) => {
    if (verdict === undefined) return [`${title}: not measured`];
    const isBorne = verdict.verdict === 'fail' && onFail === 'warn';
    const requests = verdict.counts.candidateRequests;
    // What is only warned of may be shown before the stage has what it asks for.
    if (isBorne && requests < stage.samples)
      return [`${title}: ${requests} of the ${stage.samples} candidate requests that are needed`];
    return verdict.verdict === 'pass' || isBorne || isObservation(verdict) ? [] : [verdict.sentence];
  });
  const isOnlyObserved = judged.length > 0 && judged.every(({ verdict }) => verdict && isObservation(verdict));
  return isOnlyObserved ? [ONLY_OBSERVED] : missing;
};

const unmeasured = (rollout: Rollout, targets: readonly string[], facts: Facts): string[] => {
  const without = dispensable(rollout, facts);
  return (facts.unmeasured ?? [])
    .filter(({ target, signal }) => targets.includes(target) && !without.has(signal))
    .map(({ signal, target, ms }) => `${signal}: not measured on ${target} ${ms === 0 ? 'yet' : `for ${lasting(ms)}`}`);
};

/** What the first requests of the stage came to need not be known yet, however good it looks. */
const early = (rollout: Rollout, facts: Facts, lasted: string, ms: number): string[] => {
  const without = dispensable(rollout, facts);
  return notYetKnown(rollout, ms)
    .filter(({ signal }) => !without.has(signal))
    .map(
      ({ title, delayMs }) => `${title}: known up to ${roughly(delayMs)} after the request, ${lasted} ${roughly(ms)}`,
    );
};

/** What a track's stage still lacks before it may pass, in words; empty when it has all of it. */
export const missingForStage = (rollout: Rollout, track: Track, facts: Facts): readonly string[] => {
  const stage = track.stages[trackOf(rollout, track.name).stage];
  if (!stage) return [];
  const baked = factsOfStage(track, stage, facts)?.bakedMs ?? 0;
  return [
    ...(rollout.held === null ? [] : [`held: ${rollout.held.reason}`]),
    ...(facts.skew === undefined ? [] : [facts.skew]),
    ...unconverged(rollout, track, facts),
    ...(baked >= stage.bakeMs ? [] : [`bake: ${lasting(baked)} of ${lasting(stage.bakeMs)}`]),
    ...early(rollout, facts, 'the stage has lasted', baked),
    ...notActivated(rollout, track, stage, facts),
    ...unmeasured(
      rollout,
      track.targets.map(({ target }) => target),
      facts,
    ),
    ...unproven(rollout, facts, track.name, stage),
    ...drawFaults(rollout, track, trackOf(rollout, track.name).stage + 1, facts.instances),
  ];
};

/** Tracks whose turn it is, and that cannot begin. */
const unopened = (rollout: Rollout, facts: Facts): string[] =>
  liveTracks(rollout).flatMap((track) => {
    const { after } = track;
    if (after === null || trackOf(rollout, track.name).stage >= 0) return [];
    const isReached = trackOf(rollout, after.track).passed.some(({ name }) => name === after.stage);
    return isReached ? drawFaults(rollout, track, 0, facts.instances).map((fault) => `${track.name}: ${fault}`) : [];
  });

/** What the watch still lacks before the rollout, or what is left of it, may settle. */
export const missingForSettling = (rollout: Rollout, facts: Facts): readonly string[] => [
  ...(rollout.held === null ? [] : [`held: ${rollout.held.reason}`]),
  ...(facts.skew === undefined ? [] : [facts.skew]),
  ...liveTracks(rollout).flatMap((track) => unconverged(rollout, track, facts)),
  ...(facts.watch.bakedMs >= rollout.plan.watchMs
    ? []
    : [`watch: ${lasting(facts.watch.bakedMs)} of ${lasting(rollout.plan.watchMs)}`]),
  ...early(rollout, facts, 'the watch has lasted', facts.watch.bakedMs),
  ...unmeasured(rollout, liveTargets(rollout), facts),
  ...(rollout.plan.rollbackScope === 'rollout'
    ? unproven(rollout, facts, null, ALL_OF_WATCH)
    : liveTracks(rollout).flatMap(({ name }) => unproven(rollout, facts, name, ALL_OF_WATCH))),
];

/** Targets from which the candidate is still to be taken back. */
const leaving = (rollout: Rollout, facts: Facts): readonly string[] =>
  Object.entries(rollout.targets).flatMap(([target, progress]) => {
    if (!isLeaving(progress) || progress.ended !== null) return [];
    const { leftover, readError } = facts.targets[target] ?? {};
    if (progress.readBack) {
      const quiet = `until no request has come to r${rollout.revision} for ${lasting(rollout.plan.drainMs)}`;
      return [`${target}: drain, ${quiet}${leftover === undefined ? '' : `: ${leftoverWords(leftover)}`}`];
    }
    if (progress.error !== null) return [`${target}: reading back, but delivery fails: ${progress.error}`];
    return [`${target}: reading back${readError === undefined ? '' : `, which fails: ${readError}`}`];
  });

/** What tracks that are in a stage wait for; where none is in one, a hold is named all the same. */
const inStages = (rollout: Rollout, facts: Facts): readonly string[] => {
  const missing = liveTracks(rollout).flatMap((track) => {
    const { stage } = trackOf(rollout, track.name);
    const name = track.stages[stage]?.name;
    return name === undefined
      ? []
      : missingForStage(rollout, track, facts).map((what) => `${track.name}/${name} ${what}`);
  });
  return missing.length === 0 && rollout.held !== null ? [`held: ${rollout.held.reason}`] : missing;
};

/** What the rollout as a whole waits for now. */
export const waitingFor = (rollout: Rollout, facts: Facts): readonly string[] => {
  switch (rollout.status) {
    case 'staging':
      return [...inStages(rollout, facts), ...waitsForParity(rollout, facts), ...unopened(rollout, facts)];
    case 'watching':
      return missingForSettling(rollout, facts);
    case 'settling':
      return [
        ...(rollout.held === null ? [] : [`held: ${rollout.held.reason}`]),
        ...liveTracks(rollout).flatMap((track) => unconverged(rollout, track, facts)),
        ...(notYetBack(rollout).length === 0 ? [] : leaving(rollout, facts)),
      ];
    case 'rolling-back':
    case 'settled':
    case 'superseded':
      return leaving(rollout, facts);
    default:
      return [];
  }
};
