/**
 * The JSON Schema of the configuration file (draft-07, which editors know best), made from that which reads it.
 */
import { configSchema } from './config-schema.ts';
import { type JsonSchema, jsonSchemaOf } from './schema-keys.ts';

/** What is published, and what `coapsule serve --print-schema` prints. */
export function configJsonSchema(): JsonSchema {
  const nothing = (): never => {
    throw new Error('nothing is read here');
  };
  const schema = configSchema({
    resolvePath: (path) => path,
    readSecret: nothing,
    keyOf: nothing,
    variables: {},
  });
  return { title: 'Configuration of coapsule serve', ...jsonSchemaOf(schema) } as JsonSchema;
}
