import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { isMap, isNode, isPair, isSeq, LineCounter, parseAllDocuments } from 'yaml';
import type { Document } from 'yaml';
import { messageOf, usageError } from './errors.js';
import type { Terminal } from './terminal.js';

/** One manifest and where it stands. */
export interface SourcedManifest {
  readonly file: string;
  readonly value: unknown;
  /** `file:line` of the field that a JSON Pointer names, or of the nearest field above it that exists. */
  readonly place: (pointer: string) => string;
}

/** A fault in a file, with its place. */
export interface FileFault {
  readonly place: string;
  readonly message: string;
}

const IS_MANIFEST = /\.(ya?ml|json)$/i;
const MAX_FILE_BYTES = 10_000_000;

const filesUnder = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') return [];
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return filesUnder(path);
      return entry.isFile() && IS_MANIFEST.test(entry.name) ? [path] : [];
    });

/** The parts of a JSON Pointer, unescaped (RFC 6901). */
export const pointerParts = (pointer: string): readonly string[] =>
  pointer
    .replace(/^#/, '')
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

/** A JSON Pointer from a path (RFC 6901). */
export const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** Where in the text the field begins that the parts lead to, or the deepest field on the way that exists. */
const offsetOf = (document: Document, parts: readonly string[]): number => {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const part of parts) {
    let next: unknown;
    let key: unknown;
    if (isMap(node)) {
      const pair: unknown = node.items.find((item) => isPair(item) && String(item.key) === part);
      if (!isPair(pair)) return offset;
      key = pair.key;
      next = pair.value;
    } else if (isSeq(node)) {
      next = node.items[Number(part)];
      key = next;
    }
    if (isNode(key)) offset = key.range?.[0] ?? offset;
    if (!isNode(next)) return offset;
    node = next;
  }
  return offset;
};

/** Splits a YAML or JSON text into its documents; empty ones are left out. */
export const parseManifestText = (
  file: string,
  text: string,
): { readonly manifests: readonly SourcedManifest[]; readonly faults: readonly FileFault[] } => {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const documents = Array.isArray(parsed) ? parsed : [];
  const manifests: SourcedManifest[] = [];
  const faults: FileFault[] = [];
  for (const document of documents) {
    if (document.errors.length > 0) {
      faults.push(
        ...document.errors.map((error) => ({
          place: `${file}:${lines.linePos(error.pos[0]).line}`,
          message: error.message,
        })),
      );
      continue;
    }
    const place = (pointer: string) => `${file}:${lines.linePos(offsetOf(document, pointerParts(pointer))).line}`;
    try {
      const value: unknown = document.toJS();
      if (value !== null && value !== undefined) manifests.push({ file, value, place });
    } catch (error) {
      const message = error instanceof RangeError ? 'it is nested too deep: write something flatter' : messageOf(error);
      faults.push({ place: place(''), message });
    }
  }
  return { manifests, faults };
};

const pathsFor = (path: string, cwd: string): readonly string[] => {
  const full = join(path.startsWith('/') ? '' : cwd, path);
  try {
    if (!statSync(full).isDirectory()) return [full];
    const files = filesUnder(full);
    if (files.length > 0) return files;
  } catch (error) {
    throw usageError(`${path} cannot be read: ${messageOf(error)}`);
  }
  throw usageError(`${path} holds no manifests`, { next: 'files that end in .yaml, .yml or .json are read' });
};

const textOf = (full: string): string => {
  try {
    if (statSync(full).size > MAX_FILE_BYTES) throw new Error('larger than 10 MB');
    return readFileSync(full, 'utf8');
  } catch (error) {
    throw usageError(`${full} cannot be read: ${messageOf(error)}`);
  }
};

/** Reads files, folders (with all below them) and `-` for stdin, in the order given. Throws a usage error with every fault. */
export const readManifests = async (
  paths: readonly string[],
  terminal: Pick<Terminal, 'cwd' | 'readInput'>,
): Promise<readonly SourcedManifest[]> => {
  const texts: { readonly file: string; readonly text: string }[] = [];
  for (const path of paths) {
    if (path === '-') texts.push({ file: 'stdin', text: await terminal.readInput() });
    else
      for (const full of pathsFor(path, terminal.cwd))
        texts.push({ file: relative(terminal.cwd, full) || full, text: textOf(full) });
  }
  const parsed = texts.map(({ file, text }) => parseManifestText(file, text));
  const faults = parsed.flatMap((one) => one.faults);
  if (faults.length > 0) {
    throw usageError('not all manifests could be read; nothing was sent', {
      details: faults.map((fault) => `${fault.place}: ${fault.message}`),
    });
  }
  const manifests = parsed.flatMap((one) => one.manifests);
  if (manifests.length === 0) throw usageError(`no manifest in ${paths.join(', ')}`);
  return manifests;
};
