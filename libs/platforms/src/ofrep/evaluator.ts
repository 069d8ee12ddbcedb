import { createHash } from 'node:crypto';
import type { EvaluationContext, JsonValue } from '@openfeature/core';
import { FlagdCore, type FeatureFlag } from '@openfeature/flagd-core';
import type { Json, JsonObject } from '#libs/kernel';
import type { RulesetFeed, RulesetSnapshot } from '../feed.js';
import { matchesEtag } from './etag.js';
import type { StreamOffer } from './stream-passes.js';

/** An HTTP answer, ready to be sent; its body is JSON, and there is none with 304. */
export type OfrepResponse = {
  readonly status: 200 | 304 | 400 | 404 | 500;
  readonly body: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
};

type ErrorCode = 'PARSE_ERROR' | 'INVALID_CONTEXT' | 'TARGETING_KEY_MISSING' | 'FLAG_NOT_FOUND' | 'GENERAL';
type Failure = { readonly errorCode: ErrorCode; readonly errorDetails: string };
type Context = JsonObject & EvaluationContext;
type Evaluation = ReturnType<FeatureFlag['evaluate']>;
type Loaded = {
  readonly generation: number;
  readonly flags: ReadonlyMap<string, FeatureFlag>;
  readonly metadata: string;
  /** Flag, variant and reason → the answer that they always have. Who gets which is evaluated each time. */
  readonly answers: Map<string, string>;
};

/** Evaluations say what went wrong in their result; the evaluator's own prints would repeat it with the context. */
const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

const isObject = (value: unknown): value is Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Deeper contexts are no use to any rule. */
const DEEPEST = 32;

const deeperThan = (value: Json, levels: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((item) => deeperThan(item, levels - 1)));

const failure = (errorCode: ErrorCode, errorDetails: string) => ({ failure: { errorCode, errorDetails } });

/** The context of a request body, or why there is none. OFREP 0.3.0 requires the targeting key. */
const readContext = (body: unknown): { readonly context: Context } | { readonly failure: Failure } => {
  if (!isObject(body)) return failure('PARSE_ERROR', 'The body is not a JSON object: send {"context": {…}}.');
  const context = body['context'];
  if (!isObject(context)) {
    return failure('INVALID_CONTEXT', 'The context is not a JSON object: send {"context": {…}}.');
  }
  if (deeperThan(context, DEEPEST)) {
    return failure('INVALID_CONTEXT', `The context is nested more than ${DEEPEST} levels deep: send a flatter one.`);
  }
  const { targetingKey, ...rest } = context;
  if (targetingKey === undefined || targetingKey === null || targetingKey === '') {
    const advice = 'send the pseudonym of the user, session or request';
    return failure('TARGETING_KEY_MISSING', `The context has no targetingKey: ${advice}.`);
  }
  if (typeof targetingKey !== 'string') {
    return failure('INVALID_CONTEXT', 'The targetingKey is not a string: send it as text.');
  }
  return { context: { ...rest, targetingKey } };
};

const respond = (
  status: OfrepResponse['status'],
  body: JsonObject | string | undefined,
  headers: Readonly<Record<string, string>> = {},
): OfrepResponse => ({ status, body: typeof body === 'object' ? JSON.stringify(body) : body, headers });

/** Every rule of ours is a split, and the evaluator only says that a rule matched. */
const reasonOf = (evaluation: Evaluation): string =>
  evaluation.reason === 'TARGETING_MATCH' ? 'SPLIT' : evaluation.reason;

const toResult = (key: string, evaluation: Evaluation): JsonObject => {
  if (evaluation.value === undefined) {
    const errorDetails = 'errorMessage' in evaluation ? evaluation.errorMessage : undefined;
    return { key, errorCode: 'GENERAL', errorDetails: errorDetails ?? `Config ${key} has no value for this context.` };
  }
  const value: JsonValue = evaluation.value;
  const { variant } = evaluation;
  const metadata = evaluation.flagMetadata as JsonObject;
  const head = { key, value: value as Json, reason: reasonOf(evaluation) };
  return variant === undefined ? { ...head, metadata } : { ...head, variant, metadata };
};

type Answer = { readonly text: string; readonly isFailure: boolean };

/** Rulesets of ours turn nothing off; what is off has no value here, as in process. */
const turnedOff = (key: string): JsonObject => ({
  key,
  errorCode: 'GENERAL',
  errorDetails: `Config ${key} is turned off in the ruleset.`,
});

const answerOf = ({ answers }: Loaded, key: string, flag: FeatureFlag, context: Context): Answer => {
  if (flag.state === 'DISABLED') return { text: JSON.stringify(turnedOff(key)), isFailure: true };
  const evaluation = flag.evaluate(context, silent);
  if (evaluation.value === undefined) return { text: JSON.stringify(toResult(key, evaluation)), isFailure: true };
  const which = `${evaluation.reason} ${evaluation.variant ?? ''} ${key}`;
  const known = answers.get(which);
  if (known !== undefined) return { text: known, isFailure: false };
  const text = JSON.stringify(toResult(key, evaluation));
  answers.set(which, text);
  return { text, isFailure: false };
};

const noTarget = (target: string): string =>
  `Target ${target} has no ruleset: correct the address, or apply the target's manifest.`;

/**
 * Evaluates rulesets for clients that speak OFREP 0.3.0, with the evaluator that fleets run in process. Framework-free:
 * takes parsed bodies and gives status, body and headers.
 */
export class OfrepEvaluator {
  private readonly loaded = new Map<string, Loaded>();

  constructor(private readonly feed: RulesetFeed) {}

  /** `POST …/evaluate/flags/{key}`. Pass `undefined` as the body when it is not JSON. */
  evaluateOne(target: string, key: string, body: unknown): OfrepResponse {
    const read = readContext(body);
    if ('failure' in read) return respond(400, { key, ...read.failure });
    const loaded = this.load(target);
    const flag = loaded?.flags.get(key);
    if (loaded === undefined || flag === undefined) {
      const errorDetails = loaded === undefined ? noTarget(target) : `Target ${target} has no config ${key}.`;
      return respond(404, { key, errorCode: 'FLAG_NOT_FOUND', errorDetails });
    }
    const { text, isFailure } = answerOf(loaded, key, flag, read.context);
    return respond(isFailure ? 500 : 200, text);
  }

  /**
   * `POST …/evaluate/flags`. The entity tag stands for (generation, context, stream), so a 304 is right for this caller
   * only, and only while the stream that it was told of can be opened. `offer` makes the entry of `eventStreams` for a
   * unit that has a generation.
   */
  evaluateAll(
    target: string,
    body: unknown,
    ifNoneMatch: string | undefined,
    offer?: (unit: string, since: number) => StreamOffer,
  ): OfrepResponse {
    const read = readContext(body);
    if ('failure' in read) return respond(400, read.failure);
    const { context } = read;
    const loaded = this.load(target);
    if (loaded === undefined) return respond(404, { errorCode: 'GENERAL', errorDetails: noTarget(target) });
    const stream = offer?.(context.targetingKey ?? '', loaded.generation);
    const etag = etagOf(loaded.generation, context, stream?.tag ?? '');
    if (matchesEtag(ifNoneMatch, etag)) return respond(304, undefined, { etag });
    const flags = Array.from(loaded.flags, ([key, flag]) => answerOf(loaded, key, flag, context).text).join(',');
    const streams = stream === undefined ? '' : `,"eventStreams":[${JSON.stringify(stream.entry)}]`;
    return respond(200, `{"flags":[${flags}],"metadata":${loaded.metadata}${streams}}`, { etag });
  }

  /** Compiling a ruleset costs far more than evaluating it: it is done once for each generation. */
  private load(target: string): Loaded | undefined {
    const snapshot = this.feed.current(target);
    if (snapshot === undefined) return undefined;
    const known = this.loaded.get(target);
    if (known?.generation === snapshot.generation) return known;
    const loaded = compile(snapshot);
    this.loaded.set(target, loaded);
    return loaded;
  }
}

const compile = (snapshot: RulesetSnapshot): Loaded => {
  const core = new FlagdCore(undefined, silent);
  core.setConfigurations(snapshot.text);
  const metadata = JSON.stringify(core.getFlagSetMetadata());
  return { generation: snapshot.generation, flags: core.getFlags(), metadata, answers: new Map() };
};

const etagOf = (generation: number, context: Context, stream: string): string => {
  const digest = createHash('sha256')
    .update(JSON.stringify([context, stream]))
    .digest('base64url');
  return `"${generation}-${digest.slice(0, 22)}"`;
};
