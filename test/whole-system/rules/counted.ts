import type { Rollout } from '#libs/domain';
import type { History } from '../play.js';
import { WITHOUT_ARMS } from '../setting.js';
import { isPromoted, momentsOf, type Rule } from './log.js';

/** Clocks of controllers are apart, and are turned. */
const SLIP_MS = 10_000;

type Signal = Rollout['plan']['signals'][number];

/** Signals that metrics count on the arms, and that decide. */
const countedOnArms = ({ plan, without }: Rollout): readonly Signal[] =>
  plan.signals.filter(
    ({ signal, shadow, source }) => source !== null && !shadow && !without.includes(signal) && signal !== WITHOUT_ARMS,
  );

/** Rules 2 and 8: what may only hold or warn takes nothing back, and what no bound covers may by default only hold. */
export const onlyWhatMayTakesBack: Rule = (history) =>
  momentsOf(history).flatMap(({ event, before }) => {
    if (event.type !== 'DegradationDetected' || !before) return [];
    const { signal, sentence } = event.data;
    const policy = before.plan.signals.find((each) => each.signal === signal);
    if (sentence.includes('is not measured on') || policy?.onFail === 'roll-back') return [];
    return [`rollout ${before.id} was taken back by ${signal}, which may ${policy?.onFail ?? 'do nothing'}`];
  });

/** Rule 3: what was seen before and since without arms shows no candidate to be harmless. */
export const nothingPassesWithoutArms: Rule = (history) =>
  momentsOf(history).flatMap(({ event, after }) => {
    if (event.type !== 'VerdictRecorded') return [];
    const { signal, verdict, method } = event.data.verdict;
    const isWithout = method === 'before-after-v1' || signal === WITHOUT_ARMS;
    return isWithout && verdict === 'pass'
      ? [`${signal} passes at ${event.position} of rollout ${after.id} although nobody knows of its arms`]
      : [];
  });

/** Rule 3: going on takes one signal at least that compares the arms. */
export const somethingComparesTheArms: Rule = (history) =>
  momentsOf(history).flatMap((moment) => {
    const { event, before, together } = moment;
    if (event.type !== 'StagePassed' || !before || isPromoted(moment)) return [];
    const verdicts = together.flatMap((each) => (each.type === 'VerdictRecorded' ? [each.data.verdict] : []));
    const deciding = verdicts.filter(
      ({ signal, shadow, track, stage }) =>
        !shadow && !before.without.includes(signal) && track === event.data.track && stage === event.data.stage,
    );
    return deciding.length > 0 && deciding.every(({ method }) => method === 'before-after-v1')
      ? [`${event.data.track}/${event.data.stage} of rollout ${before.id} passed and nothing compared the arms`]
      : [];
  });

/** When the last export was sent before a position that tells of a target, and of a revision there. */
const lastExport = ({ witness }: History, position: number, target: string, arm?: string): number | undefined =>
  witness.exports.findLast(
    (each) => each.target === target && each.head < position && (arm === undefined || each.arms.includes(arm)),
  )?.at;

/** Rule 3: where metrics say nothing, nothing passes by them: not before they came, nor for long after they stopped. */
export const silenceOfMetricsIsNoPass: Rule = (history) =>
  momentsOf(history).flatMap((moment) => {
    const { event, before } = moment;
    if (event.type !== 'StagePassed' || !before || isPromoted(moment)) return [];
    const track = before.plan.tracks.find(({ name }) => name === event.data.track);
    const entered = before.tracks[event.data.track]?.enteredAt.at(-1) ?? 0;
    const where = `${event.data.track}/${event.data.stage} of rollout ${before.id} passed`;
    return (track?.targets ?? []).flatMap(({ target }) =>
      countedOnArms(before).flatMap(({ signal, graceMs }) => {
        const seen = lastExport(history, event.position, target, `${before.config} ${before.revision}`);
        if (seen === undefined) return [`${where} although ${signal} was never exported of ${target}`];
        const last = Math.max(entered, lastExport(history, event.position, target) ?? 0);
        const silentMs = event.at - last;
        return silentMs <= (graceMs ?? before.plan.graceMs) + SLIP_MS
          ? []
          : [`${where} although ${target} had exported nothing of ${signal} for ${silentMs} ms`];
      }),
    );
  });

/** Rule 10: of metrics nothing is counted twice: never more requests than a revision has served. */
export const metricsCountOnce: Rule = (history) =>
  momentsOf(history).flatMap(({ event, after }) => {
    if (event.type !== 'VerdictRecorded') return [];
    const { signal, counts, method } = event.data.verdict;
    // Until an arm is told, everything stands for the candidate.
    if (method === 'before-after-v1') return [];
    const policy = after.plan.signals.find((each) => each.signal === signal);
    if (policy?.source == null || signal === WITHOUT_ARMS) return [];
    const servedOn = (revision: number): number =>
      Object.keys(after.targets).reduce(
        (sum, target) => sum + (history.witness.meteredRequests.get(`${target} ${after.config} ${revision}`) ?? 0),
        0,
      );
    const controls = new Set(Object.values(after.targets).map(({ control }) => control));
    const served = [servedOn(after.revision), [...controls].reduce((sum, control) => sum + servedOn(control), 0)];
    const told = [counts.candidateRequests, counts.controlRequests];
    return told.every((requests, arm) => requests <= (served[arm] ?? 0))
      ? []
      : [`${signal} counts ${told.join(' and ')} requests at ${event.position}, served were ${served.join(' and ')}`];
  });
