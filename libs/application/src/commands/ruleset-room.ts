import { isServed, liveRevision, renderRuleset, type RegisteredConfig } from '#libs/domain';
import { sameJson, type JsonObject, type Rejection } from '#libs/kernel';
import type { Manifest } from '#libs/contracts';
import type { LiveView } from '../queries/live-view.js';
import { targetCapabilities } from '../workers/targets-known.js';
import { targetsAfter, type Driven } from './targets-after.js';

const CODE = 'ruleset-too-large';

const sizes = new WeakMap<JsonObject, number>();

/** Bytes of a value as rulesets carry it. */
export const bytesOf = (value: JsonObject): number => {
  const known = sizes.get(value) ?? Buffer.byteLength(JSON.stringify(value));
  sizes.set(value, known);
  return known;
};

/** What a split of one config takes beside its values and the names of config and target, frame included. */
const FLAG_BYTES = Buffer.byteLength(
  JSON.stringify(
    renderRuleset({
      target: '',
      generation: Number.MAX_SAFE_INTEGER,
      configs: [
        {
          config: '',
          control: 999_998,
          candidate: 999_999,
          shareBp: 5_000,
          rollout: '0'.repeat(36),
          values: { 999_998: {}, 999_999: {} },
        },
      ],
    }),
  ),
);

/** What a ruleset holds of one config: the control's value, and the candidate's where there is one. */
type Held = { readonly config: string; readonly values: readonly JsonObject[] };

const heldBytes = (target: string, { config, values }: Held): number =>
  FLAG_BYTES + config.length + 2 * target.length + values.reduce((sum, value) => sum + bytesOf(value), 0);

/** An upper bound of the bytes of a ruleset. */
const rulesetBytes = (target: string, held: readonly Held[]): number =>
  held.reduce((sum, each) => sum + heldBytes(target, each), 0);

const largestOf = (target: string, held: readonly Held[]): string => {
  const [first] = held.toSorted((a, b) => heldBytes(target, b) - heldBytes(target, a));
  return first === undefined ? '' : `${first.config} (${first.values.map(bytesOf).join(' and ')} bytes)`;
};

const valueOf = ({ revisions }: RegisteredConfig, revision: number | null | undefined): JsonObject | undefined =>
  revisions.find((each) => each.revision === revision)?.value;

const servedConfigs = (view: LiveView): readonly RegisteredConfig[] =>
  [...view.fleet.configs.values()].filter(
    ({ kind, status, revisions }) => isServed(kind) && status === 'registered' && revisions.length > 0,
  );

const controlOf = (view: LiveView, target: string, config: RegisteredConfig): number =>
  view.fleet.desiredOf(target, config.key)?.control ?? liveRevision(config, target);

type Given = { readonly at: number; readonly config: string; readonly value: JsonObject; readonly first: JsonObject };

/** The values among these manifests that are none yet. */
const newValues = (view: LiveView, manifests: readonly Manifest[]): readonly Given[] =>
  manifests.flatMap((manifest, at): readonly Given[] => {
    if (manifest.kind !== 'Config') return [];
    const { name } = manifest.metadata;
    const value = manifest.spec.value as JsonObject;
    const known = view.fleet.configs.get(name)?.revisions.at(-1)?.value;
    const first = (manifest.spec.codeDefault as JsonObject | undefined) ?? value;
    return known !== undefined && sameJson(known, value) ? [] : [{ at, config: name, value, first }];
  });

/** The most that a target may have to hold of each config: its control, and at once the larger of candidate and newest. */
const heldAfter = (view: LiveView, target: string, given: ReadonlyMap<string, Given>): readonly Held[] => {
  const known = servedConfigs(view).map((config): Held => {
    const control = controlOf(view, target, config);
    const candidate = view.fleet.desiredOf(target, config.key)?.candidate;
    const newest = given.get(config.key)?.value ?? config.revisions.at(-1)?.value;
    const held = valueOf(config, control) ?? {};
    const [next] = [valueOf(config, candidate), newest]
      .filter((value): value is JsonObject => value !== undefined && value !== held)
      .toSorted((a, b) => bytesOf(b) - bytesOf(a));
    return { config: config.key, values: next === undefined ? [held] : [held, next] };
  });
  const added = [...given.values()].filter(({ config }) => !view.fleet.configs.has(config));
  return [
    ...known,
    ...added.map(({ config, first, value }) => ({ config, values: first === value ? [value] : [first, value] })),
  ];
};

/** A value smaller than the live one leads out of a ruleset that does not fit already: it is never refused. */
const leadsOut = (view: LiveView, target: string, { config, value }: Given): boolean => {
  const known = view.fleet.configs.get(config);
  const live = known && valueOf(known, controlOf(view, target, known));
  return live !== undefined && bytesOf(value) < bytesOf(live);
};

const valueFault = (target: Driven, bytes: number, room: number, largest: string, given: Given): Rejection => ({
  code: CODE,
  message: `With this value of config ${given.config} (${bytesOf(given.value)} bytes) the ruleset of target ${target.target} could have ${bytes} bytes while a rollout runs, when control and candidate are held at once, and driver ${target.driver} has room for ${room} (spec.value): make the value smaller, or keep the bulk elsewhere and only name it here. The largest config there: ${largest}.`,
  field: `/manifests/${given.at}/spec/value`,
});

/**
 * Why what is applied would not fit where it is to be held: a new value with which the ruleset of a target could outgrow
 * its driver's room, or a new target whose configs do. What was too large before is refused no second time.
 */
export const appliedRoomLimits = (view: LiveView, manifests: readonly Manifest[]): Rejection | undefined => {
  const values = newValues(view, manifests);
  const given = new Map(values.map((each) => [each.config, each]));
  for (const target of targetsAfter(view, manifests)) {
    const isNew = !view.fleet.targets.has(target.target);
    if (values.length === 0 && !isNew) continue;
    const room = targetCapabilities(target).roomBytes;
    const held = heldAfter(view, target.target, given);
    const bytes = rulesetBytes(target.target, held);
    if (bytes <= room) continue;
    const largest = largestOf(target.target, held);
    const [fault] = values
      .filter((each) => !leadsOut(view, target.target, each))
      .toSorted((a, b) => bytesOf(b.value) - bytesOf(a.value));
    if (fault) return valueFault(target, bytes, room, largest, fault);
    if (!isNew) continue;
    return {
      code: CODE,
      message: `The ruleset of target ${target.target} could have ${bytes} bytes, and driver ${target.driver} has room for ${room} (spec.driver): every config is served on every target. Make the largest one smaller first: ${largest}. Or deliver to this target by another driver.`,
      field: `/manifests/${manifests.findIndex(({ kind, metadata }) => kind === 'Target' && metadata.name === target.target)}/spec/driver`,
    };
  }
  return undefined;
};

type Started = { readonly config: RegisteredConfig; readonly revision: number };

/** Why a rollout's ruleset would not fit on a target, beside what it holds of other configs now; undefined when it does. */
export const startedRoomLimit = (view: LiveView, target: Driven, { config, revision }: Started): string | undefined => {
  const room = targetCapabilities(target).roomBytes;
  const held = servedConfigs(view).map((each): Held => {
    const desired = view.fleet.desiredOf(target.target, each.key);
    const own = each.key === config.key;
    const candidate = valueOf(own ? config : each, own ? revision : desired?.candidate);
    const control = valueOf(each, controlOf(view, target.target, each)) ?? {};
    return { config: each.key, values: candidate === undefined ? [control] : [control, candidate] };
  });
  const bytes = rulesetBytes(target.target, held);
  if (bytes <= room) return undefined;
  return `With r${revision} of ${config.key} the ruleset of target ${target.target} could have ${bytes} bytes, and driver ${target.driver} has room for ${room}: control and candidate are held at once. The largest config there: ${largestOf(target.target, held)}. Propose a smaller value, or leave the target out of the plan's tracks.`;
};
