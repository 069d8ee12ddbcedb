const ENTITY_TAG = /(?:W\/)?("[^"]*")/g;

/** Whether an `If-None-Match` header names this strong entity tag (RFC 9110, weak comparison). */
export const matchesEtag = (ifNoneMatch: string | undefined, etag: string): boolean => {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  return [...ifNoneMatch.matchAll(ENTITY_TAG)].some(([, tag]) => tag === etag);
};
