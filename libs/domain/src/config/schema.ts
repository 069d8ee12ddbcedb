import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import type { JsonObject } from '#libs/kernel';
import { linearRegExp, patternFaults, type SchemaFault } from './patterns.js';

export type { SchemaFault } from './patterns.js';

const OPTIONS = { strict: false, validateFormats: false, code: { regExp: linearRegExp } } as const;

let metaSchema: Ajv2020 | undefined;

/** Knows what a schema looks like, and no schema of anybody's. Compiling that takes 80 ms of a core, so it is kept. */
const judgeOfSchemas = (): Ajv2020 => {
  if (metaSchema) return metaSchema;
  const ajv = new Ajv2020(OPTIONS);
  ajv.validateSchema({});
  // Only now: whoever is stopped on the way leaves nothing half-made behind.
  metaSchema = ajv;
  return ajv;
};

/** One for each check: it would keep every schema that it ever saw. */
const newAjv = (): Ajv2020 => new Ajv2020({ ...OPTIONS, allErrors: true, validateSchema: false });

const describe = (error: ErrorObject): SchemaFault => {
  const extra = error.keyword === 'additionalProperties' ? `/${String(error.params['additionalProperty'])}` : '';
  return { pointer: `${error.instancePath}${extra}`, detail: error.message ?? error.keyword };
};

/** What is wrong with a JSON Schema (2020-12) itself; empty when it can be used. */
export const schemaFaults = (schema: JsonObject): readonly SchemaFault[] => {
  const patterns = patternFaults(schema);
  if (patterns.length > 0) return patterns;
  try {
    const ajv = judgeOfSchemas();
    if (ajv.validateSchema(schema) !== true)
      return [{ pointer: '', detail: `schema is invalid: ${ajv.errorsText(ajv.errors)}` }];
    newAjv().compile(schema);
    return [];
  } catch (error) {
    return [{ pointer: '', detail: error instanceof Error ? error.message : String(error) }];
  }
};

/** Where a value does not fit its schema; empty when it fits. */
export const valueFaults = (schema: JsonObject, value: JsonObject): readonly SchemaFault[] => {
  const validate = newAjv().compile(schema);
  return validate(value) ? [] : (validate.errors ?? []).map(describe);
};
