/**
 * The part of JSON Schema that the tools here describe their arguments with, and the check against it.
 *
 * @module
 */

import type { JsonObject } from './json-rpc.ts';

/** One argument. */
export type ArgumentSchema =
  | {
      readonly type: 'string';
      readonly description: string;
      readonly enum?: readonly string[];
      readonly maxLength?: number;
    }
  | {
      readonly type: 'integer' | 'number';
      readonly description: string;
      readonly minimum: number;
      readonly maximum: number;
    }
  | { readonly type: 'boolean'; readonly description: string }
  | {
      readonly type: 'array';
      readonly description: string;
      readonly items: {
        readonly type: 'string';
        readonly enum?: readonly string[];
        readonly maxLength?: number;
      };
      readonly maxItems: number;
    };

/** All arguments of a tool. */
export interface InputSchema {
  readonly type: 'object';
  readonly properties: Readonly<Record<string, ArgumentSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties: false;
}

/** Longest text where a schema says nothing else, in UTF-16 units. */
const longestText = 4096;

/** What is wrong with arguments, in words; undefined when nothing is. */
export function argumentProblem(given: JsonObject, schema: InputSchema): string | undefined {
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(given, name)) return `"${name}" is missing`;
  }
  for (const [name, value] of Object.entries(given)) {
    const expected = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
    if (expected === undefined) {
      return `there is no argument of this name; there are ${Object.keys(schema.properties).join(', ') || 'none'}`;
    }
    const problem = valueProblem(value, expected);
    if (problem !== undefined) return `"${name}" ${problem}`;
  }
  return undefined;
}

function valueProblem(value: unknown, schema: ArgumentSchema): string | undefined {
  switch (schema.type) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'has to be true or false';
    case 'integer':
    case 'number': {
      const { minimum, maximum, type } = schema;
      const isNumber = type === 'integer' ? Number.isInteger(value) : Number.isFinite(value);
      const isWithin = isNumber && (value as number) >= minimum && (value as number) <= maximum;
      return isWithin
        ? undefined
        : `has to be a ${type === 'integer' ? 'whole ' : ''}number, ${minimum} to ${maximum}`;
    }
    case 'string':
      return textProblem(value, schema);
    case 'array': {
      if (!Array.isArray(value)) return 'has to be a list';
      if (value.length > schema.maxItems) return `has more than ${schema.maxItems} entries`;
      for (const item of value) {
        const problem = textProblem(item, schema.items);
        if (problem !== undefined) return `has an entry that ${problem}`;
      }
      return undefined;
    }
  }
}

function textProblem(
  value: unknown,
  {
    enum: choices,
    maxLength = longestText,
  }: { readonly enum?: readonly string[]; readonly maxLength?: number },
): string | undefined {
  if (typeof value !== 'string') return 'has to be a text';
  if (choices !== undefined && !choices.includes(value)) return `has to be one of ${choices.join(', ')}`;
  return value.length > maxLength ? `is longer than ${maxLength} characters` : undefined;
}
