import type { AppendRequest, EventCodec } from '#libs/kernel';
import type { EnvelopeParts } from './canonical.js';
import { envelopeParts } from './canonical.js';

/** A request whose events were checked and whose bytes are made, in the order of its streams. */
export type PreparedRequest = {
  readonly request: AppendRequest;
  readonly parts: readonly EnvelopeParts[];
  /** Characters, near enough to bytes to bound a flush. */
  readonly size: number;
};

const checkStreams = (request: AppendRequest): void => {
  const seen = new Set<string>();
  for (const { streamId, expectedVersion } of request.streams) {
    if (streamId === '') throw new Error('An append names an empty stream id: name the stream.');
    if (seen.has(streamId)) throw new Error(`An append lists the stream ${streamId} twice: put its events together.`);
    if (expectedVersion !== 'any' && !(Number.isSafeInteger(expectedVersion) && expectedVersion >= 0))
      throw new Error(
        `An append to ${streamId} expects version ${expectedVersion}: give a whole number from 0, or 'any'.`,
      );
    seen.add(streamId);
  }
};

/** Checks a request against the codec and makes its bytes. Throws what the codec throws. */
export const prepare = (request: AppendRequest, codec: EventCodec): PreparedRequest => {
  checkStreams(request);
  const parts: EnvelopeParts[] = [];
  let size = 0;
  for (const { streamId, events } of request.streams) {
    for (const event of events) {
      codec.check(event);
      const made = envelopeParts(event, streamId);
      parts.push(made);
      size += made.head.length + made.middle.length + made.tail.length;
    }
  }
  return { request, parts, size };
};
