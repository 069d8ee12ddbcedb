import { LATER_KINDS, Manifest } from '#libs/contracts';
import type { z } from 'zod';
import { pointerOf } from './manifest-files.js';
import type { FileFault, SourcedManifest } from './manifest-files.js';

const KINDS = 'Config, Signal, Target or Plan';

interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

type Issue = z.core.$ZodIssue;

const kindFault = (value: unknown): string => {
  const kind: unknown = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  if (typeof kind !== 'string') return `kind is missing: one of ${KINDS}`;
  return LATER_KINDS.some((later) => later === kind)
    ? `kind ${kind} is not supported yet; this version knows ${KINDS}`
    : `kind ${kind} is not known: use ${KINDS}`;
};

/** Of several alternatives the one that got furthest is what was meant. */
const flatten = (issue: Issue, value: unknown): readonly Fault[] => {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: 'this field is not known' }));
  }
  if (issue.code !== 'invalid_union') return [{ path: issue.path, message: issue.message }];
  if (issue.path.length === 1 && issue.path[0] === 'kind') return [{ path: ['kind'], message: kindFault(value) }];
  const depth = (branch: readonly Issue[]) => Math.max(0, ...branch.map((one) => one.path.length));
  const deepest = issue.errors.toSorted((a, b) => depth(b) - depth(a))[0];
  if (!deepest || depth(deepest) === 0) {
    const wanted = issue.errors.flatMap((branch) => branch.map((one) => one.message.replace(/^Invalid input: /, '')));
    return [{ path: issue.path, message: wanted.join(', or ') || issue.message }];
  }
  return deepest.flatMap((one) =>
    flatten(one, value).map((fault) => ({ ...fault, path: [...issue.path, ...fault.path] })),
  );
};

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
    const parsed = Manifest.safeParse(manifest.value);
    if (!parsed.success) {
      return parsed.error.issues
        .flatMap((issue) => flatten(issue, manifest.value))
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
