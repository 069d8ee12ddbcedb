import type { RulesetFeed } from '../feed.js';
import { matchesEtag, namesNewerThan } from './etag.js';

export type RulesetResponse =
  | { readonly status: 200; readonly body: string; readonly headers: Readonly<Record<string, string>> }
  | { readonly status: 304; readonly body: undefined; readonly headers: Readonly<Record<string, string>> }
  | { readonly status: 404; readonly body: undefined; readonly headers: Readonly<Record<string, string>> };

/**
 * The ruleset of a target as an HTTP answer: flagd's JSON as text, with the generation as its entity tag. 304 when the
 * caller has it, or has a newer one that did not reach this controller yet: an older one never follows it. 404 without a body when the target has no ruleset.
 */
export const rulesetResponse = (
  feed: RulesetFeed,
  target: string,
  ifNoneMatch: string | undefined,
): RulesetResponse => {
  const snapshot = feed.current(target);
  if (snapshot === undefined) return { status: 404, body: undefined, headers: {} };
  const etag = `"${snapshot.generation}"`;
  const headers = { etag, 'cache-control': 'no-cache' };
  if (matchesEtag(ifNoneMatch, etag) || namesNewerThan(ifNoneMatch, snapshot.generation))
    return { status: 304, body: undefined, headers };
  return {
    status: 200,
    body: snapshot.text,
    headers: { ...headers, 'content-type': 'application/json; charset=utf-8' },
  };
};
