import protobuf from 'protobufjs/minimal.js';
import type { Format } from './model.js';

/** What was refused of a request that was otherwise taken. */
export type Refusals = {
  readonly rejected: number;
  /** Why, in words; empty where nothing was refused. */
  readonly message: string;
};

type Kind = 'metrics' | 'logs';

const REJECTED: Readonly<Record<Kind, string>> = { metrics: 'rejectedDataPoints', logs: 'rejectedLogRecords' };

/** The body of an answer with status 200: it is of the format that the request was in. */
export const encodeAnswer = (kind: Kind, format: Format, { rejected, message }: Refusals): string | Uint8Array => {
  if (format === 'json') {
    // Counts of 64 bits are text in the JSON of protobuf.
    const partialSuccess = { [REJECTED[kind]]: String(rejected), errorMessage: message };
    return JSON.stringify(rejected === 0 ? {} : { partialSuccess });
  }
  const writer = protobuf.Writer.create();
  if (rejected > 0) writer.uint32(10).fork().uint32(8).int64(rejected).uint32(18).string(message).ldelim();
  return writer.finish();
};

/** `google.rpc.Status`: the body of every other answer. `code` is gRPC's. */
export const encodeStatus = (format: Format, code: number, message: string): string | Uint8Array => {
  if (format === 'json') return JSON.stringify({ code, message });
  return protobuf.Writer.create().uint32(8).int32(code).uint32(18).string(message).finish();
};
