import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import type { NewEvent, RecordedEvent } from '#libs/kernel';

const canonicalize = createRequire(import.meta.url)('canonicalize') as (value: unknown) => string | undefined;

/** RFC 8785. Throws for what JSON cannot carry: NaN, infinities, undefined at the top. */
export const canonicalJson = (value: unknown): string => {
  const text = canonicalize(value);
  if (text === undefined) throw new Error(`A ${typeof value} has no canonical JSON: pass a JSON value.`);
  return text;
};

/**
 * The canonical body of an event, in the three parts around what only the log can give. RFC 8785 sorts the keys:
 * data, eventId, metadata, **position, recordedAt**, schemaVersion, streamId, **streamVersion**, type. So the parts are
 * made beside the database and joined under its lock without another round trip:
 * `head + position + ',"recordedAt":"' + recordedAt + '",' + middle + streamVersion + tail`.
 */
export type EnvelopeParts = { readonly head: string; readonly middle: string; readonly tail: string };

export const envelopeParts = (event: NewEvent, streamId: string): EnvelopeParts => ({
  head: `{"data":${canonicalJson(event.data)},"eventId":${JSON.stringify(event.eventId)},"metadata":${canonicalJson(event.metadata)},"position":`,
  middle: `"schemaVersion":${event.schemaVersion},"streamId":${JSON.stringify(streamId)},"streamVersion":`,
  tail: `,"type":${JSON.stringify(event.type)}}`,
});

/** Joins the parts; what the database does as well. */
export const joinEnvelope = (
  parts: EnvelopeParts,
  given: { readonly position: number; readonly recordedAt: string; readonly streamVersion: number },
): string =>
  `${parts.head}${given.position},"recordedAt":"${given.recordedAt}",${parts.middle}${given.streamVersion}${parts.tail}`;

/** The exact text whose UTF-8 bytes the log keeps for an event: the whole recorded event in RFC 8785. */
export const canonicalBody = (event: RecordedEvent): string => canonicalJson(event);

/** The leaf of an event in the log's tree: SHA-256(0x00 ‖ canonical bytes), as RFC 6962 hashes leaves. */
export const leafHash = (body: string): Buffer =>
  createHash('sha256').update(Buffer.of(0)).update(body, 'utf8').digest();
