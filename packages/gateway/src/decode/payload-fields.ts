/**
 * What a payload says, by its Content-Format: text, JSON, links, SenML, CBOR.
 *
 * @module
 */

import { diagnose } from 'cbor2/diagnostic';
import { problemDetailsFormat } from 'coapsule';
import { CborTag, decodeCbor, decodeCborSequence, encodeCbor, isCborArray, isCborMap } from 'coapsule/cbor';
import { codeText, decodeLinkFormat, encodeLinkFormat, isDecodeFault } from 'coapsule/message';
import { decodeSenmlCbor, decodeSenmlJson, resolveSenml } from 'coapsule/senml';
import { payloadKind } from '../payload/payload-kind.ts';
import { printable, printableUtf8 } from '../text/printable.ts';
import { type DecodedField, shortHex } from './decoded-field.ts';

/** Longest text of a payload that is shown, in characters. */
const longestText = 4096;

/** Most records and links that are shown one by one. */
const mostEntries = 200;

/** How deep CBOR is shown; each level costs time for all that is in it. */
const deepestCbor = 64;

/** Larger CBOR is not written out: it would take a tenth of a second of a gateway whose traffic somebody looks at. */
const largestCbor = 16_384;

/** application/cbor-seq (RFC 8742). */
const cborSequenceFormat = 63;

/** What it says. Fields cover the whole payload: its parts have no places of their own. */
export interface DecodedPayload {
  readonly value: string;
  readonly fields?: readonly DecodedField[];
  readonly problem?: string;
}

/** Reads a payload. Without a format it is shown as text if it is some. */
export function payloadFields(bytes: Uint8Array, contentFormat: number | undefined): DecodedPayload {
  if (contentFormat === problemDetailsFormat) return problemDetails(bytes);
  if (contentFormat === cborSequenceFormat) return sequence(bytes);
  switch (payloadKind(contentFormat)) {
    case 'links':
      return links(bytes);
    case 'senml-json':
      return senml(bytes, decodeSenmlJson);
    case 'senml-cbor':
      return senml(bytes, decodeSenmlCbor);
    case 'json':
      return json(bytes);
    case 'cbor':
      return cbor(bytes);
    case 'bytes':
      return { value: shortHex(bytes) };
    case 'text':
      return { value: textOrHex(bytes) };
  }
}

function textOrHex(bytes: Uint8Array): string {
  const text = printableUtf8(bytes, longestText);
  return text === undefined ? shortHex(bytes) : `"${text}"`;
}

function json(bytes: Uint8Array): DecodedPayload {
  const text = printableUtf8(bytes, longestText) ?? shortHex(bytes);
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return { value: text };
  } catch {
    return { value: text, problem: 'this is not JSON' };
  }
}

function cbor(bytes: Uint8Array): DecodedPayload {
  if (bytes.length > largestCbor)
    return { value: `${bytes.length} bytes, where CBOR of ${largestCbor} at most is written out` };
  try {
    return { value: printable(diagnose(bytes, { maxDepth: deepestCbor }), longestText) };
  } catch {
    return { value: shortHex(bytes), problem: `this is not CBOR, or deeper than ${deepestCbor} levels` };
  }
}

/** RFC 9290 §2, by the names of its registry. */
const problemKeys: Readonly<Record<string, string>> = {
  '-1': 'title',
  '-2': 'detail',
  '-3': 'instance',
  '-4': 'response-code',
  '-5': 'base-uri',
  '-6': 'base-lang',
  '-7': 'base-rtl',
  '-8': 'unprocessed-coap-option',
};

function problemDetails(bytes: Uint8Array): DecodedPayload {
  const shown = cbor(bytes);
  if (shown.problem !== undefined) return shown;
  const item = decodeCbor(bytes, { maxDepth: deepestCbor });
  if (isDecodeFault(item) || !isCborMap(item.value))
    return { ...shown, problem: 'these are no problem details: expected a CBOR map (RFC 9290 §2)' };
  const fields = entries(bytes, [...item.value], ([key, value]) => {
    const name = problemKeys[String(key)] ?? `${typeof key === 'string' ? key : `entry ${key}`}`;
    if (name === 'response-code' && typeof value === 'number') return [name, codeText(value)];
    if (typeof value === 'string') return [name, JSON.stringify(value)];
    const text = value instanceof CborTag && value.tag === 38 ? value.value : undefined;
    if (text !== undefined && isCborArray(text))
      return [name, text.map((part) => JSON.stringify(part)).join(', ')];
    return [name, diagnose(encodeCbor(value), { maxDepth: deepestCbor })];
  });
  return { value: shown.value, fields };
}

/** RFC 8742: items one behind the other. */
function sequence(bytes: Uint8Array): DecodedPayload {
  const items = decodeCborSequence(bytes, { maxDepth: deepestCbor });
  if (isDecodeFault(items))
    return { value: shortHex(bytes), problem: `this is no CBOR sequence: ${items.reason}` };
  return {
    value: `${items.length} items`,
    fields: entries(bytes, items, (item, index) => [
      String(index),
      diagnose(encodeCbor(item), { maxDepth: deepestCbor }),
    ]),
  };
}

function links(bytes: Uint8Array): DecodedPayload {
  const text = printableUtf8(bytes, longestText) ?? shortHex(bytes);
  let whole: string;
  try {
    whole = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { value: text, problem: 'link format is UTF-8' };
  }
  const list = decodeLinkFormat(whole);
  // A block of a larger body is cut anywhere.
  if (isDecodeFault(list)) return { value: text, problem: `not link format: ${list.reason}` };
  return {
    value: `${list.length} links`,
    fields: entries(bytes, list, (link) => ['link', encodeLinkFormat([link])]),
  };
}

function senml(bytes: Uint8Array, decode: typeof decodeSenmlCbor): DecodedPayload {
  const pack = decode(bytes);
  if (isDecodeFault(pack)) return { value: textOrHex(bytes), problem: `not SenML: ${pack.reason}` };
  const resolved = resolveSenml(pack);
  if (isDecodeFault(resolved)) return { value: textOrHex(bytes), problem: `not SenML: ${resolved.reason}` };
  return {
    value: `${resolved.length} records`,
    fields: entries(bytes, resolved, ({ name, value, unit, time }) => {
      const shown = value instanceof Uint8Array ? shortHex(value) : JSON.stringify(value ?? null);
      return [name, [shown, unit, time === 0 ? undefined : `at ${time}`].filter(Boolean).join(' ')];
    }),
  };
}

/** The first of a list, each as `told`; the others are only counted, as there may be 60,000. */
function entries<Item>(
  bytes: Uint8Array,
  list: readonly Item[],
  told: (item: Item, index: number) => readonly [name: string, value: string],
): readonly DecodedField[] {
  const at = { start: 0, end: bytes.length };
  const shown = list.slice(0, mostEntries).map((item, index): DecodedField => {
    const [name, value] = told(item, index);
    return { name: printable(name), value: printable(value, longestText), ...at };
  });
  const left = list.length - shown.length;
  return left === 0 ? shown : [...shown, { name: 'more', value: `${left} more are not shown`, ...at }];
}
