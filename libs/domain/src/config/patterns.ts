import type { Json, JsonObject } from '#libs/kernel';
import { RE2JS } from 're2js';

export type SchemaFault = { readonly pointer: string; readonly detail: string };

/** Longer ones are lists in disguise: `enum` says them better. */
const LONGEST = 1_000;
/** Whatever stands in these is data and no schema. */
const DATA = new Set(['const', 'default', 'enum', 'examples']);

const compile = (pattern: string): RE2JS => RE2JS.compile(RE2JS.translateRegExp(pattern));

/**
 * Matches in time that is linear in the text, whatever the pattern, as ajv wants it: a schema and a value together could
 * keep a backtracking engine busy for years. Throws for what no such engine can do (looking around, back-references).
 */
export const linearRegExp = Object.assign(
  (pattern: string) => {
    const compiled = compile(pattern);
    // ajv tells patterns apart by their text.
    return { test: (text: string): boolean => compiled.matcher(text).find(), toString: () => pattern };
  },
  // Only for code that is written to a file, which is never done.
  { code: 'linearRegExp' },
);

const faultOf = (pattern: string): string | undefined => {
  if (pattern.length > LONGEST)
    return `is a pattern of ${pattern.length} characters: ${LONGEST} are allowed; use enum for a list of values`;
  try {
    compile(pattern);
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `holds a pattern that cannot be matched in bounded time (${why}): write it without looking around, back-references and repeats above 1,000; minLength and maxLength bound a length`;
  }
};

const escape = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

const faultsOfKey = (key: string, value: Json, pointer: string): readonly SchemaFault[] => {
  const patterns =
    key === 'pattern' && typeof value === 'string'
      ? [{ pointer, pattern: value }]
      : key === 'patternProperties' && typeof value === 'object' && value !== null
        ? Object.keys(value).map((pattern) => ({ pointer: `${pointer}/${escape(pattern)}`, pattern }))
        : [];
  return patterns.flatMap(({ pointer: at, pattern }) => {
    const detail = faultOf(pattern);
    return detail === undefined ? [] : [{ pointer: at, detail }];
  });
};

/** Patterns of a schema that cannot be matched in bounded time, each by its place. */
export const patternFaults = (schema: Json, pointer = ''): readonly SchemaFault[] => {
  if (typeof schema !== 'object' || schema === null) return [];
  if (Array.isArray(schema)) return schema.flatMap((item: Json, index) => patternFaults(item, `${pointer}/${index}`));
  return Object.entries(schema as JsonObject).flatMap(([key, value]) => {
    const at = `${pointer}/${escape(key)}`;
    if (DATA.has(key)) return [];
    return [...faultsOfKey(key, value, at), ...patternFaults(value, at)];
  });
};
