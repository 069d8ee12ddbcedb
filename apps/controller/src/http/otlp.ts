import type { IncomingHttpHeaders } from 'node:http';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { encodeStatus, type Format } from '#libs/signals';
import { ProblemError } from './problem.js';

export const MEDIA_TYPES: Readonly<Record<Format, string>> = {
  json: 'application/json',
  protobuf: 'application/x-protobuf',
};

/** The routes that speak OTLP: their bodies and their answers are not those of the rest of the API. */
export const isOtlp = (path: string): boolean => /^\/v1\/(metrics|logs)\/?(\?|$)/.test(path);

/** The format of a request, in which it is answered as well. */
export const formatOf = ({ 'content-type': type = '' }: IncomingHttpHeaders): Format =>
  type.startsWith(MEDIA_TYPES.protobuf) ? 'protobuf' : 'json';

export const bodyOf = ({ body }: FastifyRequest): Buffer => (Buffer.isBuffer(body) ? body : Buffer.alloc(0));

/** Status of HTTP → code of gRPC, as google.rpc.Code has them; the rest is unknown. */
const CODES: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  413: 8,
  415: 3,
  429: 8,
  500: 13,
  503: 14,
};

/** Answers with `google.rpc.Status`, in the format of the request. */
export const sendStatus = (
  reply: FastifyReply,
  request: FastifyRequest,
  { status, message, headers = {} }: OtlpRefusal,
): void => {
  const format = formatOf(request.headers);
  const body = encodeStatus(format, CODES[status] ?? 2, message);
  void reply.status(status).headers(headers).type(MEDIA_TYPES[format]).send(body);
};

export type OtlpRefusal = {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Counts what came over the line beside what comes out of it: the server compares it with the length that was announced. */
type Unpacked = Readable & { receivedEncodedLength?: number };

const unpacked = (payload: Readable): Unpacked => {
  const gunzip: Unpacked = createGunzip();
  gunzip.receivedEncodedLength = 0;
  const counter = new PassThrough();
  counter.on(
    'data',
    (chunk: Buffer) => (gunzip.receivedEncodedLength = (gunzip.receivedEncodedLength ?? 0) + chunk.length),
  );
  // The reader of the unpacked stream is told of errors.
  pipeline(payload, counter, gunzip as ReturnType<typeof createGunzip>, () => undefined);
  return gunzip;
};

/**
 * Lets the routes of OTLP take bodies of both formats, packed by gzip or not, of so many bytes at most both before and
 * after unpacking. All other routes go on as they were.
 */
export const takeOtlp = (server: FastifyInstance, mostBytes: number): void => {
  const json = server.getDefaultJsonParser('error', 'error');
  server.addHook('onRoute', (route) => {
    if (isOtlp(route.url)) route.bodyLimit = mostBytes;
  });
  server.addContentTypeParser(MEDIA_TYPES.json, { parseAs: 'buffer' }, (request, body, done) => {
    if (isOtlp(request.url)) done(null, body);
    else void json(request, body.toString('utf8'), done);
  });
  server.addContentTypeParser(MEDIA_TYPES.protobuf, { parseAs: 'buffer' }, (request, body, done) => {
    if (isOtlp(request.url)) done(null, body);
    else
      done(
        new ProblemError(
          'unsupported-media-type',
          'The body must be JSON: send it with "Content-Type: application/json".',
        ),
      );
  });
  server.addHook('preParsing', (request, _reply, payload, done) => {
    const encoding = request.headers['content-encoding'] ?? 'identity';
    if (!isOtlp(request.url) || encoding === 'identity') return done(null, payload);
    if (encoding === 'gzip') return done(null, unpacked(payload as Readable) as typeof payload);
    return done(
      new ProblemError(
        'unsupported-media-type',
        `The encoding ${encoding} is not known: send gzip, or nothing packed.`,
      ),
    );
  });
};
