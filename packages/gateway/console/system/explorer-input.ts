/**
 * What is typed into the explorer, as the gateway takes it: payloads in several notations, options by name. Pure functions.
 *
 * @module
 */

import { type CborValue, encodeCbor } from 'coapsule/cbor';
import { decodeLinkFormat, isDecodeFault } from 'coapsule/message';
import { decodeSenmlJson, encodeSenmlCbor } from 'coapsule/senml';
import type { ExplorerOption } from '../../src/console/api-types.ts';
import { diagnosticFaultText, encodeDiagnostic } from '../../src/payload/cbor-diagnostic.ts';
import { fromHex, toHex } from '../parts/hex-text.ts';

/** How a payload is written. */
export const payloadNotations = [
  'text',
  'json',
  'cbor',
  'diagnostic',
  'senml',
  'senml-cbor',
  'link-format',
  'hex',
] as const;

/** One of them. */
export type PayloadNotation = (typeof payloadNotations)[number];

/** What came of it, or what is wrong with it. */
export type Written<T> = { readonly value: T } | { readonly fault: string };

/** The Content-Format that a notation means, where it means one. */
export const formatOfNotation: Readonly<Record<PayloadNotation, string | undefined>> = {
  text: undefined,
  json: 'application/json',
  cbor: 'application/cbor',
  diagnostic: 'application/cbor',
  senml: 'application/senml+json',
  'senml-cbor': 'application/senml+cbor',
  'link-format': 'application/link-format',
  hex: undefined,
};

/** A payload as hexadecimal digits. */
export function payloadHex(text: string, notation: PayloadNotation): Written<string> {
  switch (notation) {
    case 'text':
      return { value: toHex(new TextEncoder().encode(text)) };
    case 'link-format': {
      const links = decodeLinkFormat(text);
      if (isDecodeFault(links)) return { fault: links.reason };
      return { value: toHex(new TextEncoder().encode(text)) };
    }
    case 'senml-cbor': {
      const records = decodeSenmlJson(new TextEncoder().encode(text));
      return isDecodeFault(records) ? { fault: records.reason } : { value: toHex(encodeSenmlCbor(records)) };
    }
    case 'hex': {
      const bytes = fromHex(text);
      return bytes === undefined
        ? { fault: 'expected pairs of hexadecimal digits' }
        : { value: toHex(bytes) };
    }
    case 'diagnostic': {
      const bytes = encodeDiagnostic(text);
      return bytes instanceof Uint8Array ? { value: toHex(bytes) } : { fault: diagnosticFaultText(bytes) };
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

/** One line of the editor of options. */
export interface OptionRow {
  readonly name: string;
  readonly value: string;
}

/** The lines of the editor: each is `NAME: VALUE` and a line feed, so that one that is empty yet has a place too. */
export function optionRows(text: string): readonly OptionRow[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => {
    const [, name = '', value = ''] = /^\s*([^:]*?)\s*(?::\s?(.*))?$/s.exec(line) ?? [];
    return { name, value };
  });
}

/** The text of these lines. */
export function optionText(rows: readonly OptionRow[]): string {
  const one = (text: string): string => text.replaceAll(/[\r\n]/g, ' ');
  return rows.map(({ name, value }) => `${one(name)}${value === '' ? '' : `: ${one(value)}`}\n`).join('');
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

/** What is typed in fields of their own and goes as options. */
export interface NamedOptions {
  /** ETags, such as `01ab 02cd`; an empty one is written `empty` (RFC 7252 §5.10.8.1). */
  readonly ifMatch: string;
  readonly etag: string;
  readonly ifNoneMatch: boolean;
  readonly uriHost: string;
  readonly size1: string;
}

/** Options from these fields. */
export function namedOptions(given: NamedOptions): Written<readonly ExplorerOption[]> {
  const options: ExplorerOption[] = [];
  for (const [option, text] of [
    ['If-Match', given.ifMatch],
    ['ETag', given.etag],
  ] as const) {
    for (const word of text.split(/[\s,]+/).filter((one) => one !== '')) {
      const bytes = option === 'If-Match' && word === 'empty' ? new Uint8Array(0) : fromHex(word);
      if (bytes === undefined || bytes.length > 8 || (bytes.length === 0 && word !== 'empty'))
        return { fault: `${option}: "${word}" is no ETag: 1 to 8 bytes in hexadecimal digits` };
      options.push({ option, value: `0x${toHex(bytes)}` });
    }
  }
  if (given.ifNoneMatch) options.push({ option: 'If-None-Match', value: '' });
  if (given.uriHost !== '') options.push({ option: 'Uri-Host', value: given.uriHost });
  if (given.size1 !== '') options.push({ option: 'Size1', value: given.size1 });
  return { value: options };
}

/** A token of 0 to 8 bytes. */
export function tokenOf(text: string): Written<string> {
  const bytes = fromHex(text);
  return bytes === undefined || bytes.length > 8
    ? { fault: 'a token is 0 to 8 bytes in hexadecimal digits' }
    : { value: toHex(bytes) };
}
