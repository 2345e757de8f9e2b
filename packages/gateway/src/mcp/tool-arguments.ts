/**
 * How the arguments of tools are described, read, and put on a command line.
 *
 * @module
 */

import type { ArgumentSchema, InputSchema } from './input-schema.ts';
import type { JsonObject } from './json-rpc.ts';

/** A schema; arguments that it does not name are refused. */
export function schema(
  properties: Readonly<Record<string, ArgumentSchema>>,
  required: readonly string[] = [],
): InputSchema {
  return { type: 'object', properties, required, additionalProperties: false };
}

/** An argument that is a text. */
export const text = (given: JsonObject, name: string): string | undefined =>
  given[name] as string | undefined;
/** One that is a number. */
export const number = (given: JsonObject, name: string): number | undefined =>
  given[name] as number | undefined;
/** One that is a list of texts. */
export const list = (given: JsonObject, name: string): readonly string[] =>
  (given[name] as string[] | undefined) ?? [];

/** An option with its value in one argument, so that the value is never taken for an option. */
export function option(name: string, value: string | number | undefined): readonly string[] {
  return value === undefined ? [] : [`--${name}=${value}`];
}
