import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import type { JsonObject } from '#libs/kernel';

export type SchemaFault = { readonly pointer: string; readonly detail: string };

const OPTIONS = { allErrors: true, strict: false, validateFormats: false } as const;

/** Holds the meta-schema, whose compilation takes 25 ms, and no schema of anybody: `validateSchema` keeps none. */
const checker = new Ajv2020(OPTIONS);

/** A place of its own for each schema, so that no `$id` meets another; the meta-schema is not compiled again. */
const compile = (schema: JsonObject) => {
  checker.validateSchema(schema, true);
  return new Ajv2020({ ...OPTIONS, validateSchema: false }).compile(schema);
};

const describe = (error: ErrorObject): SchemaFault => {
  const extra = error.keyword === 'additionalProperties' ? `/${String(error.params['additionalProperty'])}` : '';
  return { pointer: `${error.instancePath}${extra}`, detail: error.message ?? error.keyword };
};

/** What is wrong with a JSON Schema (2020-12) itself; empty when it can be used. */
export const schemaFaults = (schema: JsonObject): readonly SchemaFault[] => {
  try {
    compile(schema);
    return [];
  } catch (error) {
    return [{ pointer: '', detail: error instanceof Error ? error.message : String(error) }];
  }
};

/** Where a value does not fit its schema; empty when it fits. */
export const valueFaults = (schema: JsonObject, value: JsonObject): readonly SchemaFault[] => {
  const validate = compile(schema);
  return validate(value) ? [] : (validate.errors ?? []).map(describe);
};
