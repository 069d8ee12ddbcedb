import type { Json, JsonObject } from '#libs/kernel';
import { canonicalJson } from './canonical.js';

/** One difference between two JSON values; `path` is a JSON pointer. */
export type Change = { readonly path: string; readonly before?: Json; readonly after?: Json };

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const escape = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

/** What differs, leaf by leaf; arrays count as one leaf. */
export const changesBetween = (before: Json | undefined, after: Json | undefined, path = ''): readonly Change[] => {
  if (isObject(before) && isObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
    return keys.flatMap((key) => changesBetween(before[key], after[key], `${path}/${escape(key)}`));
  }
  if (before !== undefined && after !== undefined && canonicalJson(before) === canonicalJson(after)) return [];
  return [
    {
      path,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    },
  ];
};
