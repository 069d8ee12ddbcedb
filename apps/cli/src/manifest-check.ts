import { fieldFaults, LATER_KINDS, Manifest, ManifestHead, unkeepableJson } from '#libs/contracts';
import type { FieldFault } from '#libs/contracts';
import type { z } from 'zod';
import { pointerOf } from './manifest-files.js';
import type { FileFault, SourcedManifest } from './manifest-files.js';

const KINDS = 'Config, Signal, Target, Plan or Source';

const kindFault = (value: unknown): string => {
  const kind: unknown = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  if (typeof kind !== 'string') return `kind is missing: one of ${KINDS}`;
  return LATER_KINDS.some((later) => later === kind)
    ? `kind ${kind} is not supported yet; this version knows ${KINDS}`
    : `kind ${kind} is not known: use ${KINDS}`;
};

/** Without a kind the rest of a manifest cannot be judged, but how it begins is the same for all. */
const headFaults = (value: unknown): readonly FieldFault[] =>
  ManifestHead.safeParse(value).error?.issues.flatMap(fieldFaults) ?? [];

const faultsOf = (issue: z.core.$ZodIssue, value: unknown): readonly FieldFault[] =>
  issue.code === 'invalid_union' && issue.path.length === 1 && issue.path[0] === 'kind'
    ? [{ path: ['kind'], message: kindFault(value) }, ...headFaults(value)]
    : fieldFaults(issue);

const nameOf = (value: unknown): string | undefined => {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('metadata' in value)) return undefined;
  const metadata: unknown = value.metadata;
  return typeof metadata === 'object' && metadata !== null && 'name' in metadata
    ? `${String(value.kind)} ${String(metadata.name)}`
    : undefined;
};

/** Checks manifests before they are sent, so that every fault comes with file and line. Empty when all is well. */
export const checkManifests = (manifests: readonly SourcedManifest[]): readonly FileFault[] => {
  const first = new Map<string, SourcedManifest>();
  return manifests.flatMap((manifest) => {
    const unkeepable = unkeepableJson(manifest.value);
    if (unkeepable !== undefined)
      return [{ place: manifest.place(unkeepable.pointer), message: `${unkeepable.pointer} ${unkeepable.detail}` }];
    const parsed = Manifest.safeParse(manifest.value);
    if (!parsed.success) {
      return parsed.error.issues
        .flatMap((issue) => faultsOf(issue, manifest.value))
        .map(({ path, message }) => ({
          place: manifest.place(pointerOf(path)),
          message: path.length === 0 ? message : `${pointerOf(path)}: ${message}`,
        }));
    }
    const name = nameOf(manifest.value);
    const earlier = name === undefined ? undefined : first.get(name);
    if (name !== undefined && !earlier) first.set(name, manifest);
    return earlier ? [{ place: manifest.place(''), message: `${name} is also at ${earlier.place('')}` }] : [];
  });
};

/**
 * Where a pointer into an `ApplyRequest` stands: `/manifests/2/spec/value/x` becomes `plans.yaml:14: /spec/value/x`.
 * Undefined when it does not lead into a manifest.
 */
export const placeInSources = (pointer: string, manifests: readonly SourcedManifest[]): string | undefined => {
  const match = /^#?\/manifests\/(\d+)(\/.*)?$/.exec(pointer);
  const manifest = match?.[1] === undefined ? undefined : manifests[Number(match[1])];
  if (!manifest) return undefined;
  const inside = match?.[2] ?? '';
  return inside === '' ? manifest.place('') : `${manifest.place(inside)}: ${inside}`;
};
