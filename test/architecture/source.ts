import { parseSync } from 'vite';

/** One import as it is written: a static or dynamic import, a re-export, an import type, or a `require`. */
export type Import = {
  readonly specifier: string;
  readonly line: number;
  /** Gone after compilation. */
  readonly typeOnly: boolean;
  /** Imported names; `*` stands for everything. */
  readonly names: readonly string[];
};

type Node = { readonly type: string; readonly start: number; readonly [field: string]: unknown };

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';

const textOf = (node: unknown): string | undefined =>
  isNode(node) && node.type === 'Literal' && typeof node['value'] === 'string' ? node['value'] : undefined;

const nameOf = (node: unknown): string => {
  if (!isNode(node)) return '*';
  return typeof node['name'] === 'string' ? node['name'] : (textOf(node) ?? '*');
};

const specifiersOf = (node: Node): readonly Node[] =>
  Array.isArray(node['specifiers']) ? node['specifiers'].filter(isNode) : [];

const namesOf = (node: Node): readonly string[] =>
  specifiersOf(node).map((specifier) => {
    if (specifier.type === 'ImportSpecifier') return nameOf(specifier['imported']);
    if (specifier.type === 'ExportSpecifier') return nameOf(specifier['local']);
    return specifier.type === 'ImportDefaultSpecifier' ? 'default' : '*';
  });

const isTypeOnly = (node: Node): boolean => {
  if (node['importKind'] === 'type' || node['exportKind'] === 'type') return true;
  const specifiers = specifiersOf(node);
  const kinds = specifiers.map((specifier) => specifier['importKind'] ?? specifier['exportKind']);
  return specifiers.length > 0 && kinds.every((kind) => kind === 'type');
};

/** `require(...)`, or `createRequire(...)` called by the name that it has with us or at once. */
const isRequire = (callee: unknown): boolean => {
  if (!isNode(callee)) return false;
  if (callee.type === 'Identifier') return ['require', 'requireFrom'].includes(String(callee['name']));
  return callee.type === 'CallExpression' && nameOf(callee['callee']) === 'createRequire';
};

type Found = Omit<Import, 'line'> & { readonly at: number };

const importIn = (node: Node): Found | undefined => {
  const everything = { at: node.start, typeOnly: false, names: ['*'] };
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration': {
      const specifier = textOf(node['source']);
      return specifier === undefined
        ? undefined
        : { specifier, at: node.start, typeOnly: isTypeOnly(node), names: namesOf(node) };
    }
    case 'ExportAllDeclaration':
      return { ...everything, specifier: textOf(node['source']) ?? '', typeOnly: isTypeOnly(node) };
    case 'ImportExpression':
      // A computed import cannot be judged here; it stands in the list without a name, so that it is refused.
      return { ...everything, specifier: textOf(node['source']) ?? '' };
    case 'TSImportType':
      return { ...everything, specifier: textOf(node['source']) ?? '', typeOnly: true };
    case 'TSExternalModuleReference':
      return { ...everything, specifier: textOf(node['expression']) ?? '' };
    case 'CallExpression': {
      const [argument] = Array.isArray(node['arguments']) ? node['arguments'] : [];
      const specifier = isRequire(node['callee']) ? textOf(argument) : undefined;
      return specifier === undefined ? undefined : { ...everything, specifier };
    }
    default:
      return undefined;
  }
};

const visit = (value: unknown, found: Found[]): void => {
  if (Array.isArray(value)) for (const item of value) visit(item, found);
  if (!isNode(value)) return;
  const one = importIn(value);
  if (one) found.push(one);
  for (const field of Object.values(value)) if (typeof field === 'object' && field !== null) visit(field, found);
};

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;

const parse = (file: string, text: string): readonly Import[] => {
  const { program, errors } = parseSync(file, text);
  const [error] = errors;
  if (error) throw new Error(`${file} cannot be parsed: ${error.message}`);
  const found: Found[] = [];
  visit(program, found);
  return found.map(({ at, ...rest }) => ({ ...rest, line: lineAt(text, at) }));
};

/** A file with the same text has the same imports, and probes look at all files again and again. */
const known = new Map<string, { readonly text: string; readonly imports: readonly Import[] }>();

/** Every import of a TypeScript file, in order. Throws an Error that names the file when it cannot be parsed. */
export const importsOf = (file: string, text: string): readonly Import[] => {
  const before = known.get(file);
  if (before?.text === text) return before.imports;
  const imports = parse(file, text);
  known.set(file, { text, imports });
  return imports;
};
