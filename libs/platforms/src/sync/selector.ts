import type { Metadata } from '@grpc/grpc-js';

const SELECTOR_HEADER = 'flagd-selector';
const BEARER = /^Bearer\s+(\S+)$/i;
const TARGET = /^[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?$/;

/** Who asks for what; `target` is undefined when the selector names none that could exist. */
export type Caller = { readonly target: string | undefined; readonly token: string | undefined };

const first = (metadata: Metadata, key: string): string | undefined => {
  const value = metadata.get(key)[0];
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/**
 * Reads `<target>?token=<secret>` from the header `flagd-selector`, or else from the request; a selector without a token
 * goes with `authorization: Bearer`. Selectors are secrets: nothing of them may reach a log or an error message before
 * the token was accepted.
 */
export const readCaller = (metadata: Metadata, requestSelector: string): Caller => {
  const selector = first(metadata, SELECTOR_HEADER) ?? requestSelector;
  const mark = selector.indexOf('?');
  const name = mark < 0 ? selector : selector.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? '' : selector.slice(mark + 1));
  const bearer = BEARER.exec(first(metadata, 'authorization') ?? '')?.[1];
  return { target: TARGET.test(name) ? name : undefined, token: query.get('token') ?? bearer };
};
