/** Where something stands in a JSON value, as a JSON Pointer, and what is wrong with it, as the end of a sentence. */
export type UnkeepableJson = { readonly pointer: string; readonly detail: string };
type Visit = { readonly value: unknown; readonly pointer: string; readonly depth: number };

/** No config needs more, and what reads it later (database, clients of the fleets) does not take much more. */
const DEEPEST = 64;
const UNSTORABLE = 'holds a NUL or half a character: send printable text';

/** Text that PostgreSQL and canonical JSON (RFC 8785) can hold: no NUL, no half of a surrogate pair. */
export const isStorable = (text: string): boolean => !text.includes('\u0000') && text.isWellFormed();

const escape = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

const nameFault = (name: string): string | undefined => {
  if (!isStorable(name)) return `has a field whose name ${UNSTORABLE}`;
  // Programs that read it take what every JavaScript object has under this name for the value, or lose the field.
  return name in Object.prototype ? `has a field named ${name}, which is reserved: use another name` : undefined;
};

const numberFault = (value: number): string | undefined => {
  if (!Number.isFinite(value)) return `is ${value}, which is no number in JSON: leave it out, or write it as text`;
  return Number.isInteger(value) && !Number.isSafeInteger(value)
    ? 'is a whole number that is not kept to the last digit (beyond 9007199254740991): write it as text'
    : undefined;
};

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
};

const detailOf = ({ value, depth }: Visit): string | undefined => {
  if (typeof value === 'string') return isStorable(value) ? undefined : UNSTORABLE;
  if (typeof value === 'number') return numberFault(value);
  if (typeof value !== 'object' || value === null) return undefined;
  if (!isPlain(value)) return 'is no JSON value: write it as text';
  if (depth >= DEEPEST) return `is nested more than ${DEEPEST} levels deep: send something flatter`;
  return Object.keys(value).map(nameFault).find(Boolean);
};

/**
 * What makes a value impossible to keep as it is, undefined where nothing does. It is walked without recursion, so no depth
 * is too deep to say so.
 */
export const unkeepableJson = (whole: unknown): UnkeepableJson | undefined => {
  const waiting: Visit[] = [{ value: whole, pointer: '', depth: 0 }];
  for (let visit = waiting.pop(); visit !== undefined; visit = waiting.pop()) {
    const detail = detailOf(visit);
    const { value, pointer, depth } = visit;
    if (detail !== undefined) return { pointer, detail };
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, inner] of Object.entries(value))
      waiting.push({ value: inner, pointer: `${pointer}/${escape(key)}`, depth: depth + 1 });
  }
  return undefined;
};
