import { createHmac } from 'node:crypto';
import { request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { guardedLookup, refusedUrl } from './address.js';

export type Delivery = {
  readonly url: string;
  readonly secret: string;
  /** The same for each attempt at the same event, so that a receiver can tell a repetition. */
  readonly id: string;
  readonly body: string;
  readonly nowMs: number;
  readonly timeoutMs: number;
  readonly mayLoop: boolean;
};

/** What came of an attempt. `gone`: the receiver wants nothing more, ever. */
export type Answer =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly words: string; readonly retryAfterMs: number | null };

const failed = (words: string, retryAfterMs: number | null = null): Answer => ({ kind: 'failed', words, retryAfterMs });

/** As Standard Webhooks has it: HMAC-SHA256 over id, time in seconds and body. https://www.standardwebhooks.com */
const signatureOf = (secret: string, id: string, seconds: number, body: string): string => {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`;
};

const retryAfterMs = (header: string | undefined): number | null =>
  header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1_000 : null;

const answerOf = (status: number, retryAfter: string | undefined): Answer => {
  if (status >= 200 && status < 300) return { kind: 'delivered' };
  if (status === 410) return { kind: 'gone' };
  if (status >= 300 && status < 400) return failed(`it answered ${status}: redirects are not followed`);
  return failed(`it answered ${status}`, retryAfterMs(retryAfter));
};

/**
 * Posts one event, signed. Nothing that the receiver answers is read but status and `Retry-After`, and it has
 * `timeoutMs` for all of it. Never throws.
 */
export const send = (delivery: Delivery): Promise<Answer> => {
  const url = new URL(delivery.url);
  const refused = refusedUrl(url, delivery.mayLoop);
  if (refused !== undefined) return Promise.resolve(failed(refused));
  const seconds = Math.floor(delivery.nowMs / 1_000);
  const headers = {
    'content-type': 'application/cloudevents+json; charset=utf-8',
    'content-length': Buffer.byteLength(delivery.body),
    'user-agent': 'headgate',
    'webhook-id': delivery.id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': signatureOf(delivery.secret, delivery.id, seconds, delivery.body),
  };
  const make = url.protocol === 'https:' ? secure : plain;
  return new Promise((resolve) => {
    const posted = make(url, { method: 'POST', headers, lookup: guardedLookup(delivery.mayLoop), agent: false });
    const end = (answer: Answer): void => {
      clearTimeout(timer);
      posted.destroy();
      resolve(answer);
    };
    const late = (): void => end(failed(`it did not answer within ${delivery.timeoutMs / 1_000} s`));
    const timer = setTimeout(late, delivery.timeoutMs);
    posted.on('error', (error) => end(failed(`it cannot be reached: ${error.message}`)));
    posted.on('response', (response) => {
      end(answerOf(response.statusCode ?? 0, response.headers['retry-after']));
    });
    posted.end(delivery.body);
  });
};
