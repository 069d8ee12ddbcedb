import type { History } from '../play.js';
import { graceOf, liveTracks, rolloutDecider, type Rollout } from '#libs/domain';
import { WITHOUT_ARMS } from '../setting.js';
import { lookKey } from '../witness.js';
import { endsOf, isExposed, isPromoted, lifeOf, momentsOf, type Moment, type Of, type Rule } from './log.js';
import { failingLooks, judgedAgain, type Failing, type Judged } from './replay.js';

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

/** Position at which the rollout, or a track of it, was taken back or ended. */
const overAt = (moments: readonly Moment[], track: string | null): number =>
  moments.find(({ event, after }) => {
    if (event.type !== 'RollbackStarted') return after.endedAt !== null;
    return event.data.track === null || event.data.track === track;
  })?.event.position ?? Number.POSITIVE_INFINITY;

/** Rule 2: whoever sees a signal fail takes the rollout, or the track, back and does nothing else, however the world stands. */
export const failuresLeadBack: Rule = (history) =>
  endsOf(history).flatMap((rollout) => {
    const { id } = rollout;
    const failing = failingLooks(history, rollout);
    if (failing.length === 0) return [];
    const moments = lifeOf(history, id);
    const over = new Map(failing.map(({ track }) => [track, overAt(moments, track)]));
    const isOpen = (at: number, { track }: Failing): boolean => at < (over.get(track) ?? 0);
    return [
      ...[...over].flatMap(([track, end]) => {
        const unheeded = failing.filter((each) => each.track === track && each.head < end);
        return unheeded.length <= MOST_INTERRUPTED
          ? []
          : [`rollout ${id} was not taken back in ${unheeded.length} looks in which ${unheeded[0]?.signal} fails`];
      }),
      ...moments.flatMap(({ event, before, recorded, together }) => {
        const look = history.witness.decidedOn.get(event.position) ?? 0;
        const failed = failing.find((each) => each.look === look && isOpen(together[0]?.position ?? 0, each));
        const isAssessed = recorded.metadata.actor.kind === 'automation' && !DELIVERED.has(event.type);
        const isUnderWay = before && before.status !== 'rolling-back' && before.endedAt === null;
        if (failed === undefined || !isAssessed || !isUnderWay) return [];
        const isTaken = together.some(({ type }) => type === 'RollbackStarted');
        return isTaken ? [] : [`rollout ${id} has ${event.type} at ${event.position} although ${failed.signal} fails`];
      }),
    ];
  });

/** Signals that decide, but for those which may be missing and were said to be: see `without.ts`. */
const deciding = ({ plan, without }: Rollout): readonly string[] =>
  plan.signals.flatMap(({ signal, shadow }) => (shadow || without.includes(signal) ? [] : [signal]));

const passedByEvidence = (moment: Moment): moment is Moment & { readonly event: Of<'StagePassed'> } =>
  moment.event.type === 'StagePassed' && !isPromoted(moment);

/**
 * Whether a stage may pass on a verdict: a pass, a `fail` that its plan bears, or what was only seen before and since,
 * which is no proof of anything. That something else is one is asked besides.
 */
const mayGoOn = ({ plan }: Rollout, { signal, verdict }: Judged): boolean => {
  if (verdict === 'fail') return plan.signals.some((each) => each.signal === signal && each.onFail === 'warn');
  return verdict === 'pass' || (verdict === 'inconclusive' && signal === WITHOUT_ARMS);
};

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
      return again && mayGoOn(before, again)
        ? []
        : [`${where} passed although ${signal} is ${again?.verdict ?? 'unknown'} by the evidence`];
    });
  });

/** As the contract has it: instances take turns, so what is missing for less is not missing. */
const TURNS_MS = 10_000;

/**
 * Rule 3: none passes where a signal that decides has not been measured for long while other outcomes came, nor, unless
 * it may be missing, before metrics have told of a stage at all: of one that bakes for no time nothing else waits for them.
 */
export const onlySeenTargetsPass: Rule = (history) =>
  momentsOf(history).flatMap((moment) => {
    const { event, before } = moment;
    if (!before || !passedByEvidence(moment) || event.type !== 'StagePassed') return [];
    const track = before.plan.tracks.find(({ name }) => name === event.data.track);
    const entered = before.tracks[event.data.track]?.enteredAt.at(-1) ?? 0;
    const look = history.witness.decidedOn.get(event.position) ?? 0;
    const seen = history.witness.seen.get(lookKey(before.id, look))?.targets ?? [];
    const isBlind = (target: string, signal: string): boolean => {
      const policy = before.plan.signals.find((each) => each.signal === signal);
      if (!policy) return true;
      // Metrics come whenever they are exported, and outcomes that come late come later.
      const isMetered = policy.source !== null;
      const isAwaited = isMetered && policy.missing !== 'warn';
      const leastMs = isMetered ? graceOf(before, policy) : Math.max(TURNS_MS, policy.delayMs ?? 0);
      return seen.every((targets) => {
        const there = targets.find((each) => each.target === target);
        const own = there?.measured[signal]?.until ?? 0;
        const whole = isMetered ? 0 : (there?.measured['*']?.until ?? 0);
        const until = Math.max(entered, whole, own);
        return (isAwaited && own <= entered) || (there?.anyAt ?? 0) - until > leastMs;
      });
    };
    return (track?.targets ?? []).flatMap(({ target }) =>
      deciding(before)
        .filter((signal) => isBlind(target, signal))
        .map(
          (signal) =>
            `${event.data.track}/${event.data.stage} of rollout ${before.id} passed and ${signal} was not measured on ${target}`,
        ),
    );
  });

/** Rule 3: and none settles, but by a person, while what was last said of a signal that decides is no pass. */
export const onlyMeasuredSettles: Rule = (history) =>
  momentsOf(history).flatMap((moment) => {
    const { event, before } = moment;
    const settles = event.type === 'ExposureRequested' && event.data.purpose === 'settle';
    if (!settles || !before || before.status !== 'watching' || isPromoted(moment)) return [];
    const scopes = before.plan.rollbackScope === 'track' ? liveTracks(before).map(({ name }) => name) : ['*'];
    return scopes
      .flatMap((scope) => deciding(before).map((signal) => [scope, signal] as const))
      .flatMap(([scope, signal]) => {
        const verdict = before.verdicts[`${scope}/${signal}`];
        const again = verdict && judgedAgain(history, before, verdict);
        return verdict && again && mayGoOn(before, { ...again, verdict: verdict.verdict }) && mayGoOn(before, again)
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
      const isOfStage = verdict.track === track.name && verdict.stage === stage.name;
      const isProof = deciding(before).includes(verdict.signal) && verdict.signal !== WITHOUT_ARMS;
      return isOfStage && isProof ? [verdict.counts.candidateRequests] : [];
    });
    return [
      ...(before.held === null ? [] : [`${where} passed while held: ${before.held.reason}`]),
      ...(baked >= stage.bakeMs
        ? []
        : [`${where} passed after ${passed} ms with a bake of ${baked} of ${stage.bakeMs} ms`]),
      ...before.plan.signals
        .filter(
          ({ signal, delayMs }) =>
            before.bypass === null && deciding(before).includes(signal) && baked < (delayMs ?? 0),
        )
        .map(({ signal, delayMs }) => `${where} passed after ${baked} ms although ${signal} is known after ${delayMs}`),
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
          // There are no more instances than were chosen, and some of those may be gone.
          const asked = before.assignment === 'instance' ? Math.min(1, stage.activation) : stage.activation;
          return units >= asked ? [] : [`${where} passed with ${units} units on ${target} × ${model}`];
        }),
      ]),
    ];
  });

/** Rule 4: and the watch is as long as it was said to be, and as the longest delay of what decides. */
export const watchLastsLongEnough: Rule = (history) =>
  momentsOf(history).flatMap((moment) => {
    const { event, before } = moment;
    const settles = event.type === 'ExposureRequested' && event.data.purpose === 'settle';
    if (!settles || !before || before.status !== 'watching' || isPromoted(moment)) return [];
    const decides = deciding(before);
    const delays = before.plan.signals.map(({ signal, delayMs }) => (decides.includes(signal) ? (delayMs ?? 0) : 0));
    const longest = before.bypass === null ? Math.max(0, ...delays) : 0;
    const watched = history.witness.watched.get(event.position) ?? 0;
    return watched >= Math.max(before.plan.watchMs, longest)
      ? []
      : [`rollout ${before.id} settles after ${watched} ms of ${before.plan.watchMs}, and ${longest} of delay`];
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
