import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock, JsonObject } from '#libs/kernel';
import type { Queryable } from '../pull/postgres.js';

/** What a pass is good for: the changes of one target, until a time, while its holder may still read rulesets. */
export type StreamPass = {
  readonly target: string;
  /** Id of the token that it was given to. */
  readonly holder: string;
  /** Epoch ms. */
  readonly until: number;
  /** The generation that its holder had when it was given out: what is newer is news. */
  readonly since: number;
};

/** An entry of `eventStreams`. Whoever has an answer with another `tag` has an entry that must be given out anew. */
export type StreamOffer = { readonly tag: string; readonly entry: JsonObject };

export type StreamPassOptions = {
  readonly key: Buffer;
  readonly clock: Clock;
  /** Where streams are served; the pass goes behind it as a query. */
  readonly path: string;
  /** The longest life of a pass in ms; it lives half as long at least. Default 1 h. */
  readonly lifeMs?: number;
};

/** How long a page that nobody looks at keeps its stream, in seconds. */
const INACTIVITY_SECONDS = 120;

const KEY = 'select key from delivery.stream_keys';

/** The key that all controllers on a database sign passes with. */
export const streamKeyOf = async (database: Queryable): Promise<Buffer> => {
  const { rows } = await database.query<{ readonly key: Buffer }>(KEY);
  const key = rows[0]?.key;
  if (key === undefined)
    throw new Error('The database has no key for event streams: put back the row of delivery.stream_keys.');
  return key;
};

/** Where in its period a unit is: without it all clients would come for new passes at the same moment. */
const shiftOf = (unit: string, periodMs: number): number => {
  let hash = 0;
  for (let index = 0; index < unit.length; index += 1) hash = (Math.imul(hash, 31) + unit.charCodeAt(index)) >>> 0;
  return hash % periodMs;
};

/**
 * Addresses of event streams that can be opened without a header, which a browser's EventSource cannot send. A pass is
 * opaque, signed, and good for nothing but one target's stream. Passes of one period are equal for equal holder, target
 * and generation; a caller whose period has passed must be answered in full, since it needs a new one.
 */
export class StreamPasses {
  readonly #periodMs: number;

  constructor(private readonly options: StreamPassOptions) {
    this.#periodMs = (options.lifeMs ?? 3_600_000) / 2;
  }

  offer(target: string, { holder, unit, since }: { holder: string; unit: string; since: number }): StreamOffer {
    const shift = shiftOf(unit, this.#periodMs);
    const period = Math.floor((this.options.clock.now() + shift) / this.#periodMs);
    const pass = this.#write({ target, holder, until: (period + 2) * this.#periodMs - shift, since });
    const requestUri = `${this.options.path}?pass=${pass}`;
    return {
      tag: `${holder} ${period}`,
      entry: { type: 'sse', endpoint: { requestUri }, inactivityDelaySec: INACTIVITY_SECONDS },
    };
  }

  /** What is written in a pass that was signed here and has not run out; undefined for anything else. */
  read(pass: string): StreamPass | undefined {
    const [body = '', signature = '', ...more] = pass.split('.');
    const asked = this.#sign(body);
    const given = Buffer.from(signature, 'base64url');
    if (more.length > 0 || given.length !== asked.length || !timingSafeEqual(given, asked)) return undefined;
    const [target, holder, until, since] = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as [
      string,
      string,
      number,
      number,
    ];
    return until > this.options.clock.now() ? { target, holder, until, since } : undefined;
  }

  #write({ target, holder, until, since }: StreamPass): string {
    const body = Buffer.from(JSON.stringify([target, holder, until, since])).toString('base64url');
    return `${body}.${this.#sign(body).toString('base64url')}`;
  }

  #sign(body: string): Buffer {
    return createHmac('sha256', this.options.key).update(body).digest();
  }
}
