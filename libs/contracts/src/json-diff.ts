/** One difference at a path; `undefined` is a field that is not there. */
export type ValueChange = { readonly path: string; readonly before?: unknown; readonly after?: unknown };

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const escape = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

/** The differences of two JSON values, as paths (JSON Pointers) with both sides; arrays are compared place by place. */
export const diffJson = (before: unknown, after: unknown, path = ''): readonly ValueChange[] => {
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, index) => diffJson(before[index], after[index], `${path}/${index}`)).flat();
  }
  if (isObject(before) && isObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
    return keys.flatMap((key) => diffJson(before[key], after[key], `${path}/${escape(key)}`));
  }
  if (before === after) return [];
  return [{ path, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }];
};
