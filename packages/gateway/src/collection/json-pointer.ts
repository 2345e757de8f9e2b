/**
 * JSON pointers (RFC 6901), for JSON and for CBOR read as JSON.
 *
 * @module
 */

import { type CborValue, decodeCbor, isCborArray, isCborMap, isDecodeFault } from 'coapsule/cbor';
import { payloadKind } from '../payload/payload-kind.ts';
import { hexText } from '../text/hex.ts';

/** Levels of a body that are read: what looks at them calls itself for each. */
const deepest = 64;

/** What is wrong with a pointer, or nothing. */
export function pointerProblem(pointer: string): string | undefined {
  if (pointer !== '' && !pointer.startsWith('/'))
    return 'a JSON pointer is empty or begins with /, such as /0/v';
  return /~(?![01])/.test(pointer) ? 'in a JSON pointer ~ is written ~0, and / in a name ~1' : undefined;
}

/** The value there; nothing where there is none. */
export function pointedAt(document: unknown, pointer: string): { readonly value: unknown } | undefined {
  let value = document;
  for (const step of pointer.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(value)) {
      if (!/^(?:0|[1-9]\d*)$/.test(key) || Number(key) >= value.length) return undefined;
      value = value[Number(key)];
    } else if (typeof value === 'object' && value !== null && Object.hasOwn(value, key)) {
      value = (value as Readonly<Record<string, unknown>>)[key];
    } else return undefined;
  }
  return { value };
}

/**
 * A body as the values of JSON, or what is wrong with it.
 *
 * Of CBOR, keys become texts, bytes their hexadecimal digits, tags what they are on, and integers beyond 2^53 texts.
 */
export function jsonOf(
  payload: Uint8Array,
  contentFormat: number | undefined,
): { readonly value: unknown } | { readonly problem: string } {
  const kind = payloadKind(contentFormat);
  if (kind === 'cbor' || kind === 'senml-cbor') {
    const decoded = decodeCbor(payload, { maxDepth: deepest });
    return isDecodeFault(decoded)
      ? { problem: `it is not CBOR: ${decoded.reason}` }
      : { value: plain(decoded.value) };
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(payload);
    const value: unknown = JSON.parse(text);
    return depthOf(text) > deepest ? { problem: `it has more than ${deepest} levels` } : { value };
  } catch {
    return { problem: 'it is not JSON' };
  }
}

/** @param json that is known to be some. */
function depthOf(json: string): number {
  let depth = 0;
  let most = 0;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (token === '[' || token === '{') most = Math.max(most, ++depth);
    else if (token === ']' || token === '}') depth--;
  }
  return most;
}

/** Whether two values of JSON are the same; the order of members does not count. */
export function isSameJson(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) || Array.isArray(other)) {
    return (
      Array.isArray(one) &&
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((item, index) => isSameJson(item, other[index]))
    );
  }
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null)
    return one === other;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every(
      (key) =>
        Object.hasOwn(other, key) &&
        isSameJson((one as Record<string, unknown>)[key], (other as Record<string, unknown>)[key]),
    )
  );
}

function plain(value: CborValue): unknown {
  if (value instanceof Uint8Array) return hexText(value);
  if (typeof value === 'bigint') return String(value);
  if (value === undefined) return null;
  if (typeof value !== 'object' || value === null) return value;
  if (isCborArray(value)) return value.map(plain);
  if (isCborMap(value))
    return Object.fromEntries([...value].map(([key, item]) => [String(key), plain(item)]));
  return 'tag' in value ? plain(value.value) : `simple(${value.number})`;
}
