import { Ajv, type AnySchemaObject } from 'ajv';
import addFormats from 'ajv-formats';
import type { FastifySchema, FastifySchemaCompiler } from 'fastify';

/**
 * Validators by part of the request. A body means what it says: nothing in it is coerced or dropped, an unknown field
 * is an error. A query string is text, so that its numbers and booleans are parsed.
 */
export function createValidatorCompiler(
  components: readonly AnySchemaObject[],
): FastifySchemaCompiler<FastifySchema> {
  const create = (coerceTypes: boolean): Ajv => {
    const ajv = new Ajv({ coerceTypes, useDefaults: true, removeAdditional: false, strictTypes: false });
    addFormats(ajv as never);
    return ajv.addSchema([...components]);
  };
  const body = create(false);
  const text = create(true);
  return ({ schema, httpPart }) => (httpPart === 'body' ? body : text).compile(schema);
}
