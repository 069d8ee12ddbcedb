import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import type { JsonObject } from '#libs/kernel';
import { linearRegExp, patternFaults, type SchemaFault } from './patterns.js';

export type { SchemaFault } from './patterns.js';

const newAjv = (validateSchema: boolean): Ajv2020 =>
  new Ajv2020({
    allErrors: true,
    strict: false,
    validateFormats: false,
    validateSchema,
    code: { regExp: linearRegExp },
  });

// Schemas of users go to an instance of their own each, for they may have ids. What they are checked by is compiled once:
// it takes 60 ms.
const checker = newAjv(true);

const describe = (error: ErrorObject): SchemaFault => {
  const extra = error.keyword === 'additionalProperties' ? `/${String(error.params['additionalProperty'])}` : '';
  return { pointer: `${error.instancePath}${extra}`, detail: error.message ?? error.keyword };
};

/** What is wrong with a JSON Schema (2020-12) itself; empty when it can be used. */
export const schemaFaults = (schema: JsonObject): readonly SchemaFault[] => {
  const patterns = patternFaults(schema);
  if (patterns.length > 0) return patterns;
  try {
    checker.validateSchema(schema, true);
    newAjv(false).compile(schema);
    return [];
  } catch (error) {
    return [{ pointer: '', detail: error instanceof Error ? error.message : String(error) }];
  }
};

/** Where a value does not fit its schema; empty when it fits. */
export const valueFaults = (schema: JsonObject, value: JsonObject): readonly SchemaFault[] => {
  const validate = newAjv(false).compile(schema);
  return validate(value) ? [] : (validate.errors ?? []).map(describe);
};
