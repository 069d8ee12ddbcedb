import type { z } from 'zod';
import { UnknownEventError, type EventCodec, type JsonObject, type NewEvent, type RecordedEvent } from '#libs/kernel';
import { configEvents } from './config.events.js';
import { rolloutEvents, rolloutUpcasters } from './rollout.events.js';
import { targetEvents, targetUpcasters } from './target.events.js';
import { accessEvents, accessUpcasters } from './access.events.js';
import { hookEvents } from './hook.events.js';

export * from './config.events.js';
export * from './rollout.events.js';
export * from './target.events.js';
export * from './access.events.js';
export { leftoverWords } from './leftover.js';
export * from './hook.events.js';

type Versions = { readonly [version: number]: z.ZodType };
type Newest<V extends Versions> = V extends { readonly 5: infer Fifth extends z.ZodType }
  ? Fifth
  : V extends { readonly 4: infer Fourth extends z.ZodType }
    ? Fourth
    : V extends { readonly 3: infer Third extends z.ZodType }
      ? Third
      : V extends { readonly 2: infer Second extends z.ZodType }
        ? Second
        : V[1];
type EventOf<Schemas extends Record<string, Versions>> = {
  [Type in keyof Schemas & string]: {
    readonly type: Type;
    readonly data: z.output<Newest<Schemas[Type]>>;
  };
}[keyof Schemas & string];

export type ConfigEvent = EventOf<typeof configEvents>;
export type TargetEvent = EventOf<typeof targetEvents>;
export type RolloutEvent = EventOf<typeof rolloutEvents>;
export type AccessEvent = EventOf<typeof accessEvents>;
export type HookEvent = EventOf<typeof hookEvents>;
export type HeadgateEvent = ConfigEvent | TargetEvent | RolloutEvent | AccessEvent | HookEvent;

/** A domain event with where and when the log holds it. */
export type Recorded<E> = E & { readonly position: number; readonly at: number };

const registry: Readonly<Record<string, Versions>> = {
  ...configEvents,
  ...targetEvents,
  ...rolloutEvents,
  ...accessEvents,
  ...hookEvents,
};

/** Type and version → a pure function to the next version. */
const upcasters: Readonly<Record<string, Readonly<Record<number, (data: JsonObject) => JsonObject>>>> = {
  ...rolloutUpcasters,
  ...targetUpcasters,
  ...accessUpcasters,
};

/** Every event type of this build with its newest version. */
export const eventVersions: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(registry).map(([type, versions]) => [type, Math.max(...Object.keys(versions).map(Number))]),
);

/** Whether an event of this type records what was measured, which is no act of whoever's command it came with. */
export const isMeasured = (type: string): boolean => type === 'VerdictRecorded' || type === 'ParityJudged';

export const newestVersion = (type: string): number => {
  const version = eventVersions[type];
  if (version === undefined) throw new Error(`Event type ${type} is not declared in libs/domain/events.`);
  return version;
};

/**
 * An event of a rollout in its newest version, as somebody else sent it; undefined where it is none, or does not fit.
 * What this build does not know of it is left out.
 */
export const readRolloutEvent = (type: string, data: unknown): RolloutEvent | undefined => {
  const versions: Versions | undefined = (rolloutEvents as Readonly<Record<string, Versions>>)[type];
  const read = versions?.[newestVersion(type)]?.safeParse(data);
  return read?.success === true ? ({ type, data: read.data } as RolloutEvent) : undefined;
};

/** Where a value has a key that its schema does not know, as a JSON pointer. Schemas drop such keys when they parse. */
const strayKey = (given: unknown, known: unknown, at = ''): string | undefined => {
  if (typeof given !== 'object' || given === null) return undefined;
  if (typeof known !== 'object' || known === null) return at;
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(known, key)) return `${at}/${key}`;
    const stray = strayKey(value, (known as Readonly<Record<string, unknown>>)[key], `${at}/${key}`);
    if (stray !== undefined) return stray;
  }
  return undefined;
};

/** Strict on write, lenient on unknown keys on read; an unknown or newer event is refused loudly, never skipped. */
export const eventCodec: EventCodec = {
  decode: (event: RecordedEvent): RecordedEvent => {
    const newest = eventVersions[event.type];
    if (newest === event.schemaVersion) return event;
    if (newest === undefined || event.schemaVersion > newest) {
      throw new UnknownEventError(event.type, event.schemaVersion, event.position, newest);
    }
    let data = event.data;
    for (let version = event.schemaVersion; version < newest; version += 1) {
      const upcast = upcasters[event.type]?.[version];
      if (!upcast) throw new Error(`Event ${event.type} v${version} has no upcaster to v${version + 1}.`);
      data = upcast(data);
    }
    return { ...event, data, schemaVersion: newest };
  },
  check: (event: NewEvent): void => {
    const schema = registry[event.type]?.[event.schemaVersion];
    if (!schema) throw new Error(`Event ${event.type} v${event.schemaVersion} is not declared in libs/domain/events.`);
    const result = schema.safeParse(event.data);
    if (!result.success) {
      throw new Error(`Event ${event.type} does not fit its schema: ${result.error.message}`, { cause: result.error });
    }
    const stray = strayKey(event.data, result.data);
    if (stray !== undefined) {
      throw new Error(
        `Event ${event.type} v${event.schemaVersion} has no field ${stray}: declare it in libs/domain/events.`,
      );
    }
  },
};

/** Narrows a decoded event to the types of this build; safe because the codec refused all others. */
export const asHeadgateEvent = (event: RecordedEvent): Recorded<HeadgateEvent> =>
  ({
    type: event.type,
    data: event.data,
    position: event.position,
    // Reading a recorded instant is not reading a clock.
    // oxlint-disable-next-line no-restricted-globals
    at: Date.parse(event.recordedAt),
  }) as Recorded<HeadgateEvent>;
