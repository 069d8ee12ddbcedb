import type { History } from '../play.js';
import { rolloutDecider, type Rollout } from '#libs/domain';
import { endsOf, isExposed, isPromoted, lifeOf, momentsOf, type Moment, type Of, type Rule } from './log.js';
import { failingLooks, judgedAgain } from './replay.js';

/** Rule 2: wherever something is exposed, an abort is taken and asks every exposed target for its control. */
export const abortIsAlwaysTaken: Rule = (history) =>
  momentsOf(history).flatMap(({ event, after }) => {
    if (!isExposed(after) || after.endedAt !== null || after.status === 'rolling-back') return [];
    const decision = rolloutDecider.decide(after, { type: 'AbortRollout', reason: 'now' });
    if (decision.accepted && decision.events.some(({ type }) => type === 'RollbackStarted')) return [];
    return [`rollout ${after.id} cannot be aborted after position ${event.position}`];
  });

/** As many controllers may die, or lose the database, between a look and what they would write. */
const MOST_INTERRUPTED = 12;
/** What is recorded of deliveries rests on no look. */
const DELIVERED = new Set(['ExposureChanged', 'ExposureFailed']);

/** Rule 2: whoever sees a signal fail takes the rollout back and does nothing else, however the world stands. */
export const failuresLeadBack: Rule = (history) =>
  endsOf(history).flatMap((rollout) => {
    const failing = failingLooks(history, rollout);
    if (failing.length === 0) return [];
    const moments = lifeOf(history, rollout.id);
    const back =
      moments.find(({ event }) => event.type === 'RollbackStarted')?.event.position ?? Number.POSITIVE_INFINITY;
    const end = moments.find(({ after }) => after.endedAt !== null)?.event.position ?? Number.POSITIVE_INFINITY;
    const unheeded = failing.filter(({ head }) => head < Math.min(back, end));
    const looks = new Map(failing.map((each) => [each.look, each.signal]));
    return [
      ...(unheeded.length > MOST_INTERRUPTED
        ? [
            `rollout ${rollout.id} was not taken back in ${unheeded.length} looks that showed ${unheeded[0]?.signal} to fail`,
          ]
        : []),
      ...moments.flatMap((moment) => {
        const { event, before, recorded, together } = moment;
        const signal = looks.get(history.witness.decidedOn.get(event.position) ?? 0);
        const isAssessed = recorded.metadata.actor.kind === 'automation' && !DELIVERED.has(event.type);
        const isOpen = before && before.status !== 'rolling-back' && before.endedAt === null;
        if (signal === undefined || !isAssessed || !isOpen) return [];
        const isTaken = together.some(({ type }) => type === 'RollbackStarted');
        return isTaken ? [] : [`rollout ${rollout.id} has ${event.type} at ${event.position} although ${signal} fails`];
      }),
    ];
  });

const deciding = (rollout: Rollout): readonly string[] =>
  rollout.plan.signals.flatMap(({ signal, shadow }) => (shadow ? [] : [signal]));

const passedByEvidence = (moment: Moment): moment is Moment & { readonly event: Of<'StagePassed'> } =>
  moment.event.type === 'StagePassed' && !isPromoted(moment);

/** Rule 3: for each signal that decides there is a verdict in the same append, and the evidence gives it again. */
export const onlyMeasuredPasses: Rule = (history) =>
  momentsOf(history).flatMap((moment) => {
    const { event, before, together } = moment;
    if (!before || !passedByEvidence(moment) || event.type !== 'StagePassed') return [];
    const { track, stage } = event.data;
    return deciding(before).flatMap((signal) => {
      const found = together.find(
        (each): each is Of<'VerdictRecorded'> =>
          each.type === 'VerdictRecorded' &&
          each.data.verdict.signal === signal &&
          each.data.verdict.track === track &&
          each.data.verdict.stage === stage,
      );
      const where = `${track}/${stage} of rollout ${before.id}`;
      if (!found) return [`${where} passed without a verdict on ${signal}`];
      const again = judgedAgain(history, before, found.data.verdict);
      return again?.verdict === 'pass'
        ? []
        : [`${where} passed although ${signal} is ${again?.verdict ?? 'unknown'} by the evidence`];
    });
  });

/** Rule 3: and none settles, but by a person, while what was last said of a signal that decides is no pass. */
export const onlyMeasuredSettles: Rule = (history) =>
  momentsOf(history).flatMap((moment) => {
    const { event, before } = moment;
    const settles = event.type === 'ExposureRequested' && event.data.purpose === 'settle';
    if (!settles || !before || before.status !== 'watching' || isPromoted(moment)) return [];
    return deciding(before).flatMap((signal) => {
      const verdict = before.verdicts[`*/${signal}`];
      return verdict?.verdict === 'pass' && judgedAgain(history, before, verdict)?.verdict === 'pass'
        ? []
        : [`rollout ${before.id} settles although ${signal} is ${verdict?.verdict ?? 'not measured'}`];
    });
  });

/** What one step between clocks that are apart may add to a bake, in ms; each clock that is turned is another. */
const SLIP_MS = 2_000;
const slipOf = ({ run }: History): number => SLIP_MS * (1 + run.steps.filter((step) => step.do === 'clock').length);

/** Rule 4: everything else that a stage needs, each from where it can be seen besides. */
export const advanceNeedsAllOfIt: Rule = (history) =>
  momentsOf(history).flatMap((moment) => {
    const { event, before, together } = moment;
    if (!before || !passedByEvidence(moment) || event.type !== 'StagePassed') return [];
    const slip = slipOf(history);
    const where = `${event.data.track}/${event.data.stage} of rollout ${before.id}`;
    const track = before.plan.tracks.find(({ name }) => name === event.data.track);
    const stage = track?.stages.find(({ name }) => name === event.data.stage);
    if (!track || !stage) return [`${where} passed and is not in the plan`];
    const entered = before.tracks[track.name]?.enteredAt.at(-1) ?? Number.NaN;
    const passed = event.at - entered;
    const seen = history.witness.activation.get(event.position);
    const baked = Math.min(event.data.bakedMs, history.witness.baked.get(event.position) ?? 0);
    const samples = together.flatMap((each) => {
      if (each.type !== 'VerdictRecorded') return [];
      const { verdict } = each.data;
      const isOfStage = verdict.track === track.name && verdict.stage === stage.name && !verdict.shadow;
      return isOfStage ? [verdict.counts.candidateRequests] : [];
    });
    return [
      ...(before.held === null ? [] : [`${where} passed while held: ${before.held.reason}`]),
      ...(baked >= stage.bakeMs
        ? []
        : [`${where} passed after ${passed} ms with a bake of ${baked} of ${stage.bakeMs} ms`]),
      ...(event.data.bakedMs <= passed + slip
        ? []
        : [`${where} has baked for ${event.data.bakedMs} ms although only ${passed} ms have passed`]),
      ...(samples.every((requests) => requests >= stage.samples)
        ? []
        : [`${where} passed with ${Math.min(...samples)} of ${stage.samples} requests`]),
      ...track.targets.flatMap(({ target, models }) => [
        ...unconverged(history.witness.converged.get(target) ?? [], before, target, event.position).map(
          (what) => `${where} passed although ${what}`,
        ),
        ...models.flatMap((model) => {
          const units = seen?.get(`${target} ${model}`) ?? 0;
          return units >= stage.activation ? [] : [`${where} passed with ${units} units on ${target} × ${model}`];
        }),
      ]),
    ];
  });

const unconverged = (
  seen: readonly { readonly generation: number; readonly head: number }[],
  rollout: Rollout,
  target: string,
  position: number,
): readonly string[] => {
  const wanted = rollout.targets[target]?.wanted?.generation ?? Number.NaN;
  const isThere = seen.some(({ generation, head }) => generation >= wanted && head < position);
  const isSaid = (rollout.targets[target]?.converged ?? 0) >= wanted;
  return isThere && isSaid ? [] : [`not every instance of ${target} was seen to have generation ${wanted}`];
};
