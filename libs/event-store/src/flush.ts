import type { AppendResult, JsonObject, RecordedEvent } from '#libs/kernel';
import { int4Array, textArray } from './binary-arrays.js';
import type { PreparedRequest } from './requests.js';

const APPENDED = 0;
const CONFLICT = 1;

export const APPEND_SQL = 'select event_store.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) as result';

/** What the append function returns; arrays as in the migration that defines it. */
export type FlushAnswer = {
  readonly head: number;
  readonly recordedAt: string;
  readonly statuses: readonly number[];
  readonly firsts: readonly number[];
  readonly conflicts: readonly number[];
  readonly bases: readonly number[];
  readonly known:
    | readonly {
        readonly request: number;
        readonly fingerprint: string;
        readonly outcome: JsonObject;
        readonly lastPosition: number;
      }[]
    | null;
};

/** The parameters of one call for many requests. */
export const flushParameters = (group: readonly PreparedRequest[]): readonly Buffer[] => {
  const streams = new Map<string, number>();
  const checks = {
    requests: [] as number[],
    streams: [] as number[],
    expected: [] as number[],
    events: [] as number[],
  };
  const eventStreams: string[] = [];
  for (const [index, { request }] of group.entries()) {
    for (const { streamId, expectedVersion, events } of request.streams) {
      const stream = streams.get(streamId) ?? streams.size + 1;
      streams.set(streamId, stream);
      checks.requests.push(index + 1);
      checks.streams.push(stream);
      checks.expected.push(expectedVersion === 'any' ? -1 : expectedVersion);
      checks.events.push(events.length);
      for (let n = 0; n < events.length; n += 1) eventStreams.push(streamId);
    }
  }
  const commands = group.map(({ request }) => request.command);
  const parts = group.flatMap((prepared) => prepared.parts);
  return [
    textArray(commands.map((command) => command?.id ?? null)),
    textArray(commands.map((command) => command?.fingerprint ?? null)),
    textArray(commands.map((command) => (command === undefined ? null : JSON.stringify(command.outcome)))),
    textArray([...streams.keys()]),
    int4Array(checks.requests),
    int4Array(checks.streams),
    int4Array(checks.expected),
    int4Array(checks.events),
    textArray(eventStreams),
    textArray(parts.map((part) => part.head)),
    textArray(parts.map((part) => part.middle)),
    textArray(parts.map((part) => part.tail)),
  ];
};

const recordedEvents = (
  { request }: PreparedRequest,
  firstPosition: number,
  bases: readonly number[],
  recordedAt: string,
): readonly RecordedEvent[] => {
  let position = firstPosition;
  return request.streams.flatMap(({ streamId, events }, index) =>
    events.map((event, n) => {
      const streamVersion = (bases[index] ?? 0) + n + 1;
      return { ...event, streamId, streamVersion, position: position++, recordedAt };
    }),
  );
};

const refusal = (prepared: PreparedRequest, check: number, bases: readonly number[]): AppendResult => {
  const stream = prepared.request.streams[check];
  if (stream === undefined || stream.expectedVersion === 'any')
    throw new Error(
      'The database refused an append for a stream that it did not check: the function append is not ours.',
    );
  const { streamId, expectedVersion } = stream;
  return { kind: 'conflict', streamId, expected: expectedVersion, actual: bases[check] ?? 0 };
};

/** The outcome of a request whose command id is in the log already. */
export const knownCommand = (
  command: { readonly id: string; readonly fingerprint: string },
  known: { readonly fingerprint: string; readonly outcome: JsonObject; readonly lastPosition: number },
): AppendResult =>
  known.fingerprint === command.fingerprint
    ? { kind: 'repeated', outcome: known.outcome, lastPosition: known.lastPosition }
    : { kind: 'command-reused', commandId: command.id };

/** Reads the answer back into one result per request. */
export const flushResults = (group: readonly PreparedRequest[], answer: FlushAnswer): readonly AppendResult[] => {
  const known = new Map(answer.known?.map((row) => [row.request, row]));
  let check = 0;
  return group.map((prepared, index) => {
    const { command, streams } = prepared.request;
    const first = check;
    check += streams.length;
    const bases = answer.bases.slice(first, check);
    const status = answer.statuses[index];
    const repeated = known.get(index + 1);
    if (status === APPENDED)
      return {
        kind: 'appended',
        events: recordedEvents(prepared, answer.firsts[index] ?? 0, bases, answer.recordedAt),
      };
    if (status === CONFLICT) return refusal(prepared, (answer.conflicts[index] ?? 0) - 1 - first, bases);
    if (command === undefined || repeated === undefined)
      throw new Error('The database knows a command that was not sent: the function append is not ours.');
    return knownCommand(command, repeated);
  });
};
