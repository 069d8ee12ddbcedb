import type { JsonObject, RecordedEvent } from '#libs/kernel';
import { CONFIGS } from '../setting.js';
import { splitOf } from '../splits.js';
import type { History } from '../play.js';
import type { Sighting } from '../witness.js';
import type { Rule } from './log.js';

type Wish = { readonly position: number; readonly arms: string };

const served = (arms: readonly { readonly revision: number; readonly shareBp: number }[]): string =>
  arms
    .filter(({ shareBp }) => shareBp > 0)
    .map(({ revision, shareBp }) => `r${revision}:${shareBp}`)
    .toSorted()
    .join(' ');

/** Of instances the names tell who serves the candidate, and the share tells nothing. */
const servedByNames = (candidate: number, control: number, names: readonly string[]): string =>
  `r${candidate} for ${names.toSorted().join(' ')}, otherwise r${control}`;

const wishOf = ({ position, data }: RecordedEvent): Wish => {
  const [shareBp, candidate, control] = ['shareBp', 'candidate', 'control'].map((field) => Number(data[field]));
  const drawn = data['instances'] as { readonly candidate: readonly string[] } | null | undefined;
  if (drawn && candidate !== control)
    return { position, arms: servedByNames(candidate ?? 0, control ?? 0, drawn.candidate) };
  const arms = [
    { revision: candidate ?? 0, shareBp: shareBp ?? 0 },
    { revision: control ?? 0, shareBp: 10_000 - (shareBp ?? 0) },
  ];
  return { position, arms: served(candidate === control ? [{ revision: control ?? 0, shareBp: 10_000 }] : arms) };
};

/** What a ruleset serves of a config. */
const servedOf = (ruleset: JsonObject, config: string): string => {
  const split = splitOf(ruleset, config);
  if (!split) return '';
  const { candidate, control, shareBp, drawn } = split;
  if (drawn) return servedByNames(candidate, control, drawn);
  if (candidate === control) return served([{ revision: candidate, shareBp }]);
  return served([
    { revision: candidate, shareBp },
    { revision: control, shareBp: 10_000 - shareBp },
  ]);
};

/** What the log asks of each config on each target, from which position on; read from its events alone. */
const wishesOf = (events: readonly RecordedEvent[]): ReadonlyMap<string, readonly Wish[]> => {
  const wishes = new Map<string, Wish[]>();
  const add = (slot: string, wish: Wish): void => void wishes.set(slot, [...(wishes.get(slot) ?? []), wish]);
  for (const event of events) {
    if (event.type === 'RevisionProposed' && event.data['baseline'] === true)
      add(`${String(event.data['key'])}`, { position: event.position, arms: 'r1:10000' });
    if (event.type === 'ExposureRequested')
      add(`${String(event.data['config'])} ${String(event.data['target'])}`, wishOf(event));
  }
  return wishes;
};

const changesRuleset = (event: RecordedEvent | undefined, target: string): boolean => {
  const ofTarget = ['ExposureRequested', 'StickinessDropped', 'TargetRegistered'];
  if (event !== undefined && ofTarget.includes(event.type)) return event.data['target'] === target;
  return event?.type === 'RevisionProposed' && event.data['baseline'] === true;
};

const faultsOf = (
  { target, instance, generation, ruleset, head }: Sighting,
  events: readonly RecordedEvent[],
  wishes: ReadonlyMap<string, readonly Wish[]>,
): readonly string[] => {
  const who = instance ?? target;
  if (generation > head) return [`${who} serves generation ${generation} although the log ends at ${head}`];
  if (!changesRuleset(events[generation - 1], target))
    return [`${who} serves generation ${generation}, which is no event that asks anything of ${target}`];
  return CONFIGS.flatMap(({ config }) => {
    const baseline = (wishes.get(config) ?? []).filter(({ position }) => position <= generation);
    const asked = (wishes.get(`${config} ${target}`) ?? []).filter(({ position }) => position <= generation);
    const wanted = [...baseline, ...asked].at(-1)?.arms ?? '';
    const actual = servedOf(ruleset, config);
    return actual === wanted
      ? []
      : [`${who} serves ${actual} of ${config} under generation ${generation}, the log asks for ${wanted}`];
  });
};

/** Whatever any target or instance served was asked for by an event that was durable before. */
export const nothingBeforeItsEvent: Rule = ({ events, witness }) => {
  const wishes = wishesOf(events);
  const known = new Map<JsonObject, readonly string[]>();
  return [...witness.held, ...witness.evaluated].flatMap((sighting) => {
    const faults = known.get(sighting.ruleset) ?? faultsOf(sighting, events, wishes);
    known.set(sighting.ruleset, faults);
    return faults;
  });
};

const goesBack = (sightings: readonly Sighting[], nameOf: (sighting: Sighting) => string): readonly string[] => {
  const highest = new Map<string, number>();
  return sightings.flatMap((sighting) => {
    const name = nameOf(sighting);
    const before = highest.get(name) ?? 0;
    highest.set(name, sighting.generation);
    const isBack = sighting.generation < before && !sighting.isOld;
    return isBack ? [`${name} went back from generation ${before} to ${sighting.generation}`] : [];
  });
};

/** Only an instance that finds an old file on its disk begins with it; no target ever holds what is older. */
export const olderNeverOverwritesNewer: Rule = ({ witness }) => [
  ...goesBack(witness.held, ({ target }) => target),
  ...goesBack(witness.evaluated, ({ instance = '' }) => instance),
];

/** The last generation that the log asks of each target. */
const lastAskedOf = ({ events }: History): ReadonlyMap<string, number> => {
  const last = new Map<string, number>();
  for (const { type, position, data } of events) {
    if (['ExposureRequested', 'StickinessDropped', 'TargetRegistered'].includes(type))
      last.set(String(data['target']), position);
    if (type === 'RevisionProposed' && data['baseline'] === true && !String(data['key']).includes('/'))
      for (const target of last.keys()) last.set(target, position);
  }
  return last;
};

/** In the end every target holds what was asked last, and every instance that lives serves it. */
export const allEndOnTheLast: Rule = (history) =>
  [...lastAskedOf(history)].flatMap(([target, asked]) => {
    const held = history.targets.get(target) ?? 0;
    const behind = [...history.instances].filter(([, each]) => each.target === target && each.generation !== asked);
    return [
      ...(held === asked ? [] : [`${target} ends on generation ${held}, asked for last was ${asked}`]),
      ...behind.map(
        ([name, { generation }]) => `${name} ends on generation ${generation}, asked for last was ${asked}`,
      ),
    ];
  });
