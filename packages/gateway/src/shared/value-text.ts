/**
 * Plain values as JSON and back: objects, lists, texts, numbers, with byte strings and undefined, which JSON does not have.
 *
 * For values that were sealed: what is read was written by a gateway.
 */

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** The value as text. */
export function encodeValue(value: unknown): string {
  return JSON.stringify(toJson(value));
}

/** The value of a text that `encodeValue` has made. */
export function decodeValue(text: string): unknown {
  return fromJson(JSON.parse(text) as Json);
}

function toJson(value: unknown): Json {
  if (value === undefined) return { $: 'undefined' };
  if (value instanceof Uint8Array) return { $: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, toJson(part)]));
  }
  return value as Json;
}

function fromJson(json: Json): unknown {
  if (isList(json)) return json.map(fromJson);
  if (typeof json !== 'object' || json === null) return json;
  const { $: special } = json;
  if (special === 'undefined') return undefined;
  // Not the view of a buffer that is shared with others.
  if (typeof special === 'string') return new Uint8Array(Buffer.from(special, 'base64'));
  return Object.fromEntries(Object.entries(json).map(([name, part]) => [name, fromJson(part)]));
}

function isList(json: Json): json is readonly Json[] {
  return Array.isArray(json);
}
