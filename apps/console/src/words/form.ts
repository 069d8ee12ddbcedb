/** What a form can ask for without knowing more than JSON Schema. */
export type Field =
  | {
      readonly kind: 'boolean';
      readonly name: string;
      readonly title: string;
      readonly help: string;
      readonly isRequired: boolean;
    }
  | {
      readonly kind: 'choice';
      readonly name: string;
      readonly title: string;
      readonly help: string;
      readonly isRequired: boolean;
      readonly values: readonly unknown[];
    }
  | {
      readonly kind: 'number' | 'text';
      readonly name: string;
      readonly title: string;
      readonly help: string;
      readonly isRequired: boolean;
      readonly isWhole: boolean;
    };

type Schema = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const limitsOf = (schema: Schema): string => {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  const parts = [
    minimum === undefined ? undefined : `at least ${String(minimum)}`,
    exclusiveMinimum === undefined ? undefined : `more than ${String(exclusiveMinimum)}`,
    maximum === undefined ? undefined : `at most ${String(maximum)}`,
    exclusiveMaximum === undefined ? undefined : `less than ${String(exclusiveMaximum)}`,
  ];
  return parts.filter((part) => part !== undefined).join(', ');
};

const fieldOf = (name: string, schema: unknown, isRequired: boolean): Field | undefined => {
  if (!isObject(schema)) return undefined;
  const title = typeof schema['title'] === 'string' ? schema['title'] : name;
  const help = [schema['description'], limitsOf(schema)]
    .filter((part) => typeof part === 'string' && part !== '')
    .join('; ');
  const base = { name, title, help, isRequired };
  if (Array.isArray(schema['enum'])) return { ...base, kind: 'choice', values: schema['enum'] };
  switch (schema['type']) {
    case 'boolean':
      return { ...base, kind: 'boolean' };
    case 'integer':
      return { ...base, kind: 'number', isWhole: true };
    case 'number':
      return { ...base, kind: 'number', isWhole: false };
    case 'string':
      return { ...base, kind: 'text', isWhole: false };
    default:
      return undefined;
  }
};

/** The fields of a value by its schema, when all of it can be asked for; else undefined: it is written as JSON. */
export const fieldsOf = (schema: unknown, value: unknown): readonly Field[] | undefined => {
  if (!isObject(schema) || !isObject(schema['properties']) || !isObject(value)) return undefined;
  const { properties } = schema;
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  if (Object.keys(value).some((name) => !(name in properties))) return undefined;
  const fields = Object.entries(properties).map(([name, each]) => fieldOf(name, each, required.includes(name)));
  return fields.some((field) => field === undefined) ? undefined : fields.filter((field) => field !== undefined);
};

/** The value with one field set; without it when it is left empty. */
export const withField = (value: Schema, name: string, next: unknown): Schema => {
  const { [name]: _, ...rest } = value;
  return next === undefined || next === '' ? rest : { ...value, [name]: next };
};

/** What a field of numbers holds: a number where it is one, otherwise the text, for the schema to refuse in its words. */
export const numberOf = (text: string): number | string => {
  const number = Number(text);
  return text.trim() !== '' && Number.isFinite(number) ? number : text;
};
