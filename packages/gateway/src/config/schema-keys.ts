/**
 * JSON Schema (draft-07, which editors know best) of a schema that reads a file, and the keys that may stand in it.
 */
import * as z from 'zod';

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

/** The keys that may stand at a place. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  let places: readonly JsonSchema[] = forms(jsonSchemaOf(schema));
  for (const segment of path) places = places.flatMap((place) => forms(placeBelow(place, segment)));
  return places.flatMap(({ properties }) => Object.keys(properties ?? {}));
}

/** A schema, and those that it is a choice of. */
function forms(schema: JsonSchema | undefined): readonly JsonSchema[] {
  return schema === undefined ? [] : [schema, ...(schema.anyOf ?? []).flatMap(forms)];
}

function placeBelow(schema: JsonSchema, segment: PropertyKey): JsonSchema | undefined {
  if (typeof segment === 'number') return schema.items;
  const known = schema.properties?.[String(segment)];
  const named = schema.additionalProperties;
  return known ?? (typeof named === 'object' ? named : undefined);
}

/** As it is published. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const override = ({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void => {
    // That a number is one that a program can hold exactly says nothing to a person.
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  };
  return z.toJSONSchema(schema, { io: 'input', target: 'draft-7', override }) as JsonSchema;
}
