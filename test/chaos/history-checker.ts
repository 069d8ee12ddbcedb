import type { Pool } from 'pg';
import { react } from '#libs/application';
import { eventCodec } from '#libs/domain';
import type { JsonObject, RecordedEvent } from '#libs/kernel';
import type { Evaluation, Sighting } from './sightings.js';

/** Everything that a run left behind. */
export type History = {
  readonly events: readonly RecordedEvent[];
  readonly tasks: readonly TaskRow[];
  readonly sightings: readonly Sighting[];
  readonly evaluations?: readonly Evaluation[];
  /** Ids of rollouts whose start was answered with yes. */
  readonly accepted: readonly string[];
  /** Requests that the fleets were told are counted, and those that are, by target. */
  readonly outcomes?: { readonly told: ReadonlyMap<string, number>; readonly counted: ReadonlyMap<string, number> };
};

export type TaskRow = { readonly id: string; readonly done: boolean };

export type Check = (history: History) => readonly string[];
type Told = RecordedEvent & { readonly text: (field: string) => string; readonly number: (field: string) => number };

const told = new WeakMap<RecordedEvent, Told>();

const tell = (event: RecordedEvent): Told => {
  const known = told.get(event) ?? {
    ...event,
    text: (field) => String(event.data[field]),
    number: (field) => Number(event.data[field]),
  };
  told.set(event, known);
  return known;
};

const typed = (events: readonly RecordedEvent[], ...types: readonly string[]): readonly Told[] =>
  events.filter(({ type }) => types.includes(type)).map(tell);

const groups = <T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> => {
  const found = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const known = found.get(key);
    if (known === undefined) found.set(key, [item]);
    else known.push(item);
  }
  return found;
};

const twice = (what: string, keys: readonly string[]): string[] =>
  [...groups(keys, (key) => key)].flatMap(([key, all]) =>
    all.length > 1 ? [`${what} ${all.length} times: ${key}`] : [],
  );

/** Positions without gaps, versions without gaps, ids once, commands whole. */
const logIsWhole: Check = ({ events }) => {
  const versions = new Map<string, number>();
  const faults: string[] = [];
  for (const [index, { position, streamId, streamVersion }] of events.entries()) {
    if (position !== index + 1) faults.push(`position ${position} where ${index + 1} belongs`);
    const version = (versions.get(streamId) ?? 0) + 1;
    versions.set(streamId, version);
    if (streamVersion !== version) faults.push(`${streamId} has version ${streamVersion} where ${version} belongs`);
  }
  const ids = twice(
    'event id',
    events.map(({ eventId }) => eventId),
  );
  const torn = [...groups(events, ({ metadata }) => metadata.commandId)].flatMap(([id, all]) => {
    const [first, last] = [all[0]?.position ?? 0, all.at(-1)?.position ?? 0];
    return last - first + 1 === all.length ? [] : [`command ${id} was written in parts, or twice`];
  });
  return [...faults, ...ids, ...torn];
};

const ONCE: Readonly<Record<string, readonly string[]>> = {
  RolloutPlanned: ['rollout'],
  RolloutStarted: ['rollout'],
  StageEntered: ['rollout', 'track', 'stage'],
  StagePassed: ['rollout', 'track', 'stage'],
  ExposureChanged: ['rollout', 'target', 'generation'],
  TargetConverged: ['rollout', 'target', 'generation'],
  GenerationAcknowledged: ['target', 'generation'],
  DegradationDetected: ['rollout', 'stages'],
  RollbackStarted: ['rollout', 'track'],
  TargetReadBack: ['rollout', 'target'],
  TargetDrained: ['rollout', 'target'],
  RolledBack: ['rollout'],
  FullyExposed: ['rollout'],
  RolloutSettled: ['rollout'],
  TargetsClaimed: ['rollout'],
  TargetsReleased: ['rollout', 'targets'],
};

const oneTimeOnly: Check = ({ events }) =>
  Object.entries(ONCE).flatMap(([type, fields]) =>
    twice(
      type,
      typed(events, type).map((event) => fields.map(event.text).join(' ')),
    ),
  );

const stagesInOrder: Check = ({ events }) =>
  [
    ...groups(
      typed(events, 'StageEntered', 'StagePassed'),
      (event) => `${event.text('rollout')}/${event.text('track')}`,
    ),
  ]
    .flatMap(([track, all]) =>
      all.map(({ type, data }, index) => {
        const before = all[index - 1];
        const fits = type === 'StagePassed' ? before?.type === 'StageEntered' : before?.type !== 'StageEntered';
        const same = type !== 'StagePassed' || before?.data['stage'] === data['stage'];
        return fits && same ? '' : `${track}: ${type} of ${String(data['stage'])} out of order`;
      }),
    )
    .filter((fault) => fault !== '');

/** Asked, made so, arrived: each after the one before it, and for a generation that was asked of this target. */
const exposureInOrder: Check = ({ events }) =>
  [
    ...groups(
      events.filter(({ data }) => 'target' in data && 'rollout' in data).map(tell),
      (event) => `${event.text('rollout')} ${event.text('target')}`,
    ),
  ].flatMap(([key, all]) => {
    const asked = all.filter(({ type }) => type === 'ExposureRequested');
    return all.flatMap((event) => {
      const before = (type: string) => all.filter((other) => other.type === type && other.position < event.position);
      if (event.type === 'ExposureChanged') {
        const wanted = asked.findLast(({ position }) => position <= event.number('generation'));
        const fits =
          wanted !== undefined &&
          wanted.position < event.position &&
          wanted.number('shareBp') === event.number('shareBp');
        return fits ? [] : [`${key}: ExposureChanged at ${event.position} without its request`];
      }
      if (event.type === 'TargetConverged') {
        const delivered = before('ExposureChanged').some(
          (other) => other.number('generation') >= event.number('generation'),
        );
        return delivered ? [] : [`${key}: converged on ${event.text('generation')} before it was delivered`];
      }
      if (event.type === 'TargetDrained' && event.text('outcome') !== 'abandoned')
        return before('TargetReadBack').length === 1 ? [] : [`${key}: drained before it was read back`];
      return [];
    });
  });

const ENDED = ['RolloutSettled', 'RolledBack', 'RolloutSuperseded'];

const GOING_ON = ['StageEntered', 'StagePassed', 'FullyExposed', 'RolloutSettled'];
const BACK = ['ExposureRequested', 'ExposureChanged', 'TargetReadBack', 'TargetDrained'];

/** Whether the claim of a rollout on a target had ended before a position. */
const releasedBefore = (releases: readonly Told[], rollout: string, target: string, position: number): boolean =>
  releases.some(
    (event) =>
      event.position < position &&
      `rollout-${event.text('rollout')}` === rollout &&
      (event.data['targets'] as readonly string[]).includes(target),
  );

/**
 * Whoever starts ends; a rollback covers every target that was reached, not given up and not let go of before, and lets
 * nothing grow. One track may be taken back alone, before the others or without them.
 */
const rollbacksComplete: Check = ({ events }) => {
  const releases = typed(events, 'TargetsReleased');
  return [
    ...groups(events.filter(({ streamId }) => streamId.startsWith('rollout-')).map(tell), ({ streamId }) => streamId),
  ].flatMap(([stream, all]) => {
    const end = all.filter(({ type }) => ENDED.includes(type));
    const ended = end.length === 1 ? [] : [`${stream} ended ${end.length} times`];
    const backs = all.filter(({ type }) => type === 'RollbackStarted');
    const whole = backs.find(({ data }) => typeof data['track'] !== 'string');
    if (end[0]?.type === 'RolledBack' && !whole) ended.push(`${stream} ended as rolled back without a rollback`);
    const sinceOf = (target: string): number =>
      (backs.find(({ data }) => (data['targets'] as readonly string[]).includes(target)) ?? whole)?.position ??
      Infinity;
    const stoppedAt = (event: Told): number =>
      backs.find((back) => back === whole || back.text('track') === event.text('track'))?.position ?? Infinity;
    const asked = all.filter(({ type }) => type === 'ExposureRequested');
    const grown = asked.filter(
      (event) => event.number('shareBp') > 0 && event.position > sinceOf(event.text('target')),
    );
    const passed = all.filter((event) => GOING_ON.includes(event.type) && event.position > stoppedAt(event));
    const abandoned = all.filter((event) => event.type === 'TargetDrained' && event.text('outcome') === 'abandoned');
    const given = new Set(abandoned.map((event) => event.text('target')));
    const named = new Set(backs.flatMap(({ data }) => data['targets'] as readonly string[]));
    const reached = [...new Set(asked.map((event) => event.text('target')))].filter(
      (target) =>
        !given.has(target) &&
        sinceOf(target) < Infinity &&
        (named.has(target) || !releasedBefore(releases, stream, target, sinceOf(target))),
    );
    const lacks = (target: string, type: string): boolean =>
      !all.some((event) => event.type === type && event.text('target') === target && event.position > sinceOf(target));
    return [
      ...ended,
      ...grown.map(({ position }) => `${stream}: exposure grew at ${position} while rolling back`),
      ...passed.map(({ type, position }) => `${stream}: ${type} at ${position} while rolling back`),
      ...BACK.flatMap((type) =>
        reached
          .filter((target) => lacks(target, type))
          .map((target) => `${stream}: ${target} has no ${type} after the rollback began`),
      ),
    ];
  });
};

/** What a rollout goes back to is what settled there last, or what a rollout that handed over left there. */
const controlsAreWhatWasLeft: Check = ({ events }) => {
  const left = new Map<string, number>();
  const shown = new Map<string, ReadonlyMap<string, number>>();
  const faults: string[] = [];
  for (const event of events.map(tell)) {
    const rollout = event.text('rollout');
    if (event.type === 'RolloutPlanned') {
      for (const [target, control] of Object.entries(event.data['controls'] as JsonObject)) {
        const expected = left.get(`${event.text('config')} ${target}`) ?? 1;
        if (Number(control) !== expected)
          faults.push(`${event.streamId} pins r${String(control)} on ${target}, where r${expected} was left`);
      }
    }
    if (event.type === 'ExposureRequested') {
      const slot = `${event.text('config')} ${event.text('target')}`;
      const slots = new Map([...(shown.get(rollout) ?? []), [slot, event.number('candidate')] as const]);
      if (event.number('shareBp') === 0) slots.delete(slot);
      shown.set(rollout, slots);
    }
    if (event.type === 'RolloutSettled')
      for (const target of event.data['targets'] as readonly string[])
        left.set(`${event.text('config')} ${target}`, event.number('revision'));
    if (event.type === 'RolloutSuperseded')
      for (const [slot, revision] of shown.get(rollout) ?? []) left.set(slot, revision);
  }
  return faults;
};

/** Of two rollouts of a config one lets a target go before the other takes it. */
const claimsExclude: Check = ({ events }) => {
  const holder = new Map<string, string>();
  const faults: string[] = [];
  for (const event of typed(events, 'TargetsClaimed', 'TargetsReleased')) {
    for (const target of event.data['targets'] as readonly string[]) {
      const slot = `${event.text('key')} ${target}`;
      const held = holder.get(slot);
      if (event.type === 'TargetsClaimed' && held !== undefined)
        faults.push(`${slot} is held by ${held} and ${event.text('rollout')}`);
      if (event.type === 'TargetsReleased' && held !== event.text('rollout'))
        faults.push(`${slot} let go by ${event.text('rollout')}, held by ${held ?? 'nobody'}`);
      if (event.type === 'TargetsClaimed') holder.set(slot, event.text('rollout'));
      else holder.delete(slot);
    }
  }
  return [...faults, ...[...holder].map(([slot, rollout]) => `${slot} is still held by ${rollout}`)];
};

const generationsGrow: Check = ({ events }) =>
  [...groups(typed(events, 'GenerationAcknowledged'), (event) => event.text('target'))].flatMap(([target, all]) =>
    all.flatMap((event, index) =>
      event.number('generation') > (all[index - 1]?.number('generation') ?? 0)
        ? []
        : [`${target} acknowledged ${event.text('generation')} after a newer generation`],
    ),
  );

const tasksMatchEvents: Check = ({ events, tasks }) => {
  const expected = new Set(events.flatMap((event) => react(eventCodec.decode(event))).map(({ id }) => id));
  const known = new Set(tasks.map(({ id }) => id));
  return [
    ...[...expected].filter((id) => !known.has(id)).map((id) => `task ${id} was lost`),
    ...[...known].filter((id) => !expected.has(id)).map((id) => `task ${id} comes from no event`),
    ...tasks.filter(({ done }) => !done).map(({ id }) => `task ${id} was left behind`),
  ];
};

const answersWereKept: Check = ({ events, accepted, outcomes }) => {
  const planned = new Set(typed(events, 'RolloutPlanned').map((event) => event.text('rollout')));
  const lost = [...new Set(accepted)]
    .filter((id) => !planned.has(id))
    .map((id) => `rollout ${id} was answered and is lost`);
  const known = new Set(accepted);
  const doubled = [...planned]
    .filter((id) => !known.has(id))
    .map((id) => `rollout ${id} was never asked for, or twice`);
  const counts = [...(outcomes?.told ?? [])].flatMap(([target, told]) => {
    const counted = outcomes?.counted.get(target) ?? 0;
    return counted === told ? [] : [`${target}: fleets were told of ${told} requests, ${counted} are counted`];
  });
  return [...lost, ...doubled, ...counts];
};

type Wish = {
  readonly position: number;
  readonly revision: number;
  readonly shareBp: number;
  readonly control: number;
};

const wishesOf = (events: readonly RecordedEvent[]): ReadonlyMap<string, readonly Wish[]> =>
  new Map(
    [...groups(typed(events, 'ExposureRequested'), (event) => `${event.text('target')} ${event.text('config')}`)].map(
      ([slot, all]) => [
        slot,
        all.map((event) => ({
          position: event.position,
          revision: event.number('candidate'),
          shareBp: event.number('shareBp'),
          control: event.number('control'),
        })),
      ],
    ),
  );

const armsWanted = (wish: Wish | undefined): readonly { readonly revision: number; readonly shareBp: number }[] => {
  if (!wish) return [{ revision: 1, shareBp: 10_000 }];
  if (wish.shareBp === 0) return [{ revision: wish.control, shareBp: 10_000 }];
  if (wish.shareBp === 10_000) return [{ revision: wish.revision, shareBp: 10_000 }];
  return [
    { revision: wish.revision, shareBp: wish.shareBp },
    { revision: wish.control, shareBp: 10_000 - wish.shareBp },
  ];
};

const served = (arms: readonly { readonly revision: number; readonly shareBp: number }[]): string =>
  arms
    .filter(({ shareBp }) => shareBp > 0)
    .map(({ revision, shareBp }) => `r${revision}:${shareBp}`)
    .toSorted()
    .join(' ');

const whoOf = ({ target, instance }: Sighting): string => instance ?? target;

/** A fleet never goes back to an older generation, and serves under each one what the log wanted then. */
const fleetsFollowTheLog: Check = ({ events, sightings }) => {
  const wishes = wishesOf(events);
  return [...groups(sightings, whoOf)].flatMap(([who, seen]) =>
    seen.flatMap(({ target, generation, arms }, index) => {
      const before = seen[index - 1]?.generation ?? 0;
      const back = generation < before ? [`${who} went back from generation ${before} to ${generation}`] : [];
      const wrong = Object.entries(arms).flatMap(([config, actual]) => {
        const wanted = armsWanted(
          wishes.get(`${target} ${config}`)?.findLast(({ position }) => position <= generation),
        );
        return served(actual) === served(wanted)
          ? []
          : [
              `${target} served ${served(actual)} of ${config} under generation ${generation}, wanted was ${served(wanted)}`,
            ];
      });
      return [...back, ...wrong];
    }),
  );
};

/** Once a rollback has arrived at a target, nothing there evaluates to what was withdrawn. */
const nothingComesBack: Check = ({ events, sightings }) => {
  const back = typed(events, 'ExposureRequested').filter((event) => event.text('purpose') === 'rollback');
  const arrivals = typed(events, 'TargetConverged');
  return back.flatMap((asked) => {
    const mine = (event: Told): boolean =>
      event.text('rollout') === asked.text('rollout') && event.text('target') === asked.text('target');
    const arrived = arrivals.find((event) => mine(event) && event.number('generation') >= asked.position);
    if (!arrived) return [];
    const since = Date.parse(arrived.recordedAt);
    const target = asked.text('target');
    // What was already being evaluated when the last acknowledgement was written is seen up to then.
    const stale = sightings.filter(
      (seen) => seen.target === target && seen.at > since && seen.generation < asked.position,
    );
    return stale.map(
      ({ generation }) => `${target} took generation ${generation} after the rollback to ${asked.position} had arrived`,
    );
  });
};

/** No request is served with a revision that the log did not want under the generation it was served under. */
const requestsFollowTheLog: Check = ({ events, evaluations = [] }) => {
  const wishes = wishesOf(events);
  return evaluations.flatMap(({ target, generation, config, revision }) => {
    const wish = wishes.get(`${target} ${config}`)?.findLast(({ position }) => position <= generation);
    const wanted = armsWanted(wish).filter(({ shareBp }) => shareBp > 0);
    return wanted.some((arm) => arm.revision === revision)
      ? []
      : [`${target} served r${revision} of ${config} under generation ${generation}, wanted was ${served(wanted)}`];
  });
};

const targetsEndAsWanted: Check = ({ events, sightings }) => {
  const wishes = wishesOf(events);
  return [...groups(sightings, whoOf)].flatMap(([who, seen]) =>
    Object.entries(seen.at(-1)?.arms ?? {}).flatMap(([config, arms]) => {
      const target = seen.at(-1)?.target ?? who;
      const wanted = served(armsWanted(wishes.get(`${target} ${config}`)?.at(-1)));
      return served(arms) === wanted ? [] : [`${who} ends on ${served(arms)} of ${config}, the log wants ${wanted}`];
    }),
  );
};

export const CHECKS: Readonly<Record<string, Check>> = {
  'the log is whole': logIsWhole,
  'what happens once happened once': oneTimeOnly,
  'stages come in order': stagesInOrder,
  'asked, done, arrived': exposureInOrder,
  'rollbacks complete': rollbacksComplete,
  'controls are what was left': controlsAreWhatWasLeft,
  'one rollout holds a target': claimsExclude,
  'generations grow': generationsGrow,
  'every task was done': tasksMatchEvents,
  'answers were kept': answersWereKept,
  'fleets follow the log': fleetsFollowTheLog,
  'requests follow the log': requestsFollowTheLog,
  'nothing comes back': nothingComesBack,
  'targets end as wanted': targetsEndAsWanted,
};

/** Everything in a finished run that must not be, in words; empty when all is right. */
export const violationsOf = (history: History): readonly string[] =>
  Object.entries(CHECKS).flatMap(([name, check]) => check(history).map((fault) => `${name}: ${fault}`));

/** Tasks and counted requests as the database has them. */
export const readEvidenceOf = async (
  pool: Pool,
): Promise<{ readonly tasks: readonly TaskRow[]; readonly counted: ReadonlyMap<string, number> }> => {
  const tasks = await pool.query<TaskRow>('select id, done_at is not null as done from process.tasks');
  const traffic = await pool.query<{ target: string; requests: string }>(
    'select target, sum(requests) as requests from evidence.traffic group by target',
  );
  return {
    tasks: tasks.rows,
    counted: new Map(traffic.rows.map(({ target, requests }) => [target, Number(requests)])),
  };
};
