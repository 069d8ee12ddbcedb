const ENTITY_TAG = /(?:W\/)?("[^"]*")/g;

const GENERATION = /"(\d+)"/g;

/** Whether an `If-None-Match` header names a generation above this one: its sender has heard from a faster controller. */
export const namesNewerThan = (ifNoneMatch: string | undefined, generation: number): boolean =>
  [...(ifNoneMatch ?? '').matchAll(GENERATION)].some(([, named]) => Number(named) > generation);

/** Whether an `If-None-Match` header names this strong entity tag (RFC 9110, weak comparison). */
export const matchesEtag = (ifNoneMatch: string | undefined, etag: string): boolean => {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  return [...ifNoneMatch.matchAll(ENTITY_TAG)].some(([, tag]) => tag === etag);
};
