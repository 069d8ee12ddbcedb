import {
  metricsCountOnce,
  nothingPassesWithoutArms,
  onlyWhatMayTakesBack,
  silenceOfMetricsIsNoPass,
  somethingComparesTheArms,
} from './counted.js';
import { drawsAreExact, instancesAreDrawn } from './draws.js';
import { differingHolds, parityComesFirst, parityComesOutAgain } from './parity.js';
import { CHECKS, type History as Recorded } from '../../chaos/history-checker.js';
import { configDecider, type ConfigEvent, type ConfigState } from '#libs/domain';
import { SECRET } from '../traffic.js';
import type { History } from '../play.js';
import { backToTheControl, endsAreNamed, onlyPeopleAbandon, readBackIsTrue } from './going-back.js';
import {
  abortIsAlwaysTaken,
  advanceNeedsAllOfIt,
  failuresLeadBack,
  onlyMeasuredPasses,
  onlyMeasuredSettles,
  onlySeenTargetsPass,
  watchLastsLongEnough,
} from './going-on.js';
import { momentsOf, type Rule } from './log.js';
import { onlyWhatMayIsGoneWithout, onlyWhatMustIsTakenBackUnmeasured } from './without.js';
import { looksAreWhole, theProductAgrees, verdictsComeOutAgain } from './replay.js';
import { allEndOnTheLast, nothingBeforeItsEvent, olderNeverOverwritesNewer } from './serving.js';

const recorded = new WeakMap<History, Recorded>();

/** As the checker of real processes takes it. */
const recordedOf = (history: History): Recorded => {
  const known = recorded.get(history);
  if (known) return known;
  const { events, tasks, witness } = history;
  const accepted = witness.answers.flatMap(({ rollout, isStart }) =>
    rollout !== undefined && isStart ? [rollout] : [],
  );
  const made: Recorded = { events, tasks, sightings: [], accepted };
  recorded.set(history, made);
  return made;
};

/** What the checker of real processes finds, by the name of its check. */
const checked =
  (...names: readonly string[]): Rule =>
  (history) =>
    names.flatMap((name) => {
      const check = CHECKS[name];
      if (!check) throw new Error(`There is no check ${name}.`);
      return check(recordedOf(history));
    });

/** What did not come although it had to, as it was seen while the run went on. */
const missed =
  (rule: number): Rule =>
  (history) =>
    history.missed.filter((each) => each.rule === rule).map(({ what }) => what);

/** Rule 7: what is last known good is what settled, in that order, and nothing else. */
const onlySettlingMovesLastKnownGood: Rule = (history) => {
  const configs = new Map<string, ConfigState>();
  for (const { streamId, type, data } of history.events) {
    if (!streamId.startsWith('config-')) continue;
    const before = configs.get(streamId) ?? configDecider.initial;
    configs.set(streamId, configDecider.evolve(before, { type, data } as ConfigEvent));
  }
  const settled = new Map<string, number[]>();
  for (const { event, after } of momentsOf(history)) {
    if (event.type !== 'RolloutSettled') continue;
    for (const target of event.data.targets) {
      const slot = `config-${after.config} ${target}`;
      settled.set(slot, [...(settled.get(slot) ?? [1]), event.data.revision]);
    }
  }
  const said = [...configs].flatMap(([stream, config]) =>
    config.status === 'unknown'
      ? []
      : Object.entries(config.settled).map(
          ([target, revisions]) => [`${stream} ${target}`, revisions.join(' ')] as const,
        ),
  );
  const slots = new Map<string, string>(said);
  return [...new Set([...slots.keys(), ...settled.keys()])].flatMap((slot) => {
    const expected = settled.get(slot)?.join(' ');
    return slots.get(slot) === expected
      ? []
      : [`${slot}: last known good were ${slots.get(slot) ?? 'none'}, settled were ${expected ?? 'none'}`];
  });
};

/** Rule 10: no command was appended twice, and whoever asked for something was answered. */
const commandsOnce: Rule = ({ witness }) => [
  ...[...witness.appends].flatMap(([id, positions]) =>
    positions.length > 1 && id !== 'the setting' ? [`command ${id} was appended at ${positions.join(' and ')}`] : [],
  ),
  ...witness.faults,
];

/** Rule 11: not a piece of what users sent, nor of who they are, is in any event. */
const nothingOfUsers: Rule = ({ events }) =>
  JSON.stringify(events).includes(SECRET)
    ? events.flatMap((event) =>
        JSON.stringify(event).includes(SECRET) ? [`${event.type} at ${event.position} holds what a user sent`] : [],
      )
    : [];

/** What each rule of the contract asks of a run of the whole system. */
export const RULES: Readonly<Record<number, readonly Rule[]>> = {
  1: [nothingBeforeItsEvent],
  2: [missed(2), abortIsAlwaysTaken, failuresLeadBack, onlyWhatMayTakesBack],
  3: [
    onlyMeasuredPasses,
    parityComesFirst,
    differingHolds,
    onlyMeasuredSettles,
    onlySeenTargetsPass,
    onlyWhatMayIsGoneWithout,
    onlyWhatMustIsTakenBackUnmeasured,
    nothingPassesWithoutArms,
    somethingComparesTheArms,
    silenceOfMetricsIsNoPass,
  ],
  4: [advanceNeedsAllOfIt, watchLastsLongEnough],
  5: [missed(5), checked('rollbacks complete'), onlyPeopleAbandon, readBackIsTrue, endsAreNamed],
  6: [olderNeverOverwritesNewer, checked('generations grow')],
  7: [onlySettlingMovesLastKnownGood, checked('controls are what was left'), backToTheControl],
  8: [drawsAreExact, instancesAreDrawn],
  10: [
    missed(10),
    metricsCountOnce,
    commandsOnce,
    checked('the log is whole', 'what happens once happened once', 'stages come in order', 'asked, done, arrived'),
    checked('one rollout holds a target', 'every task was done', 'answers were kept'),
    allEndOnTheLast,
  ],
  11: [nothingOfUsers],
  12: [looksAreWhole, verdictsComeOutAgain, theProductAgrees, parityComesOutAgain],
};

/** Everything that a run breaks of a rule, or of all of them. */
export const brokenBy = (history: History, rule?: number): readonly string[] =>
  Object.entries(RULES)
    .filter(([number]) => rule === undefined || Number(number) === rule)
    .flatMap(([number, rules]) => rules.flatMap((each) => each(history).map((what) => `rule ${number}: ${what}`)));
