import { z } from 'zod';

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
};

const kindOf = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number') return Number.isInteger(value) ? 'a whole number' : 'a number';
  return KINDS[typeof value] ?? typeof value;
};

const lengthWords = (bound: string, limit: number | bigint, origin: string): string => {
  if (origin === 'string') return `must have ${bound} ${limit} character${limit === 1 ? '' : 's'}`;
  if (origin === 'array' || origin === 'set') return `must have ${bound} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  return `must be ${bound} ${limit}`;
};

const typeWords = (expected: string, input: unknown): string => {
  const wanted = `must be ${KINDS[expected] ?? expected}`;
  const isNumber = expected === 'number' || expected === 'int';
  // What comes from an address, a header or the environment is text whatever it means.
  return isNumber && (typeof input === 'string' || typeof input === 'number')
    ? wanted
    : `${wanted}, not ${kindOf(input)}`;
};

const FORMATS: Readonly<Record<string, string>> = {
  datetime: 'write a time such as 2025-08-29T12:00:00Z',
  url: 'must be a URL of the right kind',
  uuid: 'write an id such as 01990a3c-5b10-7cc1-8b0a-2f4f3a9d0c11',
};

const NO_FORM = 'has none of the forms that are possible here';

const words: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is missing' : typeWords(issue.expected, issue.input);
    case 'invalid_value': {
      const values = issue.values.map((value) => String(value)).join(', ');
      const wanted = issue.values.length === 1 ? values : `one of ${values}`;
      return issue.input === undefined ? `is missing: use ${wanted}` : `must be ${wanted}`;
    }
    case 'too_small':
      if (issue.origin === 'string' && issue.minimum === 1) return 'must not be empty';
      return lengthWords(issue.inclusive === false ? 'more than' : 'at least', issue.minimum, issue.origin);
    case 'too_big':
      return lengthWords(issue.inclusive === false ? 'less than' : 'at most', issue.maximum, issue.origin);
    case 'unrecognized_keys':
      return `has what is not known: ${issue.keys.join(', ')}`;
    case 'invalid_union':
      return issue.input === undefined ? 'is missing' : NO_FORM;
    case 'invalid_format':
      return FORMATS[issue.format];
    default:
      return undefined;
  }
};

/** What any schema of the process says when nothing better is said in it: for people who never saw the code. */
z.config({ customError: words });

/** Some part of an issue of a schema library (Standard Schema); issues of zod have more. */
export type FoundIssue = {
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  readonly message: string;
};

/** One field and what is wrong with it. */
export type FieldFault = { readonly path: readonly PropertyKey[]; readonly message: string };

const pathOf = ({ path = [] }: FoundIssue): readonly PropertyKey[] =>
  path.map((segment) => (typeof segment === 'object' ? segment.key : segment));

const keysOf = (issue: object): readonly string[] =>
  'code' in issue && issue.code === 'unrecognized_keys' && 'keys' in issue && Array.isArray(issue.keys)
    ? issue.keys.map(String)
    : [];

const branchesOf = (issue: object): readonly (readonly FoundIssue[])[] =>
  'code' in issue && issue.code === 'invalid_union' && 'errors' in issue && Array.isArray(issue.errors)
    ? (issue.errors as readonly (readonly FoundIssue[])[])
    : [];

/** What is wrong with the name of a field, where names are bound by rules. */
const keyWords = (issue: object): string | undefined =>
  'code' in issue && issue.code === 'invalid_key' && 'issues' in issue && Array.isArray(issue.issues)
    ? (issue.issues as readonly FoundIssue[])[0]?.message
    : undefined;

const depth = (branch: readonly FoundIssue[]): number => Math.max(0, ...branch.map(({ path = [] }) => path.length));

/** The fields that an issue is about: each unknown key by itself, and of alternatives the one that got furthest. */
export const fieldFaults = (issue: FoundIssue): readonly FieldFault[] => {
  const path = pathOf(issue);
  const keys = keysOf(issue);
  if (keys.length > 0) return keys.map((key) => ({ path: [...path, key], message: 'this field is not known' }));
  const branches = branchesOf(issue);
  const deepest = branches.toSorted((a, b) => depth(b) - depth(a))[0];
  if (deepest && depth(deepest) > 0)
    return deepest.flatMap(fieldFaults).map((fault) => ({ ...fault, path: [...path, ...fault.path] }));
  if (issue.message !== NO_FORM) return [{ path, message: keyWords(issue) ?? issue.message }];
  const wanted = [...new Set(branches.flatMap((branch) => branch.map(({ message }) => message)))];
  return [{ path, message: wanted.join(', or ') || issue.message }];
};
