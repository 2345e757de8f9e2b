/**
 * What is typed into the explorer, as the gateway takes it: payloads in several notations, options by name. Pure functions.
 *
 * @module
 */

import { type CborValue, encodeCbor } from 'coapsule/cbor';
import type { ExplorerOption } from '../../src/console/api-types.ts';
import { fromHex, toHex } from '../parts/hex-text.ts';

/** How a payload is written. */
export const payloadNotations = ['text', 'json', 'cbor', 'senml', 'hex'] as const;

/** One of them. */
export type PayloadNotation = (typeof payloadNotations)[number];

/** What came of it, or what is wrong with it. */
export type Written<T> = { readonly value: T } | { readonly fault: string };

/** The Content-Format that a notation means, where it means one. */
export const formatOfNotation: Readonly<Record<PayloadNotation, string | undefined>> = {
  text: undefined,
  json: 'application/json',
  cbor: 'application/cbor',
  senml: 'application/senml+json',
  hex: undefined,
};

/** A payload as hexadecimal digits. */
export function payloadHex(text: string, notation: PayloadNotation): Written<string> {
  switch (notation) {
    case 'text':
      return { value: toHex(new TextEncoder().encode(text)) };
    case 'hex': {
      const bytes = fromHex(text);
      return bytes === undefined
        ? { fault: 'expected pairs of hexadecimal digits' }
        : { value: toHex(bytes) };
    }
    default: {
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (error) {
        return { fault: error instanceof Error ? error.message : String(error) };
      }
      if (notation === 'senml' && !Array.isArray(value))
        return { fault: 'a SenML Pack is an array of records' };
      const bytes =
        notation === 'cbor' ? encodeCbor(cborOf(value)) : new TextEncoder().encode(JSON.stringify(value));
      return { value: toHex(bytes) };
    }
  }
}

/** JSON as CBOR has it: maps in the place of objects. */
function cborOf(value: unknown): CborValue {
  if (Array.isArray(value)) return value.map(cborOf);
  if (typeof value === 'object' && value !== null) {
    return new Map(Object.entries(value).map(([key, inner]) => [key, cborOf(inner)]));
  }
  return value as CborValue;
}

/** Options from lines such as `If-Match: 0x0102` or `2048: text`; empty lines are passed over. */
export function optionsOf(text: string): Written<readonly ExplorerOption[]> {
  const options: ExplorerOption[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, name, value = ''] = /^\s*([\w-]+)\s*(?::\s*(.*?)\s*)?$/.exec(line) ?? [];
    if (name === undefined) return { fault: `"${line.trim()}" is no option: write NAME: VALUE` };
    options.push({ option: /^\d+$/.test(name) ? Number(name) : name, value });
  }
  return { value: options };
}
