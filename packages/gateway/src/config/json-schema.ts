/**
 * The JSON Schema of the configuration file (draft-07, which editors know best), made from that which reads it.
 */
import * as z from 'zod';
import { configSchema } from './config-schema.ts';

/** The part of JSON Schema that zod makes of ours. */
export interface JsonSchema {
  readonly description?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  /** Of names that may be any; false where there are no others than `properties`. */
  readonly additionalProperties?: JsonSchema | boolean;
  readonly required?: readonly string[];
}

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

/** The keys that may stand at a place. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  let place: JsonSchema | undefined = jsonSchemaOf(schema);
  for (const segment of path) {
    place = placeBelow(place, segment);
  }
  return Object.keys(place?.properties ?? {});
}

function placeBelow(schema: JsonSchema | undefined, segment: PropertyKey): JsonSchema | undefined {
  if (typeof segment === 'number') return schema?.items;
  const known = schema?.properties?.[String(segment)];
  const named = schema?.additionalProperties;
  return known ?? (typeof named === 'object' ? named : undefined);
}

function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const override = ({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void => {
    // That a number is one that a program can hold exactly says nothing to a person.
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  };
  return z.toJSONSchema(schema, { io: 'input', target: 'draft-7', override }) as JsonSchema;
}
