import type { History } from '../play.js';
import { graceOf, type Rollout } from '#libs/domain';
import { WITHOUT_ARMS } from '../setting.js';
import { lookKey, type Seen } from '../witness.js';
import { momentsOf, type Moment, type Rule } from './log.js';

/** Clocks of controllers are apart, and are turned. */
const SLIP_MS = 10_000;

type Loss = { readonly signal: string; readonly targets: readonly string[] };

const tracksOf = (rollout: Rollout, target: string) =>
  rollout.plan.tracks.filter(({ targets }) => targets.some((each) => each.target === target));

/** Whether metrics had told nothing of a signal for the rollout there, or nothing of one arm where they tell of arms. */
const isArmless = (seen: Seen | undefined, signal: string, target: string): boolean => {
  const samples = (seen?.requests.samples ?? []).filter((each) => each.signal === signal && each.target === target);
  const isNothing = (arm: 'candidate' | 'control'): boolean => samples.every((each) => each[arm] === 0);
  return isNothing('candidate') || (signal !== WITHOUT_ARMS && isNothing('control'));
};

/** Whether the outcomes of a target, as they were read in the last look, did not tell of a signal for its whole grace. */
const isMissing = (history: History, { event, before }: Moment, signal: string, target: string): boolean => {
  const policy = before?.plan.signals.find((each) => each.signal === signal);
  if (!before || !policy) return false;
  const graceMs = graceOf(before, policy);
  const look = history.witness.decidedOn.get(event.position) ?? 0;
  // Whoever looked may have done so before the newest stage was entered.
  const entered = Math.max(
    before.startedAt,
    ...tracksOf(before, target).map(({ name }) => before.tracks[name]?.enteredAt[0] ?? 0),
  );
  const seen = history.witness.seen.get(lookKey(before.id, look));
  const isUncounted = policy.source !== null && isArmless(seen, signal, target);
  return (seen?.targets ?? []).some((targets) => {
    const there = targets.find((each) => each.target === target);
    const anyAt = there?.anyAt ?? 0;
    // Pairs come of some work now and then, and metrics by themselves: that a window was whole says nothing of them.
    const whole = policy.type === 'paired' || policy.source !== null ? 0 : (there?.measured['*']?.until ?? 0);
    const until = isUncounted ? 0 : Math.max(whole, there?.measured[signal]?.until ?? 0);
    const isBlind = anyAt - Math.max(entered, until) > graceMs;
    return isBlind || event.at - Math.max(entered, anyAt) > graceMs - SLIP_MS;
  });
};

const policyOf = ({ before }: Moment, signal: string): string | undefined => {
  const policy = before?.plan.signals.find((each) => each.signal === signal);
  return policy?.shadow === true ? undefined : policy?.missing;
};

/** Rule 3: a rollout goes on without a signal only where its plan says so, and where it was not measured indeed. */
export const onlyWhatMayIsGoneWithout: Rule = (history) =>
  momentsOf(history).flatMap((moment) => {
    const { event, after } = moment;
    if (event.type !== 'EvidenceMissing') return [];
    const { signal, targets }: Loss = event.data;
    const what = `rollout ${after.id} goes on without ${signal}`;
    return [
      ...(policyOf(moment, signal) === 'warn' ? [] : [`${what}, which its plan does not allow`]),
      ...targets
        .filter((target) => !isMissing(history, moment, signal, target))
        .map((target) => `${what} at ${event.position}, although it was measured on ${target}`),
    ];
  });

/** Rule 3: what is taken back for want of a signal has a plan that says so, and was not measured somewhere. */
export const onlyWhatMustIsTakenBackUnmeasured: Rule = (history) =>
  momentsOf(history).flatMap((moment) => {
    const { event, before, after } = moment;
    if (event.type !== 'DegradationDetected' || !before || !event.data.sentence.includes('is not measured on'))
      return [];
    const { signal } = event.data;
    const what = `rollout ${after.id} was taken back because ${signal} was missing`;
    const live = before.plan.tracks.flatMap(({ targets }) => targets.map(({ target }) => target));
    return [
      ...(policyOf(moment, signal) === 'roll-back' ? [] : [`${what}, which its plan does not say`]),
      ...(live.some((target) => isMissing(history, moment, signal, target)) ? [] : [`${what}, and it was not`]),
    ];
  });
