import type { AppendRequest, AppendResult, JsonObject, RecordedEvent } from '#libs/kernel';
import { int4Array, textArray } from '#libs/postgres';
import type { PreparedRequest } from './requests.js';

export const APPEND_SQL = 'select event_store.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) as result';

const MAX_REQUESTS = 512;
const MAX_SIZE = 4_000_000;

type KnownCommand = { readonly fingerprint: string; readonly outcome: JsonObject; readonly lastPosition: number };

/** What the append function returns, as the migration that defines it says. */
export type FlushAnswer = {
  readonly before: number;
  readonly recordedAt: string;
  readonly versions: readonly number[];
  readonly refused: readonly number[];
  readonly known: readonly (KnownCommand & { readonly request: number })[] | null;
};

/**
 * How many of the waiting requests, from the first, may go in one call: bounded, each command id once, and none that
 * touches a stream to which another of them appends, so that each is decided alone.
 */
export const fitOneFlush = (waiting: readonly PreparedRequest[]): number => {
  const commands = new Set<string>();
  /** Streams of the call, and whether one of its requests appends to it. */
  const streams = new Map<string, boolean>();
  let size = 0;
  for (const [index, { request, size: own }] of waiting.entries()) {
    size += own;
    const id = request.command?.id;
    const isKnown = id !== undefined && commands.has(id);
    if (index >= MAX_REQUESTS || (index > 0 && size > MAX_SIZE) || isKnown || interferes(request, streams))
      return index;
    if (id !== undefined) commands.add(id);
    for (const { streamId, events } of request.streams)
      streams.set(streamId, events.length > 0 || (streams.get(streamId) ?? false));
  }
  return waiting.length;
};

const interferes = (request: AppendRequest, streams: ReadonlyMap<string, boolean>): boolean =>
  request.streams.some(({ streamId, events }) => {
    const isAppendedTo = streams.get(streamId);
    return isAppendedTo === true || (isAppendedTo === false && events.length > 0);
  });

/** The parameters of one call for many requests. */
export const flushParameters = (group: readonly PreparedRequest[]): readonly Buffer[] => {
  const requestEnds: number[] = [];
  const checks = { requests: [] as number[], streams: [] as string[], expected: [] as number[] };
  const events = { checks: [] as number[], numbers: [] as number[] };
  for (const [index, { request, parts }] of group.entries()) {
    requestEnds.push((requestEnds.at(-1) ?? 0) + parts.length);
    for (const stream of request.streams) {
      checks.requests.push(index + 1);
      checks.streams.push(stream.streamId);
      checks.expected.push(stream.expectedVersion === 'any' ? -1 : stream.expectedVersion);
      for (let number = 1; number <= stream.events.length; number += 1) {
        events.checks.push(checks.streams.length);
        events.numbers.push(number);
      }
    }
  }
  const commands = group.map(({ request }) => request.command);
  const parts = group.flatMap((prepared) => prepared.parts);
  return [
    textArray(commands.map((command) => command?.id ?? null)),
    textArray(commands.map((command) => command?.fingerprint ?? null)),
    textArray(commands.map((command) => (command === undefined ? null : JSON.stringify(command.outcome)))),
    int4Array(requestEnds),
    int4Array(checks.requests),
    textArray(checks.streams),
    int4Array(checks.expected),
    int4Array(events.checks),
    int4Array(events.numbers),
    textArray(parts.map((part) => part.head)),
    textArray(parts.map((part) => part.middle)),
    textArray(parts.map((part) => part.tail)),
  ];
};

const recordedEvents = (
  request: AppendRequest,
  before: number,
  versions: readonly number[],
  recordedAt: string,
): readonly RecordedEvent[] => {
  let position = before;
  return request.streams.flatMap(({ streamId, events }, index) =>
    events.map((event, n) => {
      const streamVersion = (versions[index] ?? 0) + n + 1;
      position += 1;
      return { ...event, streamId, streamVersion, position, recordedAt };
    }),
  );
};

const refusal = (request: AppendRequest, versions: readonly number[]): AppendResult => {
  for (const [index, { streamId, expectedVersion }] of request.streams.entries()) {
    const actual = versions[index] ?? 0;
    if (expectedVersion !== 'any' && expectedVersion !== actual)
      return { kind: 'conflict', streamId, expected: expectedVersion, actual };
  }
  throw new Error('The database refused an append whose versions fit: the function append is not ours.');
};

/** The outcome of a request whose command id is in the log already. */
export const knownCommand = (
  command: { readonly id: string; readonly fingerprint: string },
  known: KnownCommand,
): AppendResult =>
  known.fingerprint === command.fingerprint
    ? { kind: 'repeated', outcome: known.outcome, lastPosition: known.lastPosition }
    : { kind: 'command-reused', commandId: command.id };

/** Reads the answer back into one result per request. */
export const flushResults = (group: readonly PreparedRequest[], answer: FlushAnswer): readonly AppendResult[] => {
  const known = new Map(answer.known?.map((row) => [row.request, row]));
  const refused = new Set(answer.refused);
  let check = 0;
  let before = answer.before;
  return group.map(({ request, parts }, index) => {
    const versions = answer.versions.slice(check, check + request.streams.length);
    check += request.streams.length;
    const repeated = known.get(index + 1);
    if (repeated !== undefined && request.command !== undefined) return knownCommand(request.command, repeated);
    if (refused.has(index + 1)) return refusal(request, versions);
    const events = recordedEvents(request, before, versions, answer.recordedAt);
    before += parts.length;
    return { kind: 'appended', events };
  });
};
